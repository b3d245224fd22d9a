/* SPDX-License-Identifier: MIT */
/* Ports of the real bulkhead-net. */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/drops.h"
#include "lan.h"
#include "lib/harness.h"

static struct lan lan;

TEST(frames_go_to_the_neighbour_and_nobody_else)
{
	lan_start(&lan);
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	lan_expect(&lan.peers[1], 1);
	lan_send(&lan.peers[1], &lan.peers[0], 2);
	lan_expect(&lan.peers[0], 2);
	lan_expect_nothing(&lan.peers[2]);
	lan_stop(&lan);
}

TEST(no_frame_passes_before_everybody_is_there_again)
{
	lan_open(&lan);
	peer_make(&lan.peers[0], 0, 10);
	peer_make(&lan.peers[1], 1, 10);
	peer_make(&lan.peers[2], 2, 10);
	peer_attach(&lan.peers[0], &lan.rig);
	lan_send(&lan.peers[0], &lan.peers[1], 7);
	lan_settle(&lan);
	peer_attach(&lan.peers[1], &lan.rig);
	lan_settle(&lan);
	lan_expect_nothing(&lan.peers[1]);
	lan_begin(&lan);
	lan_expect(&lan.peers[1], 7);
	lan_stop(&lan);
}

/* Until so many frames for a port went in or were dropped. */
static void wait_for_frames(uint64_t attachment_id, uint64_t count)
{
	struct net_port port;

	do {
		port = lan_report(&lan, attachment_id);
	} while (port.out_frames + port.drops[DROP_NO_BUFFER] < count);
}

static void flood(struct net_peer *peer, const struct net_peer *to)
{
	for (uint32_t sent = 0; sent < 20000; sent++) {
		while (peer_try_send(peer, to->definition.mac, 60, 1) < 0)
			peer_show(peer);
		peer_show(peer);
	}
	wait_for_frames(to->attach.attachment.id, 20000);
}

TEST(a_slow_receiver_loses_its_own_frames_and_blocks_nobody)
{
	struct net_port slow;

	lan_start(&lan);
	flood(&lan.peers[0], &lan.peers[1]);
	lan_send(&lan.peers[1], &lan.peers[0], 9);
	lan_expect(&lan.peers[0], 9);
	slow = lan_report(&lan, 2);
	CHECK(slow.drops[DROP_NO_BUFFER] > 0);
	CHECK_EQ(slow.drops[DROP_NO_BUFFER] + slow.out_frames, 20000);
	lan_stop(&lan);
}

/* Three ports of VLAN 10, not attached yet. */
static void open_neighbours(void)
{
	lan_open(&lan);
	for (uint16_t i = 0; i < 3; i++)
		peer_make(&lan.peers[i], i, 10);
}

TEST(a_hostile_guest_cannot_take_all_the_room_of_another)
{
	const uint8_t *record;
	uint32_t fill;

	open_neighbours();
	lan_attach(&lan);
	flood(&lan.peers[0], &lan.peers[1]);
	lan_send(&lan.peers[2], &lan.peers[1], 7);
	wait_for_frames(2, 20001);
	do {
		CHECK(peer_receive(&lan.peers[1], &record, LAN_WAIT_MS) > 0);
		fill = record[FRAMES_HEADER_BYTES + 59];
		peer_done(&lan.peers[1]);
	} while (fill != 7);
	lan_stop(&lan);
}

TEST(a_hostile_peer_cannot_take_more_than_its_port_with_it)
{
	struct attachment broken;

	lan_start(&lan);
	/* A length that is not there. */
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	lan_expect(&lan.peers[1], 1);
	CHECK_EQ(peer_try_send(&lan.peers[0], lan.peers[1].definition.mac, 60,
			       1),
		 0);
	memset(lan.peers[0].frames.out.bytes, 0xee, PEER_RING_BYTES);
	peer_show(&lan.peers[0]);
	service_rig_expect(&lan.rig, MSG_NET_PEER_BROKEN, &broken,
			   sizeof(broken));
	CHECK_EQ(broken.id, 1);
	lan_send(&lan.peers[1], &lan.peers[0], 2);
	lan_settle(&lan);
	lan_stop(&lan);
}

TEST(a_hostile_peer_cannot_stop_the_service_by_a_blocking_eventfd)
{
	struct attachment broken;

	open_neighbours();
	close(lan.peers[0].call);
	lan.peers[0].call = eventfd(0, EFD_CLOEXEC);
	peer_attach(&lan.peers[0], &lan.rig);
	service_rig_expect(&lan.rig, MSG_NET_PEER_BROKEN, &broken,
			   sizeof(broken));
	lan_stop(&lan);
}

TEST(rings_of_another_generation_are_refused)
{
	struct attachment broken;

	open_neighbours();
	lan.peers[0].attach.attachment.generation++;
	peer_attach(&lan.peers[0], &lan.rig);
	service_rig_expect(&lan.rig, MSG_NET_PEER_BROKEN, &broken,
			   sizeof(broken));
	lan_stop(&lan);
}

/* Bytes received in about a second at this credit, sent as fast as they go, and
 * how long it really was. */
