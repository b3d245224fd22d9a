/* SPDX-License-Identifier: MIT */
/* Uplinks of the real bulkhead-net, played here or of the kernel, and trunks. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "lan.h"
#include "lib/harness.h"
#include "net/switch/ethernet.h"

static struct lan lan;

static void give_uplink(enum uplink_kind kind, int fd)
{
	const struct net_uplink uplink = {
		.attachment = { .id = 100, .generation = 1 },
	};
	const struct switch_definition definition = {
		.name = "lan",
		.service = "net0",
		.uplink = { UPLINK_PASST_HOST, kind },
		.vlans.pvid = 10,
	};

	service_rig_send_definition(&lan.rig, MSG_NET_UPLINK, &uplink,
				    &definition, &fd);
	lan_settle(&lan);
}

/* passt's end of an uplink. */
static int add_stream_uplink(void)
{
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	give_uplink(UPLINK_PASST, ends[0]);
	close(ends[0]);
	return ends[1];
}

static void read_all(int fd, uint8_t *to, size_t bytes)
{
	while (bytes > 0) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t got;

		CHECK_EQ(poll(&wait, 1, LAN_WAIT_MS), 1);
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

static void fill_stream_frame(uint8_t *record, uint8_t fill)
{
	frame_write16(record, 0);
	frame_write16(record + 2, 60);
	memset(record + 4, fill, 60);
	memcpy(record + 4, lan.peers[0].definition.mac, 6);
	memcpy(record + 10, lan_outside, 6);
	frame_write16(record + 16, 0x88b5);
}

TEST(unknown_destinations_go_out_and_the_outside_comes_in)
{
	uint8_t record[64];
	int fd;

	lan_start(&lan);
	fd = add_stream_uplink();
	lan_send_outside(&lan.peers[0], 5);
	expect_from_stream(fd, 5);
	fill_stream_frame(record, 6);
	CHECK_EQ(write(fd, record, 64), 64);
	lan_expect(&lan.peers[0], 6);
	close(fd);
	lan_stop(&lan);
}

TEST(a_new_active_trunk_announces_who_lives_behind_it)
{
	uint8_t frame[65536];
	uint32_t seen = 0;
	int fd;

	lan_start(&lan);
	fd = add_stream_uplink();
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(read_stream_frame(fd, frame), 60);
		CHECK_EQ(frame_read16(frame + 12), 0x8035);
		seen |= 1u << frame[11];
	}
	CHECK_EQ(seen, 3); /* not the one in VLAN 20 */
	close(fd);
	lan_stop(&lan);
}

TEST(half_a_frame_of_a_stream_waits_for_the_other_half)
{
	uint8_t record[64];
	int fd;

	lan_start(&lan);
	fd = add_stream_uplink();
	fill_stream_frame(record, 8);
	for (size_t at = 0; at < 64; at += 8) {
		CHECK_EQ(write(fd, record + at, 8), 8);
		lan_settle(&lan);
	}
	lan_expect(&lan.peers[0], 8);
	close(fd);
	lan_stop(&lan);
}

TEST(a_killed_service_leaves_its_successor_a_whole_frame)
{
	uint8_t record[64];
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	fill_stream_frame(record, 3);
	memcpy(record + 4, (uint8_t[]){ 2, 0, 0, 0, 0, 0 }, 6);
	CHECK_EQ(write(ends[1], record, 30), 30);
	for (int life = 0; life < 3; life++) {
		lan_start(&lan);
		give_uplink(UPLINK_PASST, ends[0]);
		if (life == 1)
			CHECK_EQ(write(ends[1], record + 30, 34), 34);
		if (life == 1)
			lan_expect(&lan.peers[0], 3);
		if (life == 2)
			lan_expect_nothing(&lan.peers[0]);
		lan_stop(&lan);
	}
	close(ends[0]);
	close(ends[1]);
}

static void send_long_frames(uint32_t bytes)
{
	for (int i = 0; i < 20; i++) {
		while (peer_try_send(&lan.peers[0], lan_outside, bytes, 7) ==
		       -EAGAIN)
			lan_settle(&lan);
		peer_show(&lan.peers[0]);
	}
	lan_settle(&lan);
}

/* A frame of more than 48 KiB goes into a socket in two parts. */
TEST(a_hostile_guest_cannot_end_a_full_uplink_by_long_frames)
{
	static uint8_t frame[65536];
	struct pollfd wait = { .events = POLLIN };
	uint32_t long_frames = 0;

	lan_start(&lan);
	wait.fd = add_stream_uplink();
	send_long_frames(60000);
	while (poll(&wait, 1, 200) == 1) {
		uint32_t length = read_stream_frame(wait.fd, frame);

		if (frame_read16(frame + 12) == 0x8035)
			continue;
		CHECK_EQ(length, 60000);
		CHECK_EQ(frame[59999], 7);
		long_frames++;
	}
	CHECK(long_frames >= 2);
	lan_send_outside(&lan.peers[0], 9);
	expect_from_stream(wait.fd, 9);
	close(wait.fd);
	lan_stop(&lan);
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
	int ends[2];

	for (uint32_t bytes = 40000; bytes <= 65000; bytes += 5000) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    ends),
			 0);
		lan_start(&lan);
		give_uplink(UPLINK_PASST, ends[0]);
		send_long_frames(bytes);
		lan_stop(&lan);
		close(ends[0]);
		expect_whole_frames(ends[1]);
		close(ends[1]);
	}
}

