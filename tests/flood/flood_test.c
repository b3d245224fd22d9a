/* SPDX-License-Identifier: MIT */
/*
 * Two bystanders talk over the real bulkhead-net, a stream one way and one frame
 * there and back now and then, while a third port of their VLAN floods. What
 * the flood costs them is compared with quiet moments just before and after,
 * in pairs, so that the machine's own mood cancels out; medians over the pairs
 * are held to bounds.
 *
 * The attacker is a process of its own. How a host shares its processors among
 * processes is not what is looked at here: all of these come before anything
 * else of the machine, and the attacker after the others.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/fake_driver.h"
#include "lib/harness.h"
#include "lib/net_peer.h"
#include "monitor/nic/nic.h"
#include "net/switch/ethernet.h"

#define RING_BYTES   (1u << 20) /* as the supervisor makes them */
#define QUEUE_SIZE   64
#define TRANSMIT     1 /* its queue */
#define PAIRS        11
#define INTERVAL_NS  (80 * NS_PER_MS)
#define TICK_NS      500000u
#define BULK_FRAMES  4 /* a tick: 100 Mbit/s */
#define BULK_BYTES   1500u
#define PING_BYTES   60u
#define PINGS_MAX    1000
#define LOST_PING_NS (20 * NS_PER_MS)
#define LOSS_MAX     0.05
#define SLOWER_MAX   3.0

enum { ALICE, BOB, ATTACKER, ACCOMPLICE, PEERS };
enum fill { FILL_BULK = 0xb0, FILL_PING = 0xb1, FILL_FLOOD = 0xf0 };

static struct service_rig rig;
static struct net_peer peers[PEERS];

/* What the test and its attacker share. */
static struct {
	_Atomic bool is_attacking;
	_Atomic uint64_t bytes;      /* of the attack that the service took */
	_Atomic uint64_t violations; /* that the attacker's monitor saw */
} * shared;

static pid_t attacker;

/* A guest whose driver breaks every rule, behind the monitor's own code. */
static struct {
	bool is_open;
	struct notices notices;
	struct nic nic;
	struct fake_driver driver;
	int kick, call;
} guest;

/* The attacker. --------------------------------------------------------------- */

static void count_taken(void)
{
	const struct frames_way *out = guest.is_open
					       ? &guest.nic.link.frames.out
					       : &peers[ATTACKER].frames.out;

	atomic_store(&shared->bytes, out->known);
}

static void attack_for_ever(void (*attack)(void))
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (!atomic_load(&shared->is_attacking)) {
			usleep(200);
			continue;
		}
		attack();
		count_taken();
	}
}

/* One frame, of what is in the first bytes of `frame` and rubbish behind. */
static bool put_raw(const uint8_t *frame, uint32_t head_bytes, uint32_t length,
		    const struct virtio_net_hdr *header)
{
	struct net_peer *peer = &peers[ATTACKER];
	uint8_t *record;

	if (frames_reserve(&peer->frames, FRAMES_HEADER_BYTES + length,
			   &record) < 0)
		return false;
	memset(record, 0, FRAMES_HEADER_BYTES);
	if (header)
		memcpy(record, header, sizeof(*header));
	memcpy(record + FRAMES_HEADER_BYTES, frame, head_bytes);
	frames_commit(&peer->frames, FRAMES_HEADER_BYTES + length);
	return true;
}

static void flood_to(const uint8_t *to, uint32_t length)
{
	struct net_peer *peer = &peers[ATTACKER];

	for (int i = 0; i < 64; i++)
		if (peer_try_send(peer, to, length, FILL_FLOOD) < 0)
			break;
	peer_show(peer);
}

static const uint8_t nobody[MAC_BYTES] = { 2, 0x77 };
static const uint8_t everybody[MAC_BYTES] = { 255, 255, 255, 255, 255, 255 };

static void small_frames_to_nobody(void)
{
	flood_to(nobody, PING_BYTES);
}

static void small_frames_to_an_accomplice(void)
{
	flood_to(peers[ACCOMPLICE].definition.mac, PING_BYTES);
}

static void small_frames_to_a_bystander(void)
{
	flood_to(peers[BOB].definition.mac, PING_BYTES);
}

static void broadcasts(void)
{
	flood_to(everybody, PING_BYTES);
}

static void giant_broadcasts(void)
{
	flood_to(everybody, FRAME_BYTES_MAX);
}

static void wandering_addresses(void)
{
	static uint32_t count;
	uint8_t frame[14] = { 2, 0x77, 0, 0, 0, 0, 2, 0x66 };

	for (int i = 0; i < 64; i++) {
		count++;
		memcpy(frame + 8, &count, sizeof(count));
		if (!put_raw(frame, sizeof(frame), PING_BYTES, NULL))
			break;
	}
	peer_show(&peers[ATTACKER]);
}