static uint64_t bytes_in_a_second(uint64_t credit, uint32_t period_us,
				  uint32_t length, uint64_t *ret_ns)
{
	uint64_t begin_ns, bytes = 0;
	const uint8_t *record;

	open_neighbours();
	lan.peers[0].definition.rate.credit_bytes = credit;
	lan.peers[0].definition.rate.period_us = period_us;
	lan_attach(&lan);
	begin_ns = clock_now_ns();
	do {
		while (peer_try_send(&lan.peers[0], lan.peers[1].definition.mac,
				     length, 1) == 0)
			;
		peer_show(&lan.peers[0]);
		while (peer_receive(&lan.peers[1], &record, 0)) {
			bytes += length;
			peer_done(&lan.peers[1]);
		}
		*ret_ns = clock_now_ns() - begin_ns;
	} while (*ret_ns < NS_PER_S);
	lan_stop(&lan);
	return bytes;
}

/* The bucket has room for some 2184 frames of the least length. */
TEST(a_hostile_peer_cannot_have_work_done_for_nothing)
{
	uint64_t until;

	open_neighbours();
	lan.peers[0].definition.rate.credit_bytes = 1;
	lan.peers[0].definition.rate.period_us = 1000000;
	lan_attach(&lan);
	for (int i = 0; i < 4000; i++) {
		uint8_t *record;

		CHECK_EQ(frames_reserve(&lan.peers[0].frames, 1, &record), 0);
		frames_commit(&lan.peers[0].frames, 1);
	}
	peer_show(&lan.peers[0]);
	until = clock_now_ns() + 50 * NS_PER_MS;
	while (clock_now_ns() < until)
		lan_settle(&lan);
	CHECK(frames_are_unread(&lan.peers[0].frames));
	lan_stop(&lan);
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

TEST(a_detached_port_is_gone_and_its_descriptors_too)
{
	lan_start(&lan);
	lan_detach(&lan, 1);
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	while (lan_report(&lan, 1).drops[DROP_UNKNOWN] == 0)
		continue;
	/* It may come again. */
	peer_attach(&lan.peers[1], &lan.rig);
	lan_settle(&lan);
	lan_stop(&lan);
}

TEST(a_port_that_moves_to_another_vlan_leaves_the_old_one)
{
	lan_start(&lan);
	lan.peers[1].definition.vlans.pvid = 20;
	lan_change(&lan, 1);
	lan_settle(&lan);
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	lan_expect_nothing(&lan.peers[1]);
	lan_send(&lan.peers[2], &lan.peers[1], 2);
	lan_expect(&lan.peers[1], 2);
	lan_stop(&lan);
}

TEST(an_address_that_a_guest_sets_and_may_not_use_is_an_event)
{
	struct nic_features features = { .frame_bytes_max = 1518 };
	struct child_event event;

	lan_start(&lan);
	features.attachment_id = lan.peers[0].attach.attachment.id;
	memcpy(features.mac, lan_outside, sizeof(features.mac));
	service_rig_send(&lan.rig, MSG_NET_FEATURES, &features,
			 sizeof(features), NULL, 0);
	service_rig_expect(&lan.rig, MSG_CHILD_EVENT, &event, sizeof(event));
	CHECK(strstr(event.text, "may not use"));
	lan_stop(&lan);
}

TEST(a_take_over_is_an_event)
{
	struct child_event event;

	lan_start(&lan);
	lan_detach(&lan, 0);
	lan.peers[0].definition.flags = NIC_ANY_MAC;
	peer_close(&lan.peers[0]);
	peer_make(&lan.peers[0], 0, 10);
	lan.peers[0].definition.flags = NIC_ANY_MAC;
	peer_attach(&lan.peers[0], &lan.rig);
	lan_settle(&lan);
	memcpy(lan.peers[0].definition.mac, lan.peers[1].definition.mac, 6);
	lan_send_outside(&lan.peers[0], 1);
	service_rig_expect(&lan.rig, MSG_CHILD_EVENT, &event, sizeof(event));
	CHECK(strstr(event.text, "02:00:00:00:00:01"));
	CHECK(strstr(event.text, "refused"));
	lan_stop(&lan);
}

TEST(an_idle_service_sleeps)
{
	char path[64];
	char text[2][256] = { "", "" };

	lan_start(&lan);
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	lan_expect(&lan.peers[1], 1);
	usleep(300000);
	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", lan.rig.pid);
	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(path, "re");

		CHECK(file && fgets(text[i], sizeof(text[i]), file));
		(void)fclose(file);
		usleep(300000);
	}
	CHECK(strcmp(text[0], text[1]) == 0);
	lan_stop(&lan);
}

static uint64_t bytes_in_use(const struct net_peer *peer)
{
	struct stat status;

	CHECK_EQ(fstat(peer->memfd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

TEST(a_silent_port_gives_the_memory_of_its_ring_back)
{
	struct net_peer *from = &lan.peers[0], *to = &lan.peers[1];
	const uint8_t *record;

	lan_start(&lan);
	for (int i = 0; i < 64; i++) {
		CHECK_EQ(peer_try_send(from, to->definition.mac, 1500, 1), 0);
		peer_show(from);
		CHECK(peer_receive(to, &record, 5000) > 0);
		peer_done(to);
	}
	CHECK(bytes_in_use(to) > (64u << 10));
	/* Of the header and, perhaps, of what was looked at last. */
	for (int i = 0; i < 500 && bytes_in_use(to) > 2 * 4096; i++)
		CHECK_EQ(peer_receive(to, &record, 20), 0);
	CHECK(bytes_in_use(to) <= 2 * 4096);
	lan_send(from, to, 2);
	lan_expect(to, 2);
	lan_stop(&lan);
}
