/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "lib/harness.h"
#include "net/switch/guard.h"

static const struct mac own = { { 2, 0, 0, 0, 0, 1 } };

static const struct guard guarded = {
	.checks_mac = true,
	.mac = { { 2, 0, 0, 0, 0, 1 } },
	.ipv4_count = 1,
	.ipv6_count = 1,
	.ipv4 = { { 10, 0, 0, 1 } },
	.ipv6 = { { 0x20, 1, 0xd, 0xb8, [15] = 1 } },
};

static uint8_t bytes[128];

static void begin(uint16_t type)
{
	memset(bytes, 0, sizeof(bytes));
	memset(bytes, 0xff, 6);
	memcpy(bytes + 6, own.bytes, 6);
	frame_write16(bytes + 12, type);
}

static enum switch_drop check_by(const struct guard *guard, uint32_t length)
{
	struct frame frame = { .bytes = bytes, .length = length };

	CHECK_EQ(frame_parse(&frame), 0);
	return guard_check(guard, &frame);
}

static enum switch_drop check(uint32_t length)
{
	return check_by(&guarded, length);
}

static void begin_ipv4(uint8_t last)
{
	begin(0x0800);
	bytes[14] = 0x45;
	memcpy(bytes + 26, (uint8_t[]){ 10, 0, 0, last }, 4);
}

static void begin_ipv6(uint8_t protocol, uint8_t last)
{
	begin(0x86dd);
	bytes[14] = 0x60;
	bytes[20] = protocol;
	memcpy(bytes + 22, guarded.ipv6[0], 16);
	bytes[37] = last;
}

static void begin_arp(uint8_t mac_last, uint8_t last)
{
	begin(0x0806);
	memcpy(bytes + 22, own.bytes, 6);
	bytes[27] = mac_last;
	memcpy(bytes + 28, (uint8_t[]){ 10, 0, 0, last }, 4);
}

TEST(its_own_addresses_pass)
{
	begin_ipv4(1);
	CHECK_EQ(check(60), DROP_COUNT);
	begin_ipv6(17, 1);
	CHECK_EQ(check(80), DROP_COUNT);
	begin_arp(1, 1);
	CHECK_EQ(check(60), DROP_COUNT);
}

TEST(a_hostile_guest_cannot_borrow_a_mac)
{
	begin_ipv4(1);
	bytes[11] = 9;
	CHECK_EQ(check(60), DROP_SPOOFED_MAC);
}

TEST(a_hostile_guest_cannot_borrow_an_ip_address)
{
	begin_ipv4(2);
	CHECK_EQ(check(60), DROP_SPOOFED_IP);
	begin_ipv6(17, 2);
	CHECK_EQ(check(80), DROP_SPOOFED_IP);
}

TEST(a_hostile_guest_cannot_answer_arp_for_another)
{
	begin_arp(1, 2);
	CHECK_EQ(check(60), DROP_SPOOFED_IP);
	begin_arp(2, 1);
	CHECK_EQ(check(60), DROP_SPOOFED_IP);
	begin_arp(1, 1);
	CHECK_EQ(check(41), DROP_SPOOFED_IP);
}

TEST(who_has_no_address_yet_may_ask_for_one)
{
	begin_ipv4(0);
	bytes[26] = 0;
	CHECK_EQ(check(60), DROP_COUNT);
	begin_arp(1, 0);
	bytes[28] = 0;
	CHECK_EQ(check(60), DROP_COUNT);
}

static void fill_advertisement(uint32_t at, uint8_t last)
{
	bytes[at] = 136;
	memcpy(bytes + at + 8, guarded.ipv6[0], 16);
	bytes[at + 23] = last;
}

TEST(a_hostile_guest_cannot_advertise_a_neighbours_address)
{
	begin_ipv6(58, 1);
	fill_advertisement(54, 1);
	CHECK_EQ(check(78), DROP_COUNT);
	fill_advertisement(54, 2);
	CHECK_EQ(check(78), DROP_SPOOFED_IP);
	CHECK_EQ(check(77), DROP_SPOOFED_IP);
}

TEST(a_hostile_guest_cannot_hide_an_advertisement_behind_headers)
{
	begin_ipv6(0, 1); /* hop-by-hop, 8 bytes */
	bytes[54] = 58;
	fill_advertisement(62, 2);
	CHECK_EQ(check(86), DROP_SPOOFED_IP);
	/* A chain that runs out of the frame, and one without end. */
	bytes[54] = 60;
	bytes[55] = 255;
	CHECK_EQ(check(86), DROP_SPOOFED_IP);
	for (uint32_t at = 54; at < 120; at += 8) {
		bytes[at] = 60;
		bytes[at + 1] = 0;
	}
	CHECK_EQ(check(128), DROP_SPOOFED_IP);
	/* In a fragment. */
	begin_ipv6(44, 1);
	bytes[54] = 58;
	CHECK_EQ(check(80), DROP_SPOOFED_IP);
	bytes[54] = 60;
	bytes[62] = 58;
	CHECK_EQ(check(80), DROP_SPOOFED_IP);
	bytes[54] = 17;
	CHECK_EQ(check(80), DROP_COUNT);
}

