/* SPDX-License-Identifier: MIT */
/* The real bulkhead-net between a supervisor, monitors and uplinks played
 * here. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "channel/frames.h"
#include "lib/harness.h"
#include "lib/net_peer.h"
#include "lib/service_rig.h"
#include "net/switch/drop.h"
#include "net/switch/ethernet.h"

#define WAIT_MS 5000

static struct service_rig rig;
static struct net_peer peers[4];

static void start_service(const char *environment)
{
	static const struct net_switch lan = { .name = "lan" };

	service_rig_start(&rig, ROLE_NET, getenv("BULKHEAD_NET"), environment);
	service_rig_send(&rig, MSG_NET_SWITCH, &lan, sizeof(lan), NULL, 0);
}

static void begin(void)
{
	service_rig_send(&rig, MSG_NET_BEGIN, NULL, 0, NULL, 0);
}

/* The loop has handled everything sent before. */
static void settle(void)
{
	service_rig_send(&rig, MSG_CHILD_PING, NULL, 0, NULL, 0);
	service_rig_expect(&rig, MSG_CHILD_PONG, NULL, 0);
}

/* Two ports of VLAN 10 and one of 20. */
static void start(void)
{
	start_service(NULL);
	for (uint16_t i = 0; i < 3; i++) {
		peer_make(&peers[i], i, i < 2 ? 10 : 20);
		peer_attach(&peers[i], &rig);
	}
	begin();
	settle();
}

static void stop(void)
{
	for (uint16_t i = 0; i < 3; i++)
		peer_close(&peers[i]);
	service_rig_stop(&rig);
}

static void send_to(struct net_peer *from, const struct net_peer *to,
		    uint8_t fill)
{
	CHECK_EQ(peer_try_send(from, to->attach.definition.mac, 60, fill), 0);
	peer_show(from);
}

static void expect_fill(struct net_peer *peer, uint8_t fill)
{
	const uint8_t *record;

	CHECK_EQ(peer_receive(peer, &record, WAIT_MS),
		 FRAMES_HEADER_BYTES + 60);
	CHECK_EQ(record[FRAMES_HEADER_BYTES + 59], fill);
	peer_done(peer);
}

static void expect_nothing(struct net_peer *peer)
{
	const uint8_t *record;

	CHECK_EQ(peer_receive(peer, &record, 50), 0);
}

TEST(frames_go_to_the_neighbour_and_nobody_else)
{
	start();
	send_to(&peers[0], &peers[1], 1);
	expect_fill(&peers[1], 1);
	send_to(&peers[1], &peers[0], 2);
	expect_fill(&peers[0], 2);
	expect_nothing(&peers[2]);
	stop();
}

TEST(no_frame_passes_before_everybody_is_there_again)
{
	start_service(NULL);
	peer_make(&peers[0], 0, 10);
	peer_make(&peers[1], 1, 10);
	peer_make(&peers[2], 2, 10);
	peer_attach(&peers[0], &rig);
	send_to(&peers[0], &peers[1], 7);
	settle();
	peer_attach(&peers[1], &rig);
	settle();
	expect_nothing(&peers[1]);
	begin();
	expect_fill(&peers[1], 7);
	stop();
}

static struct net_port report_of(uint64_t attachment_id)
{
	struct net_report position = { 0 };
	struct net_port found = { 0 };
	struct message message;

	service_rig_send(&rig, MSG_NET_REPORT, &position, sizeof(position),
			 NULL, 0);
	do {
		struct pollfd wait = { .fd = rig.link.fd, .events = POLLIN };
		struct net_port row;

		CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
		CHECK_EQ(control_receive(&rig.link, &message), 0);
		if (message.type != MSG_NET_PORT)
			continue;
		memcpy(&row, message.body, sizeof(row));
		if (row.attachment_id == attachment_id)
			found = row;
	} while (message.type != MSG_NET_REPORTED);
	memcpy(&position, message.body, sizeof(position));
	CHECK(position.is_over);
	return found;
}

/* Until so many frames for a port went in or were dropped. */
static void wait_for_frames(uint64_t attachment_id, uint64_t count)
{
	struct net_port port;

	do {
		port = report_of(attachment_id);
	} while (port.out_frames + port.drops[DROP_NO_BUFFER] < count);
}