static void pieces_of_frames(void)
{
	static const uint8_t frame[14] = { 2, 0x77 };

	for (uint32_t i = 0; i < 64; i++)
		if (!put_raw(frame, i % 13 + 1, i % 13 + 1, NULL))
			break;
	peer_show(&peers[ATTACKER]);
}

/* For each that is to have it, the switch cuts it into 128. */
static void frames_to_be_cut(void)
{
	const struct virtio_net_hdr header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 511,
		.csum_start = 34,
		.csum_offset = 16,
	};
	uint8_t frame[54] = { 255, 255, 255, 255,      255, 255, 2,   0,
			      0,   0,   0,   ATTACKER, 8,   0,   0x45 };

	frame[23] = 6;    /* TCP */
	frame[46] = 0x50; /* 20 bytes of header */
	for (int i = 0; i < 3; i++)
		if (!put_raw(frame, sizeof(frame), 65000, &header))
			break;
	peer_show(&peers[ATTACKER]);
}

static void open_guest(void)
{
	static const struct monitor_nic settings = {
		.attachment_id = ATTACKER + 1,
		.queue_pair_count = 1,
		.mtu = 1500,
		.mac = { 2, 0, 0, 0, 0, ATTACKER },
		.hang_ms = 2000,
		.name = "lan0",
	};
	const struct net_peer *peer = &peers[ATTACKER];
	int fds[] = { dup(peer->memfd), dup(peer->kick), dup(peer->call) };
	struct nic_link link;

	guest.is_open = true;
	guest.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	guest.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK_EQ(notices_open(&guest.notices), 0);
	CHECK_EQ(nic_init(&guest.nic, &settings, &guest.notices, false), 0);
	fake_driver_open(&guest.driver, QUEUE_SIZE);
	fake_driver_map(&guest.driver, &guest.nic.memory);
	CHECK_EQ(nic_link_open(&link, PEER_GENERATION, fds), 0);
	nic_up(&guest.nic, &link);
}

static void restart_driver(void)
{
	const struct ring_addresses *addresses = &guest.driver.addresses;
	struct virtio_queue_place place = {
		.size = QUEUE_SIZE,
		.kick_fd = guest.kick,
		.call_fd = guest.call,
	};

	(void)nic_device_ops.queue_stop(&guest.nic, TRANSMIT);
	nic_device_ops.reset(&guest.nic);
	fake_driver_reset(&guest.driver);
	place.descriptors = addresses->descriptors;
	place.available = addresses->available;
	place.used = addresses->used;
	(void)nic_device_ops.set_features(&guest.nic,
					  1ull << VIRTIO_F_VERSION_1);
	CHECK_EQ(nic_device_ops.queue_start(&guest.nic, TRANSMIT, &place), 0);
}

static void offer(gpa_t gpa, uint32_t bytes, uint16_t count, bool is_writable)
{
	struct fake_buffer buffers[QUEUE_SIZE];

	for (uint16_t i = 0; i < count; i++)
		buffers[i] = (struct fake_buffer){ gpa, bytes, is_writable };
	fake_driver_offer(&guest.driver,
			  fake_driver_chain(&guest.driver, buffers, count));
}

static void offer_loop(gpa_t gpa)
{
	struct fake_buffer buffers[] = { { .gpa = gpa, .bytes = 100 },
					 { .gpa = gpa, .bytes = 100 } };
	uint16_t head = fake_driver_chain(&guest.driver, buffers, 2);
	vring_desc_t *last = &guest.driver.descriptors[(head + 1) % QUEUE_SIZE];

	last->flags |= VRING_DESC_F_NEXT;
	last->next = head;
	fake_driver_offer(&guest.driver, head);
}

static void chains_against_the_rules(void)
{
	static uint32_t kind;
	gpa_t gpa;

	if (!guest.is_open)
		open_guest();
	restart_driver();
	gpa = fake_driver_alloc(&guest.driver, 70000);
	memset(fake_driver_at(&guest.driver, gpa + NET_HEADER_BYTES), 0xff, 6);
	for (int i = 0; i < 8; i++)
		offer(gpa, NET_HEADER_BYTES + PING_BYTES, 1, false);
	offer(gpa, 3, 1, false);
	offer(gpa, 60000, 20, false);
	switch (kind++ % 4) {
	case 0:
		offer(FAKE_GPA + FAKE_BYTES - 10, 100, 1, false);
		break;
	case 1:
		offer(gpa, 100, 1, true);
		break;
	case 2:
		offer_loop(gpa);
		break;
	default:
		fake_driver_offer(&guest.driver, 0xfff0);
	}
	for (int i = 0; i < 20 && nic_turn(&guest.nic); i++)
		;
	atomic_store(&shared->violations, guest.nic.counters.violations);
}

