/* SPDX-License-Identifier: MIT */
/* Who looks at others' frames in the real bulkhead-net: captures, mirrors. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lan.h"
#include "lib/harness.h"

static struct lan lan;

/* So many frames from one neighbour to the other, none of them lost. */
static void talk(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		lan_send(&lan.peers[0], &lan.peers[1], (uint8_t)i);
		lan_expect(&lan.peers[1], (uint8_t)i);
	}
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

/* Of all frames; the descriptor to read from. */
static int start_capture(void)
{
	const struct net_capture config = { .network = "lan" };
	int ends[2];

	CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	service_rig_send(&lan.rig, MSG_NET_CAPTURE, &config, sizeof(config),
			 &ends[1], 1);
	close(ends[1]);
	lan_settle(&lan);
	return ends[0];
}

TEST(a_capture_has_every_frame_once)
{
	static uint8_t bytes[65536];
	size_t got, at, packets = 0;
	int fd;

	lan_start(&lan);
	fd = start_capture();
	talk(50);
	got = read_capture(fd, bytes, sizeof(bytes));
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
	close(fd);
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	lan_expect(&lan.peers[1], 1);
	lan_stop(&lan);
}

TEST(a_capture_that_nobody_reads_loses_frames_and_holds_up_none)
{
	int fd;

	lan_start(&lan);
	fd = start_capture();
	talk(10000);
	close(fd);
	lan_stop(&lan);
}

static void set_mirror(const struct net_mirror *mirror)
{
	service_rig_send(&lan.rig, MSG_NET_MIRROR, mirror, sizeof(*mirror),
			 NULL, 0);
}

TEST(a_mirror_gets_copies_also_of_a_port_that_came_back)
{
	struct net_mirror mirror = { .attachment_id = 3, .from_id = 2 };

	lan_start(&lan);
	set_mirror(&mirror);
	lan_settle(&lan);
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	lan_expect(&lan.peers[1], 1);
	lan_expect(&lan.peers[2], 1);
	lan_detach(&lan, 1);
	peer_close(&lan.peers[1]);
	peer_make(&lan.peers[1], 1, 10);
	peer_attach(&lan.peers[1], &lan.rig);
	lan_settle(&lan);
	lan_send(&lan.peers[0], &lan.peers[1], 2);
	lan_expect(&lan.peers[1], 2);
	lan_expect(&lan.peers[2], 2);
	mirror.from_id = 0;
	set_mirror(&mirror);
	lan_settle(&lan);
	lan_send(&lan.peers[0], &lan.peers[1], 3);
	lan_expect(&lan.peers[1], 3);
	lan_expect_nothing(&lan.peers[2]);
	lan_stop(&lan);
}

TEST(a_mirror_that_was_a_trunk_for_a_while_is_a_mirror_again)
{
	const struct net_mirror mirror = { .attachment_id = 3, .from_id = 2 };
	struct nic_definition *definition = &lan.peers[2].definition;

	lan_start(&lan);
	set_mirror(&mirror);
	definition->flags = NIC_TRUNK;
	lan_change(&lan, 2);
	definition->flags = 0;
	lan_change(&lan, 2);
	lan_settle(&lan);
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	lan_expect(&lan.peers[1], 1);
	lan_expect(&lan.peers[2], 1);
	lan_stop(&lan);
}

TEST(a_mirror_that_is_not_read_holds_up_nobody)
{
	const struct net_mirror mirror = { .attachment_id = 3, .vid = 10 };

	lan_start(&lan);
	set_mirror(&mirror);
	lan_settle(&lan);
	talk(10000);
	lan_expect(&lan.peers[2], 0);
	lan_stop(&lan);
}