static void flood(struct net_peer *peer, const struct net_peer *to)
{
	for (uint32_t sent = 0; sent < 20000; sent++) {
		while (peer_try_send(peer, to->attach.definition.mac, 60, 1) <
		       0)
			peer_show(peer);
		peer_show(peer);
	}
	wait_for_frames(to->attach.attachment.id, 20000);
}

TEST(a_slow_receiver_loses_its_own_frames_and_blocks_nobody)
{
	struct net_port slow;

	start();
	flood(&peers[0], &peers[1]);
	send_to(&peers[1], &peers[0], 9);
	expect_fill(&peers[0], 9);
	slow = report_of(2);
	CHECK(slow.drops[DROP_NO_BUFFER] > 0);
	CHECK_EQ(slow.drops[DROP_NO_BUFFER] + slow.out_frames, 20000);
	stop();
}

TEST(a_hostile_guest_cannot_take_all_the_room_of_another)
{
	const uint8_t *record;
	uint32_t fill;

	start_service(NULL);
	for (uint16_t i = 0; i < 3; i++) {
		peer_make(&peers[i], i, 10);
		peer_attach(&peers[i], &rig);
	}
	begin();
	settle();
	flood(&peers[0], &peers[1]);
	send_to(&peers[2], &peers[1], 7);
	wait_for_frames(2, 20001);
	do {
		CHECK(peer_receive(&peers[1], &record, WAIT_MS) > 0);
		fill = record[FRAMES_HEADER_BYTES + 59];
		peer_done(&peers[1]);
	} while (fill != 7);
	stop();
}

TEST(a_hostile_peer_cannot_take_more_than_its_port_with_it)
{
	struct attachment broken;

	start();
	/* A length that is not there. */
	send_to(&peers[0], &peers[1], 1);
	expect_fill(&peers[1], 1);
	CHECK_EQ(
		peer_try_send(&peers[0], peers[1].attach.definition.mac, 60, 1),
		0);
	memset(peers[0].frames.out.bytes, 0xee, PEER_RING_BYTES);
	peer_show(&peers[0]);
	service_rig_expect(&rig, MSG_NET_PEER_BROKEN, &broken, sizeof(broken));
	CHECK_EQ(broken.id, 1);
	send_to(&peers[1], &peers[0], 2);
	settle();
	stop();
}

TEST(a_hostile_peer_cannot_stop_the_service_by_a_blocking_eventfd)
{
	struct attachment broken;

	start_service(NULL);
	for (uint16_t i = 0; i < 3; i++)
		peer_make(&peers[i], i, 10);
	close(peers[0].call);
	peers[0].call = eventfd(0, EFD_CLOEXEC);
	peer_attach(&peers[0], &rig);
	service_rig_expect(&rig, MSG_NET_PEER_BROKEN, &broken, sizeof(broken));
	stop();
}

TEST(rings_of_another_generation_are_refused)
{
	struct attachment broken;

	start_service(NULL);
	for (uint16_t i = 0; i < 3; i++)
		peer_make(&peers[i], i, 10);
	peers[0].attach.attachment.generation++;
	peer_attach(&peers[0], &rig);
	service_rig_expect(&rig, MSG_NET_PEER_BROKEN, &broken, sizeof(broken));
	stop();
}

/* Bytes received in about a second at this credit, sent as fast as they go, and
 * how long it really was. */
static uint64_t bytes_in_a_second(uint64_t credit, uint32_t period_us,
				  uint32_t length, uint64_t *ret_ns)
{
	uint64_t begin_ns, bytes = 0;
	const uint8_t *record;

	start_service(NULL);
	for (uint16_t i = 0; i < 3; i++)
		peer_make(&peers[i], i, 10);
	peers[0].attach.definition.credit_bytes = credit;
	peers[0].attach.definition.period_us = period_us;
	for (uint16_t i = 0; i < 3; i++)
		peer_attach(&peers[i], &rig);
	begin();
	settle();
	begin_ns = clock_now_ns();
	do {
		while (peer_try_send(&peers[0], peers[1].attach.definition.mac,
				     length, 1) == 0)
			;
		peer_show(&peers[0]);
		while (peer_receive(&peers[1], &record, 0)) {
			bytes += length;
			peer_done(&peers[1]);
		}
		*ret_ns = clock_now_ns() - begin_ns;
	} while (*ret_ns < NS_PER_S);
	stop();
	return bytes;
}