/* The bystanders. ------------------------------------------------------------------ */

struct measured {
	uint32_t sent;
	uint32_t arrived;
	uint32_t ping_count;
	uint64_t ping_ns[PINGS_MAX];
};

struct talk {
	struct measured *measured;
	uint64_t pinged_ns; /* 0: no ping is under way */
};

static uint8_t fill_of(const uint8_t *record, uint32_t bytes)
{
	return bytes < FRAMES_HEADER_BYTES + PING_BYTES ? 0 : record[bytes - 1];
}

static void hear_bob(struct talk *talk)
{
	const uint8_t *record;
	uint32_t bytes;

	while ((bytes = peer_receive(&peers[BOB], &record, 0))) {
		uint8_t fill = fill_of(record, bytes);

		talk->measured->arrived += fill == FILL_BULK;
		if (fill == FILL_PING)
			(void)peer_try_send(&peers[BOB],
					    peers[ALICE].definition.mac,
					    PING_BYTES, FILL_PING);
		peer_done(&peers[BOB]);
		if (fill == FILL_PING)
			peer_show(&peers[BOB]);
	}
}

static void note_ping(struct measured *measured, uint64_t ns)
{
	if (measured->ping_count < PINGS_MAX)
		measured->ping_ns[measured->ping_count++] = ns;
}

static void hear_alice(struct talk *talk)
{
	struct measured *measured = talk->measured;
	const uint8_t *record;
	uint32_t bytes;

	while ((bytes = peer_receive(&peers[ALICE], &record, 0))) {
		bool is_ping = fill_of(record, bytes) == FILL_PING;

		peer_done(&peers[ALICE]);
		if (!is_ping || !talk->pinged_ns)
			continue;
		note_ping(measured, clock_now_ns() - talk->pinged_ns);
		talk->pinged_ns = 0;
	}
}

static void speak(struct talk *talk)
{
	struct net_peer *alice = &peers[ALICE];
	const uint8_t *bob = peers[BOB].definition.mac;
	uint64_t now_ns = clock_now_ns();

	for (int i = 0; i < BULK_FRAMES; i++) {
		(void)peer_try_send(alice, bob, BULK_BYTES, FILL_BULK);
		talk->measured->sent++;
	}
	if (talk->pinged_ns && now_ns - talk->pinged_ns > LOST_PING_NS) {
		note_ping(talk->measured, LOST_PING_NS);
		talk->pinged_ns = 0;
	}
	if (!talk->pinged_ns) {
		talk->pinged_ns = now_ns;
		(void)peer_try_send(alice, bob, PING_BYTES, FILL_PING);
	}
	peer_show(alice);
}

static void sleep_until(uint64_t ns)
{
	struct pollfd waits[] = {
		{ .fd = peers[ALICE].call, .events = POLLIN },
		{ .fd = peers[BOB].call, .events = POLLIN },
	};
	uint64_t now_ns = clock_now_ns(), count;
	const struct timespec timeout = {
		.tv_nsec = ns > now_ns ? (long)(ns - now_ns) : 0,
	};

	if (!frames_prepare_sleep(&peers[ALICE].frames) ||
	    !frames_prepare_sleep(&peers[BOB].frames) ||
	    ppoll(waits, 2, &timeout, NULL) <= 0)
		return;
	for (int i = 0; i < 2; i++)
		if (waits[i].revents && read(waits[i].fd, &count, 8) < 0)
			continue;
}

static void talk(struct measured *measured)
{
	struct talk talk = { .measured = measured };
	uint64_t end_ns = clock_now_ns() + INTERVAL_NS;
	uint64_t tick_ns = clock_now_ns();

	*measured = (struct measured){ 0 };
	while (tick_ns < end_ns) {
		hear_bob(&talk);
		hear_alice(&talk);
		if (clock_now_ns() >= tick_ns) {
			speak(&talk);
			tick_ns += TICK_NS;
		}
		sleep_until(tick_ns);
	}
	/* What is still under way. */
	end_ns = clock_now_ns() + 60 * NS_PER_MS;
	while (measured->arrived < measured->sent && clock_now_ns() < end_ns) {
		hear_bob(&talk);
		hear_alice(&talk);
		sleep_until(end_ns);
	}
}

/* Judging. ---------------------------------------------------------------------------- */