TEST(the_link_local_address_of_its_mac_is_its_own)
{
	static const uint8_t local[16] = {
		0xfe, 0x80, [8] = 0, 0, 0, 0xff, 0xfe, 0, 0, 1,
	};

	begin_ipv6(17, 1);
	memcpy(bytes + 22, local, 16);
	CHECK_EQ(check(80), DROP_COUNT);
	bytes[37] = 2;
	CHECK_EQ(check(80), DROP_SPOOFED_IP);
}

TEST(a_hostile_guest_cannot_hide_behind_another_protocol)
{
	begin(0x8100);
	bytes[16] = 0x81;
	CHECK_EQ(check(60), DROP_SPOOFED_IP);
	begin(0x88b5);
	CHECK_EQ(check(60), DROP_SPOOFED_IP);
}

/* Any address, but no router. */
static const struct guard no_router = { .checks_router = true };
static const struct guard router = { .checks_router = false };

static void check_router(uint32_t length, enum switch_drop reason)
{
	CHECK_EQ(check_by(&no_router, length), reason);
	CHECK_EQ(check_by(&router, length), DROP_COUNT);
}

static void begin_ports(uint32_t at, uint16_t from, uint16_t to)
{
	frame_write16(bytes + at, from);
	frame_write16(bytes + at + 2, to);
}

TEST(a_hostile_guest_cannot_answer_dhcp)
{
	begin_ipv4(9);
	bytes[23] = 17;
	begin_ports(34, 67, 68);
	check_router(60, DROP_ROUTER);
	/* Its port of origin is the server's choice. */
	begin_ports(34, 4000, 68);
	check_router(60, DROP_ROUTER);
	begin_ports(34, 68, 67);
	check_router(60, DROP_COUNT);
	/* Cut off within the ports; behind options. */
	check_router(37, DROP_ROUTER);
	bytes[14] = 0x46;
	begin_ports(38, 67, 68);
	check_router(60, DROP_ROUTER);
	/* A later fragment has data where the ports were. */
	bytes[21] = 1;
	check_router(60, DROP_COUNT);
	/* The same numbers in a TCP segment are no DHCP. */
	bytes[21] = 0;
	bytes[23] = 6;
	check_router(60, DROP_COUNT);
}

TEST(a_hostile_guest_cannot_answer_dhcp_of_ipv6)
{
	begin_ipv6(17, 9);
	begin_ports(54, 547, 546);
	check_router(80, DROP_ROUTER);
	begin_ports(54, 546, 547);
	check_router(80, DROP_COUNT);
	check_router(57, DROP_ROUTER);
}

TEST(a_hostile_guest_cannot_advertise_itself_as_a_router)
{
	static const uint8_t words[] = { 134, 137 };

	for (size_t i = 0; i < sizeof(words); i++) {
		begin_ipv6(58, 9);
		bytes[54] = words[i];
		check_router(80, DROP_ROUTER);
		/* Behind options, and in the first of two fragments. */
		begin_ipv6(60, 9);
		bytes[54] = 58;
		bytes[62] = words[i];
		check_router(80, DROP_ROUTER);
		bytes[20] = 44;
		bytes[57] = 1;
		check_router(80, DROP_ROUTER);
		bytes[54] = 60;
		bytes[62] = 58;
		bytes[70] = words[i];
		check_router(80, DROP_ROUTER);
	}
	begin_ipv4(9);
	bytes[23] = 1;
	bytes[34] = 9;
	check_router(60, DROP_ROUTER);
	bytes[34] = 5;
	check_router(60, DROP_ROUTER);
	bytes[34] = 8;
	check_router(60, DROP_COUNT);
	check_router(34, DROP_ROUTER);
}

TEST(a_hostile_guest_cannot_advertise_a_router_behind_headers_that_hide_it)
{
	begin_ipv6(60, 9);
	bytes[55] = 255;
	check_router(80, DROP_ROUTER);
	bytes[55] = 0;
	for (uint32_t at = 54; at < 120; at += 8)
		bytes[at] = 60;
	check_router(128, DROP_ROUTER);
	/* The type is beyond the frame. */
	begin_ipv6(58, 9);
	check_router(54, DROP_ROUTER);
}

TEST(a_guest_that_is_no_router_pings_and_finds_its_neighbours)
{
	static const uint8_t words[] = { 128, 129, 133, 135, 136, 143 };

	for (size_t i = 0; i < sizeof(words); i++) {
		begin_ipv6(58, 9);
		bytes[54] = words[i];
		check_router(80, DROP_COUNT);
	}
	/* A long echo: its first fragment, and what follows. */
	begin_ipv6(44, 9);
	bytes[54] = 58;
	bytes[57] = 1;
	bytes[62] = 128;
	check_router(80, DROP_COUNT);
	bytes[57] = 8;
	bytes[62] = 134; /* data */
	check_router(80, DROP_COUNT);
	begin_arp(9, 9);
	check_router(60, DROP_COUNT);
}