/* The bucket has room for some 2184 frames of the least length. */
TEST(a_hostile_peer_cannot_have_work_done_for_nothing)
{
	uint64_t until;

	start_service(NULL);
	for (uint16_t i = 0; i < 3; i++)
		peer_make(&peers[i], i, 10);
	peers[0].attach.definition.credit_bytes = 1;
	peers[0].attach.definition.period_us = 1000000;
	for (uint16_t i = 0; i < 3; i++)
		peer_attach(&peers[i], &rig);
	begin();
	settle();
	for (int i = 0; i < 4000; i++) {
		uint8_t *record;

		CHECK_EQ(frames_reserve(&peers[0].frames, 1, &record), 0);
		frames_commit(&peers[0].frames, 1);
	}
	peer_show(&peers[0]);
	until = clock_now_ns() + 50 * NS_PER_MS;
	while (clock_now_ns() < until)
		settle();
	CHECK(frames_are_unread(&peers[0].frames));
	stop();
}

/* How much less it can be is a matter of the machine; credit_test.c has it. */
TEST(a_sender_gets_no_more_than_its_credit_and_waits_in_its_own_ring)
{
	/* 100 Mbit/s, and the bucket that was full at the start. */
	uint64_t ns;
	uint64_t bytes = bytes_in_a_second(12500, 1000, 1500, &ns);

	CHECK(bytes > 128u << 10);
	CHECK(bytes <= (ns / NS_PER_MS + 2) * 12500 + (128u << 10));
}

/* passt's end of an uplink. */
static int add_stream_uplink(void)
{
	struct net_uplink uplink = {
		.attachment = { .id = 100, .generation = 1 },
		.kind = UPLINK_PASST,
		.definition = { .name = "lan", .pvid = 10 },
	};
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	service_rig_send(&rig, MSG_NET_UPLINK, &uplink, sizeof(uplink),
			 &ends[0], 1);
	close(ends[0]);
	settle();
	return ends[1];
}

static void read_all(int fd, uint8_t *to, size_t bytes)
{
	while (bytes > 0) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t got;

		CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
		got = read(fd, to, bytes);
		CHECK(got > 0);
		to += got;
		bytes -= (size_t)got;
	}
}

static uint32_t read_stream_frame(int fd, uint8_t *to)
{
	uint8_t length[4];

	read_all(fd, length, 4);
	CHECK(length[0] == 0 && length[1] == 0);
	read_all(fd, to, frame_read16(length + 2));
	return frame_read16(length + 2);
}

/* The next frame that is no announcement. */
static void expect_from_stream(int fd, uint8_t fill)
{
	uint8_t frame[65536];
	uint32_t length;

	do
		length = read_stream_frame(fd, frame);
	while (frame_read16(frame + 12) == 0x8035);
	CHECK_EQ(length, 60);
	CHECK_EQ(frame[59], fill);
}

static const uint8_t outside_mac[6] = { 2, 9, 9, 9, 9, 9 };

static void fill_stream_frame(uint8_t *record, uint8_t fill)
{
	frame_write16(record, 0);
	frame_write16(record + 2, 60);
	memset(record + 4, fill, 60);
	memcpy(record + 4, peers[0].attach.definition.mac, 6);
	memcpy(record + 10, outside_mac, 6);
	frame_write16(record + 16, 0x88b5);
}

TEST(unknown_destinations_go_out_and_the_outside_comes_in)
{
	uint8_t record[64];
	int fd;

	start();
	fd = add_stream_uplink();
	CHECK_EQ(peer_try_send(&peers[0], outside_mac, 60, 5), 0);
	peer_show(&peers[0]);
	expect_from_stream(fd, 5);
	fill_stream_frame(record, 6);
	CHECK_EQ(write(fd, record, 64), 64);
	expect_fill(&peers[0], 6);
	close(fd);
	stop();
}

TEST(a_new_active_trunk_announces_who_lives_behind_it)
{
	uint8_t frame[65536];
	uint32_t seen = 0;
	int fd;

	start();
	fd = add_stream_uplink();
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(read_stream_frame(fd, frame), 60);
		CHECK_EQ(frame_read16(frame + 12), 0x8035);
		seen |= 1u << frame[11];
	}
	CHECK_EQ(seen, 3); /* not the one in VLAN 20 */
	close(fd);
	stop();
}