static int compare_ns(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static int compare_double(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

/* Of the pings; one that never came back took as long as it was waited for. */
static double median_ping(struct measured *measured)
{
	if (measured->ping_count == 0)
		return (double)LOST_PING_NS;
	qsort(measured->ping_ns, measured->ping_count, sizeof(uint64_t),
	      compare_ns);
	return (double)measured->ping_ns[measured->ping_count / 2];
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), compare_double);
	return values[count / 2];
}

static void put_on(pid_t pid, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	(void)sched_setaffinity(pid, sizeof(cpus), &cpus);
}

/* The service on one, everyone else on another. */
static void share_processors(void)
{
	const struct sched_param second_best = { .sched_priority = 1 };
	const struct sched_param best = { .sched_priority = 2 };
	cpu_set_t cpus;
	int first = 0, second;

	(void)sched_setscheduler(0, SCHED_FIFO, &best);
	(void)sched_setscheduler(rig.pid, SCHED_FIFO, &best);
	(void)sched_setscheduler(attacker, SCHED_FIFO, &second_best);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ||
	    CPU_COUNT(&cpus) < 2)
		return;
	while (!CPU_ISSET(first, &cpus))
		first++;
	second = first + 1;
	while (!CPU_ISSET(second, &cpus))
		second++;
	put_on(0, first);
	put_on(attacker, first);
	put_on(rig.pid, second);
}

static void start(void (*attack)(void))
{
	static const struct net_switch lan = { .name = "lan" };

	service_rig_start(&rig, ROLE_NET, getenv("BULKHEAD_NET"), NULL);
	service_rig_send(&rig, MSG_NET_SWITCH, &lan, sizeof(lan), NULL, 0);
	for (uint16_t i = 0; i < PEERS; i++) {
		peer_make_rings(&peers[i], i, 10, RING_BYTES);
		if (i == ATTACKER)
			peers[i].definition.flags = NIC_ANY_MAC;
		peer_attach(&peers[i], &rig);
	}
	service_rig_send(&rig, MSG_NET_BEGIN, NULL, 0, NULL, 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	attacker = fork();
	CHECK(attacker >= 0);
	if (attacker == 0)
		attack_for_ever(attack);
	share_processors();
}

static void stop(void)
{
	CHECK_EQ(kill(attacker, SIGKILL), 0);
	CHECK_EQ(waitpid(attacker, NULL, 0), attacker);
	for (uint16_t i = 0; i < PEERS; i++)
		peer_close(&peers[i]);
	service_rig_stop(&rig);
	CHECK_EQ(munmap(shared, 4096), 0);
}

static void measure(bool is_attacking, struct measured *measured)
{
	atomic_store(&shared->is_attacking, is_attacking);
	usleep(10000);
	talk(measured);
}

static void check_bystanders(const char *name, void (*attack)(void))
{
	static struct measured calm, attacked;
	double losses[PAIRS], slower[PAIRS], loss, times, megabytes;
	unsigned long long violations;

	start(attack);
	for (int i = 0; i < PAIRS; i++) {
		/* Each goes first as often as the other. */
		measure(i % 2 != 0, i % 2 ? &attacked : &calm);
		measure(i % 2 == 0, i % 2 ? &calm : &attacked);
		losses[i] = 1 - (double)attacked.arrived / attacked.sent *
					calm.sent / (calm.arrived + 1e-9);
		slower[i] = median_ping(&attacked) / median_ping(&calm);
	}
	megabytes = (double)atomic_load(&shared->bytes) / 1e6;
	violations = (unsigned long long)atomic_load(&shared->violations);
	stop();
	loss = median(losses, PAIRS);
	times = median(slower, PAIRS);
	fprintf(stderr,
		"%s: %.1f MB, %llu violations, loss %.3f, latency times %.2f\n",
		name, megabytes, violations, loss, times);
	CHECK(megabytes >= 1);
	CHECK((violations > 0) == (attack == chains_against_the_rules));
	CHECK(loss <= LOSS_MAX);
	CHECK(times <= SLOWER_MAX);
}

#define FLOOD_OF(attack)                           \
	TEST(bystanders_do_not_mind_##attack)      \
	{                                          \
		check_bystanders(#attack, attack); \
	}

FLOOD_OF(small_frames_to_nobody)
FLOOD_OF(small_frames_to_an_accomplice)
FLOOD_OF(small_frames_to_a_bystander)
FLOOD_OF(broadcasts)
FLOOD_OF(giant_broadcasts)
FLOOD_OF(wandering_addresses)
FLOOD_OF(pieces_of_frames)
FLOOD_OF(frames_to_be_cut)
FLOOD_OF(chains_against_the_rules)