/* poll() tells of it for ever, so the service must not. */
TEST(a_tap_that_is_deleted_ends_its_uplink)
{
	struct ifreq request = { .ifr_flags =
					 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct attachment lost;
	char command[64];
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)snprintf(request.ifr_name, IFNAMSIZ, "bhtest%d", getpid());
	(void)snprintf(command, sizeof(command), "ip link delete %s",
		       request.ifr_name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		test_skip("no TAP interface is ours to make");
	lan_start(&lan);
	give_uplink(UPLINK_TAP, fd);
	CHECK_EQ(system(command), 0);
	service_rig_expect(&lan.rig, MSG_NET_UPLINK_LOST, &lost, sizeof(lost));
	close(fd);
	lan_stop(&lan);
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

TEST(a_packet_interface_that_is_deleted_ends_its_uplink)
{
	struct attachment lost;
	int fd;

	/* The interfaces go with the test. */
	if (unshare(CLONE_NEWNET) < 0 ||
	    system("ip link add bhv type veth peer name bhw 2>/dev/null") != 0)
		test_skip("no interface is ours to make");
	CHECK_EQ(system("ip link set bhv up && ip link set bhw up"), 0);
	fd = open_packet("bhv");
	CHECK(fd >= 0);
	lan_start(&lan);
	give_uplink(UPLINK_PACKET, fd);
	/* Down and up again is no loss. */
	CHECK_EQ(system("ip link set bhv down && ip link set bhv up"), 0);
	lan_settle(&lan);
	CHECK_EQ(lan_report(&lan, 100).attachment_id, 100);
	CHECK_EQ(system("ip link delete bhv"), 0);
	service_rig_expect(&lan.rig, MSG_NET_UPLINK_LOST, &lost, sizeof(lost));
	close(fd);
	lan_stop(&lan);
}

TEST(a_hostile_uplink_cannot_do_more_than_end_itself)
{
	static const uint8_t nonsense[8] = { 0xff, 0xff, 0xff, 0xff };
	struct attachment lost;
	int fd;

	lan_start(&lan);
	fd = add_stream_uplink();
	CHECK_EQ(write(fd, nonsense, 8), 8);
	service_rig_expect(&lan.rig, MSG_NET_UPLINK_LOST, &lost, sizeof(lost));
	CHECK_EQ(lost.id, 100);
	lan_send(&lan.peers[0], &lan.peers[1], 1);
	lan_expect(&lan.peers[1], 1);
	close(fd);
	lan_stop(&lan);
}

/* The next frame that is no announcement comes by this trunk. */
static void expect_by_trunk(struct net_peer *peer, uint8_t fill)
{
	const uint8_t *frame;

	for (;;) {
		CHECK(peer_receive(peer, &frame, LAN_WAIT_MS) > 0);
		frame += FRAMES_HEADER_BYTES;
		if (frame_read16(frame + 16) != 0x8035)
			break;
		peer_done(peer);
	}
	CHECK_EQ(frame[63], fill);
	peer_done(peer);
}

/* Port 0 in VLAN 10, then two trunks: the first has so many of VLANs 10 and 20,
 * the second 10. */
static void start_trunks(uint16_t vid_count)
{
	lan_open(&lan);
	for (uint16_t i = 0; i < 3; i++) {
		struct nic_definition *definition = &lan.peers[i].definition;

		peer_make(&lan.peers[i], i, i == 0 ? 10 : 0);
		definition->flags = i == 0 ? 0 : NIC_TRUNK;
		definition->vlans.tagged.vids[0] = 10;
		definition->vlans.tagged.vids[1] = 20;
		definition->vlans.tagged.count = i == 1 ? vid_count : i / 2;
	}
	lan_attach(&lan);
}

TEST(a_trunk_that_stands_by_does_so_whatever_else_of_it_changes)
{
	start_trunks(1);
	lan_send_outside(&lan.peers[0], 1);
	expect_by_trunk(&lan.peers[2], 1);
	lan.peers[1].definition.rate.credit_bytes = 1 << 20;
	lan.peers[1].definition.rate.period_us = 1000;
	lan_change(&lan, 1);
	lan_settle(&lan);
	lan_send_outside(&lan.peers[0], 2);
	expect_by_trunk(&lan.peers[2], 2);
	lan_stop(&lan);
}

TEST(a_trunk_stands_by_in_one_vlan_while_it_is_active_in_another)
{
	start_trunks(2);
	/* The first trunk is the active one of VLAN 20, and only of that. */
	lan_change(&lan, 1);
	lan_settle(&lan);
	lan_send_outside(&lan.peers[0], 1);
	expect_by_trunk(&lan.peers[2], 1);
	lan_stop(&lan);
}