TEST(half_a_frame_of_a_stream_waits_for_the_other_half)
{
	uint8_t record[64];
	int fd;

	start();
	fd = add_stream_uplink();
	fill_stream_frame(record, 8);
	for (size_t at = 0; at < 64; at += 8) {
		CHECK_EQ(write(fd, record + at, 8), 8);
		settle();
	}
	expect_fill(&peers[0], 8);
	close(fd);
	stop();
}

TEST(a_killed_service_leaves_its_successor_a_whole_frame)
{
	struct net_uplink uplink = {
		.attachment = { .id = 100, .generation = 1 },
		.kind = UPLINK_PASST,
		.definition = { .name = "lan", .pvid = 10 },
	};
	uint8_t record[64];
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	fill_stream_frame(record, 3);
	memcpy(record + 4, (uint8_t[]){ 2, 0, 0, 0, 0, 0 }, 6);
	CHECK_EQ(write(ends[1], record, 30), 30);
	for (int life = 0; life < 3; life++) {
		start();
		service_rig_send(&rig, MSG_NET_UPLINK, &uplink, sizeof(uplink),
				 &ends[0], 1);
		settle();
		if (life == 1)
			CHECK_EQ(write(ends[1], record + 30, 34), 34);
		if (life == 1)
			expect_fill(&peers[0], 3);
		if (life == 2)
			expect_nothing(&peers[0]);
		stop();
	}
	close(ends[0]);
	close(ends[1]);
}

/* A frame of more than 48 KiB goes into a socket in two parts. */
TEST(a_hostile_guest_cannot_end_a_full_uplink_by_long_frames)
{
	static uint8_t frame[65536];
	struct pollfd wait = { .events = POLLIN };
	uint32_t long_frames = 0;

	start();
	wait.fd = add_stream_uplink();
	for (int i = 0; i < 20; i++) {
		while (peer_try_send(&peers[0], outside_mac, 60000, 7) ==
		       -EAGAIN)
			settle();
		peer_show(&peers[0]);
	}
	settle();
	while (poll(&wait, 1, 200) == 1) {
		uint32_t length = read_stream_frame(wait.fd, frame);

		if (frame_read16(frame + 12) == 0x8035)
			continue;
		CHECK_EQ(length, 60000);
		CHECK_EQ(frame[59999], 7);
		long_frames++;
	}
	CHECK(long_frames >= 2);
	CHECK_EQ(peer_try_send(&peers[0], outside_mac, 60, 9), 0);
	peer_show(&peers[0]);
	expect_from_stream(wait.fd, 9);
	close(wait.fd);
	stop();
}

/* The stream, to its end, holds nothing but whole frames. */
static void expect_whole_frames(int fd)
{
	static uint8_t frame[65536];
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	uint8_t byte;

	while (poll(&wait, 1, 200) == 1 && recv(fd, &byte, 1, MSG_PEEK) == 1)
		(void)read_stream_frame(fd, frame);
}

TEST(a_service_killed_amid_long_frames_leaves_whole_ones)
{
	struct net_uplink uplink = {
		.attachment = { .id = 100, .generation = 1 },
		.kind = UPLINK_PASST,
		.definition = { .name = "lan", .pvid = 10 },
	};
	int ends[2];

	for (uint32_t bytes = 40000; bytes <= 65000; bytes += 5000) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    ends),
			 0);
		start();
		service_rig_send(&rig, MSG_NET_UPLINK, &uplink, sizeof(uplink),
				 &ends[0], 1);
		for (int i = 0; i < 20; i++) {
			while (peer_try_send(&peers[0], outside_mac, bytes,
					     7) == -EAGAIN)
				settle();
			peer_show(&peers[0]);
		}
		settle();
		stop();
		close(ends[0]);
		expect_whole_frames(ends[1]);
		close(ends[1]);
	}
}

/* poll() tells of it for ever, so the service must not. Where nobody may make
 * an interface, there is nothing to see. */
TEST(a_tap_that_is_deleted_ends_its_uplink)
{
	struct net_uplink uplink = {
		.attachment = { .id = 100, .generation = 1 },
		.kind = UPLINK_TAP,
		.definition = { .name = "lan", .pvid = 10 },
	};
	struct ifreq request = { .ifr_flags =
					 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct attachment lost;
	char command[64];
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)snprintf(request.ifr_name, IFNAMSIZ, "bhtest%d", getpid());
	(void)snprintf(command, sizeof(command), "ip link delete %s",
		       request.ifr_name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
		close_fd(&fd);
		return;
	}
	start();
	service_rig_send(&rig, MSG_NET_UPLINK, &uplink, sizeof(uplink), &fd, 1);
	settle();
	CHECK_EQ(system(command), 0);
	service_rig_expect(&rig, MSG_NET_UPLINK_LOST, &lost, sizeof(lost));
	close(fd);
	stop();
}

/* A packet socket on this interface. */
static int open_packet(const char *interface)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	const int on = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	CHECK_EQ(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)),
		 0);
	CHECK_EQ(bind(fd, (const struct sockaddr *)&address, sizeof(address)),
		 0);
	return fd;
}

/* Where nobody may make an interface, there is nothing to see. */
TEST(a_packet_interface_that_is_deleted_ends_its_uplink)
{
	struct net_uplink uplink = {
		.attachment = { .id = 100, .generation = 1 },
		.kind = UPLINK_PACKET,
		.definition = { .name = "lan", .pvid = 10 },
	};
	struct attachment lost;
	int fd;

	/* The interfaces go with the test. */
	if (unshare(CLONE_NEWNET) < 0 ||
	    system("ip link add bhv type veth peer name bhw 2>/dev/null") != 0)
		return;
	CHECK_EQ(system("ip link set bhv up && ip link set bhw up"), 0);
	fd = open_packet("bhv");
	CHECK(fd >= 0);
	start();
	service_rig_send(&rig, MSG_NET_UPLINK, &uplink, sizeof(uplink), &fd, 1);
	settle();
	/* Down and up again is no loss. */
	CHECK_EQ(system("ip link set bhv down && ip link set bhv up"), 0);
	settle();
	CHECK_EQ(report_of(100).attachment_id, 100);
	CHECK_EQ(system("ip link delete bhv"), 0);
	service_rig_expect(&rig, MSG_NET_UPLINK_LOST, &lost, sizeof(lost));
	close(fd);
	stop();
}

TEST(a_hostile_uplink_cannot_do_more_than_end_itself)
{
	static const uint8_t nonsense[8] = { 0xff, 0xff, 0xff, 0xff };
	struct attachment lost;
	int fd;

	start();
	fd = add_stream_uplink();
	CHECK_EQ(write(fd, nonsense, 8), 8);
	service_rig_expect(&rig, MSG_NET_UPLINK_LOST, &lost, sizeof(lost));
	CHECK_EQ(lost.id, 100);
	send_to(&peers[0], &peers[1], 1);
	expect_fill(&peers[1], 1);
	close(fd);
	stop();
}

TEST(a_detached_port_is_gone_and_its_descriptors_too)
{
	struct attachment over;

	start();
	service_rig_send(&rig, MSG_NET_DETACH, &peers[1].attach.attachment,
			 sizeof(struct attachment), NULL, 0);
	service_rig_expect(&rig, MSG_NET_DETACHED, &over, sizeof(over));
	CHECK_EQ(over.id, 2);
	send_to(&peers[0], &peers[1], 1);
	while (report_of(1).drops[DROP_UNKNOWN] == 0)
		continue;
	/* It may come again. */
	peer_attach(&peers[1], &rig);
	settle();
	stop();
}

TEST(a_port_that_moves_to_another_vlan_leaves_the_old_one)
{
	start();
	peers[1].attach.definition.pvid = 20;
	service_rig_send(&rig, MSG_NET_SET, &peers[1].attach,
			 sizeof(peers[1].attach), NULL, 0);
	settle();
	send_to(&peers[0], &peers[1], 1);
	expect_nothing(&peers[1]);
	send_to(&peers[2], &peers[1], 2);
	expect_fill(&peers[1], 2);
	stop();
}

/* The next frame that is no announcement comes by this trunk. */
static void expect_by_trunk(struct net_peer *peer, uint8_t fill)
{
	const uint8_t *frame;

	for (;;) {
		CHECK(peer_receive(peer, &frame, WAIT_MS) > 0);
		frame += FRAMES_HEADER_BYTES;
		if (frame_read16(frame + 16) != 0x8035)
			break;
		peer_done(peer);
	}
	CHECK_EQ(frame[63], fill);
	peer_done(peer);
}

TEST(a_trunk_that_stands_by_does_so_whatever_else_of_it_changes)
{
	start_service(NULL);
	for (uint16_t i = 0; i < 3; i++) {
		struct nic_definition *definition = &peers[i].attach.definition;

		peer_make(&peers[i], i, i == 0 ? 10 : 0);
		definition->flags = i == 0 ? 0 : NIC_TRUNK;
		definition->vids[0] = 10;
		definition->vid_count = i == 0 ? 0 : 1;
		peer_attach(&peers[i], &rig);
	}
	begin();
	settle();
	CHECK_EQ(peer_try_send(&peers[0], outside_mac, 60, 1), 0);
	peer_show(&peers[0]);
	expect_by_trunk(&peers[2], 1);
	peers[1].attach.definition.credit_bytes = 1 << 20;
	peers[1].attach.definition.period_us = 1000;
	service_rig_send(&rig, MSG_NET_SET, &peers[1].attach,
			 sizeof(peers[1].attach), NULL, 0);
	settle();
	CHECK_EQ(peer_try_send(&peers[0], outside_mac, 60, 2), 0);
	peer_show(&peers[0]);
	expect_by_trunk(&peers[2], 2);
	stop();
}

TEST(a_trunk_stands_by_in_one_vlan_while_it_is_active_in_another)
{
	start_service(NULL);
	for (uint16_t i = 0; i < 3; i++) {
		struct nic_definition *definition = &peers[i].attach.definition;

		peer_make(&peers[i], i, i == 0 ? 10 : 0);
		definition->flags = i == 0 ? 0 : NIC_TRUNK;
		definition->vids[0] = 10;
		definition->vids[1] = 20;
		definition->vid_count = i == 0 ? 0 : 3 - i;
		peer_attach(&peers[i], &rig);
	}
	begin();
	settle();
	/* The first trunk is the active one of VLAN 20, and only of that. */
	service_rig_send(&rig, MSG_NET_SET, &peers[1].attach,
			 sizeof(peers[1].attach), NULL, 0);
	settle();
	CHECK_EQ(peer_try_send(&peers[0], outside_mac, 60, 1), 0);
	peer_show(&peers[0]);
	expect_by_trunk(&peers[2], 1);
	stop();
}

TEST(a_take_over_is_an_event)
{
	struct child_event event;

	start();
	service_rig_send(&rig, MSG_NET_DETACH, &peers[0].attach.attachment,
			 sizeof(struct attachment), NULL, 0);
	service_rig_expect(&rig, MSG_NET_DETACHED, &event,
			   sizeof(struct attachment));
	peers[0].attach.definition.flags = NIC_ANY_MAC;
	peer_close(&peers[0]);
	peer_make(&peers[0], 0, 10);
	peers[0].attach.definition.flags = NIC_ANY_MAC;
	peer_attach(&peers[0], &rig);
	settle();
	memcpy(peers[0].attach.definition.mac, peers[1].attach.definition.mac,
	       6);
	CHECK_EQ(peer_try_send(&peers[0], outside_mac, 60, 1), 0);
	peer_show(&peers[0]);
	service_rig_expect(&rig, MSG_CHILD_EVENT, &event, sizeof(event));
	CHECK(strstr(event.text, "02:00:00:00:00:01"));
	CHECK(strstr(event.text, "refused"));
	stop();
}

/* Read what a capture wrote, up to so many bytes. */
static size_t read_capture(int fd, uint8_t *to, size_t room)
{
	size_t got = 0;
	ssize_t count;
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	while (poll(&wait, 1, 100) == 1 && got < room &&
	       (count = read(fd, to + got, room - got)) > 0)
		got += (size_t)count;
	return got;
}

TEST(a_capture_has_every_frame_once)
{
	struct net_capture wish = { .id = 1, .network = "lan" };
	static uint8_t bytes[65536];
	size_t got, at, packets = 0;
	int ends[2];

	start();
	CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	service_rig_send(&rig, MSG_NET_CAPTURE, &wish, sizeof(wish), &ends[1],
			 1);
	close(ends[1]);
	settle();
	for (uint8_t i = 0; i < 50; i++) {
		send_to(&peers[0], &peers[1], i);
		expect_fill(&peers[1], i);
	}
	got = read_capture(ends[0], bytes, sizeof(bytes));
	for (at = 0; at + 12 <= got;) {
		uint32_t type, length;

		memcpy(&type, bytes + at, 4);
		memcpy(&length, bytes + at + 4, 4);
		CHECK(length >= 12 && at + length <= got);
		CHECK(memcmp(bytes + at + length - 4, &length, 4) == 0);
		packets += type == 6;
		at += length;
	}
	CHECK_EQ(at, got);
	CHECK_EQ(packets, 50);
	close(ends[0]);
	send_to(&peers[0], &peers[1], 1);
	expect_fill(&peers[1], 1);
	stop();
}

TEST(a_capture_that_nobody_reads_loses_frames_and_holds_up_none)
{
	struct net_capture wish = { .id = 1, .network = "lan" };
	int ends[2];

	start();
	CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	service_rig_send(&rig, MSG_NET_CAPTURE, &wish, sizeof(wish), &ends[1],
			 1);
	close(ends[1]);
	settle();
	for (uint32_t i = 0; i < 10000; i++) {
		send_to(&peers[0], &peers[1], (uint8_t)i);
		expect_fill(&peers[1], (uint8_t)i);
	}
	close(ends[0]);
	stop();
}

TEST(a_mirror_gets_copies_also_of_a_port_that_came_back)
{
	struct net_mirror mirror = { .attachment_id = 3, .from_id = 2 };

	start();
	service_rig_send(&rig, MSG_NET_MIRROR, &mirror, sizeof(mirror), NULL,
			 0);
	settle();
	send_to(&peers[0], &peers[1], 1);
	expect_fill(&peers[1], 1);
	expect_fill(&peers[2], 1);
	service_rig_send(&rig, MSG_NET_DETACH, &peers[1].attach.attachment,
			 sizeof(struct attachment), NULL, 0);
	service_rig_expect(&rig, MSG_NET_DETACHED, &peers[1].attach.attachment,
			   sizeof(struct attachment));
	peer_close(&peers[1]);
	peer_make(&peers[1], 1, 10);
	peer_attach(&peers[1], &rig);
	settle();
	send_to(&peers[0], &peers[1], 2);
	expect_fill(&peers[1], 2);
	expect_fill(&peers[2], 2);
	mirror.from_id = 0;
	service_rig_send(&rig, MSG_NET_MIRROR, &mirror, sizeof(mirror), NULL,
			 0);
	settle();
	send_to(&peers[0], &peers[1], 3);
	expect_fill(&peers[1], 3);
	expect_nothing(&peers[2]);
	stop();
}

TEST(a_mirror_that_was_a_trunk_for_a_while_is_a_mirror_again)
{
	const struct net_mirror mirror = { .attachment_id = 3, .from_id = 2 };
	struct nic_definition *definition = &peers[2].attach.definition;

	start();
	service_rig_send(&rig, MSG_NET_MIRROR, &mirror, sizeof(mirror), NULL,
			 0);
	definition->flags = NIC_TRUNK;
	service_rig_send(&rig, MSG_NET_SET, &peers[2].attach,
			 sizeof(peers[2].attach), NULL, 0);
	definition->flags = 0;
	service_rig_send(&rig, MSG_NET_SET, &peers[2].attach,
			 sizeof(peers[2].attach), NULL, 0);
	settle();
	send_to(&peers[0], &peers[1], 1);
	expect_fill(&peers[1], 1);
	expect_fill(&peers[2], 1);
	stop();
}

TEST(a_mirror_that_is_not_read_holds_up_nobody)
{
	const struct net_mirror mirror = { .attachment_id = 3, .vid = 10 };

	start();
	service_rig_send(&rig, MSG_NET_MIRROR, &mirror, sizeof(mirror), NULL,
			 0);
	settle();
	for (uint32_t i = 0; i < 10000; i++) {
		send_to(&peers[0], &peers[1], (uint8_t)i);
		expect_fill(&peers[1], (uint8_t)i);
	}
	expect_fill(&peers[2], 0);
	stop();
}

TEST(an_idle_service_sleeps)
{
	char path[64];
	char text[2][256] = { "", "" };

	start();
	send_to(&peers[0], &peers[1], 1);
	expect_fill(&peers[1], 1);
	usleep(300000);
	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", rig.pid);
	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(path, "re");

		CHECK(file && fgets(text[i], sizeof(text[i]), file));
		(void)fclose(file);
		usleep(300000);
	}
	CHECK(strcmp(text[0], text[1]) == 0);
	stop();
}
