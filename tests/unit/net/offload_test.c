/* SPDX-License-Identifier: MIT */
/* Pieces are checked by a reader of packets that shares nothing with the code
 * under test but the two ways to read 16 bits. */
#include <string.h>

#include "lib/harness.h"
#include "net/switch/offload.h"

#define HEAD 14u

static uint8_t bytes[FRAME_BYTES_MAX];

/* One's complement sum, bytewise: slow and obvious. */
static uint32_t sum(uint32_t start, const uint8_t *at, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		start += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static void fill_data(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
}

static uint32_t transport_of(bool is_ipv6)
{
	return HEAD + (is_ipv6 ? 40 : 20);
}

/* The sum that a driver leaves in the checksum's place. */
static void fill_pseudo(bool is_ipv6, uint8_t protocol, uint32_t length,
			uint32_t place)
{
	uint32_t transport = transport_of(is_ipv6);
	uint32_t pseudo = protocol + length - transport;

	pseudo = is_ipv6 ? sum(pseudo, bytes + HEAD + 8, 32)
			 : sum(pseudo, bytes + HEAD + 12, 8);
	frame_write16(bytes + place, pseudo);
}

static void fill_network(bool is_ipv6, uint8_t protocol, uint32_t length)
{
	memset(bytes, 0, 128);
	frame_write16(bytes + 12, is_ipv6 ? 0x86dd : 0x0800);
	if (is_ipv6) {
		bytes[HEAD] = 0x60;
		frame_write16(bytes + HEAD + 4, length - HEAD - 40);
		bytes[HEAD + 6] = protocol;
		memset(bytes + HEAD + 8, 0x21, 16);
		memset(bytes + HEAD + 24, 0x43, 16);
		return;
	}
	bytes[HEAD] = 0x45;
	frame_write16(bytes + HEAD + 2, length - HEAD);
	frame_write16(bytes + HEAD + 4, 0xfffe); /* the ID wraps */
	bytes[HEAD + 9] = protocol;
	memcpy(bytes + HEAD + 12, (uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
	frame_write16(bytes + HEAD + 10, ~sum(0, bytes + HEAD, 20));
}

static struct frame make_tcp(bool is_ipv6, uint32_t length, uint16_t mss)
{
	uint32_t transport = transport_of(is_ipv6);
	struct frame frame = { .bytes = bytes, .length = length };

	fill_network(is_ipv6, 6, length);
	frame_write16(bytes + transport + 4, 0xffff); /* sequence wraps */
	frame_write16(bytes + transport + 6, 0xff00);
	bytes[transport + 12] = 0x80; /* 32 bytes: a timestamp */
	bytes[transport + 13] = 0x99; /* CWR, ACK, PSH, FIN */
	fill_data(transport + 32, length);
	fill_pseudo(is_ipv6, 6, length, transport + 16);
	frame.offload = (struct frame_offload){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = is_ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
				    : VIRTIO_NET_HDR_GSO_TCPV4,
		.segment_bytes = mss,
		.checksum_start = (uint16_t)transport,
		.checksum_offset = 16,
	};
	if (mss == 0)
		frame.offload.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	CHECK_EQ(frame_parse(&frame), 0);
	return frame;
}

static struct frame make_udp(bool is_ipv6, uint32_t length, uint16_t mss)
{
	uint32_t transport = transport_of(is_ipv6);
	struct frame frame = { .bytes = bytes, .length = length };

	fill_network(is_ipv6, 17, length);
	frame_write16(bytes + transport + 4, length - transport);
	fill_data(transport + 8, length);
	fill_pseudo(is_ipv6, 17, length, transport + 6);
	frame.offload = (struct frame_offload){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		.segment_bytes = mss,
		.checksum_start = (uint16_t)transport,
		.checksum_offset = 6,
	};
	CHECK_EQ(frame_parse(&frame), 0);
	return frame;
}

/* A segment as it would be on the wire. */
static uint8_t wire[FRAME_BYTES_MAX];

static uint32_t assemble(const struct offload_segment *segment)
{
	memcpy(wire, segment->head, segment->head_bytes);
	memcpy(wire + segment->head_bytes, segment->data, segment->data_bytes);
	return segment->head_bytes + segment->data_bytes;
}

static void check_wire(uint32_t length, bool is_ipv6, uint8_t protocol)
{
	uint32_t transport = transport_of(is_ipv6);
	uint32_t pseudo = protocol + length - transport;

	if (is_ipv6) {
		CHECK_EQ(frame_read16(wire + HEAD + 4), length - HEAD - 40);
		pseudo = sum(pseudo, wire + HEAD + 8, 32);
	} else {
		CHECK_EQ(frame_read16(wire + HEAD + 2), length - HEAD);
		CHECK_EQ(sum(0, wire + HEAD, 20), 0xffff);
		pseudo = sum(pseudo, wire + HEAD + 12, 8);
	}
	CHECK_EQ(sum(pseudo, wire + transport, length - transport), 0xffff);
}

static void check_flags(uint32_t transport, bool is_first, bool is_last)
{
	uint8_t wanted = 0x10;

	if (is_first)
		wanted |= 0x80;
	if (is_last)
		wanted |= 0x09;
	CHECK_EQ(wire[transport + 13], wanted);
}

static void check_tcp(bool is_ipv6, uint32_t length, uint16_t mss)
{
	struct frame frame = make_tcp(is_ipv6, length, mss);
	uint32_t transport = transport_of(is_ipv6);
	uint32_t head = transport + 32;
	uint32_t at = head, index = 0;
	struct offload_segment segment;
	struct segmentation segmentation;

	CHECK_EQ(offload_check(&frame), 0);
	offload_begin(&segmentation, &frame);
	while (offload_next(&segmentation, &segment)) {
		uint32_t got = assemble(&segment);
		uint32_t sequence = (uint32_t)frame_read16(wire + transport + 4)
					    << 16 |
				    frame_read16(wire + transport + 6);

		check_wire(got, is_ipv6, 6);
		CHECK_EQ(sequence, 0xffffff00u + (at - head));
		CHECK(memcmp(wire + head, bytes + at, got - head) == 0);
		if (!is_ipv6)
			CHECK_EQ(frame_read16(wire + HEAD + 4),
				 (0xfffe + index) & 0xffff);
		at += got - head;
		check_flags(transport, index++ == 0, at == length);
		CHECK(at == length || got - head == mss);
	}
	CHECK_EQ(at, length);
}

TEST(a_long_tcp_frame_becomes_segments_that_are_each_right)
{
	check_tcp(false, 9014, 1448);
	check_tcp(false, 65000, 1448);
	check_tcp(false, 14 + 20 + 32 + 1448, 1448);
	check_tcp(true, 65000, 1428);
	check_tcp(true, 5001, 999);
}

/* A routing header of two addresses between IPv6 and TCP. */
static struct frame make_routed(uint8_t type, uint8_t hops_left)
{
	struct frame frame = make_tcp(true, 5001, 999);
	uint8_t *routing = bytes + HEAD + 40;

	memmove(routing + 40, routing, frame.length - HEAD - 40);
	memset(routing, 0, 8);
	routing[0] = bytes[HEAD + 6];
	routing[1] = 4;
	routing[2] = type;
	routing[3] = hops_left;
	memset(routing + 8, 0x65, 16);
	memset(routing + 24, 0x78, 16);
	bytes[HEAD + 6] = 43;
	frame.length += 40;
	frame.offload.checksum_start += 40;
	CHECK_EQ(frame_parse(&frame), 0);
	return frame;
}

/* With the final destination said, is every segment's checksum right? */
static void check_routed(uint8_t type, uint8_t hops_left, uint32_t last_hop)
{
	struct frame frame = make_routed(type, hops_left);
	struct offload_segment segment;
	struct segmentation segmentation;

	CHECK_EQ(offload_check(&frame), 0);
	offload_begin(&segmentation, &frame);
	while (offload_next(&segmentation, &segment)) {
		uint32_t got = assemble(&segment) - HEAD - 80;
		uint32_t pseudo = sum(6 + got, wire + HEAD + 8, 16);

		pseudo = sum(pseudo, wire + HEAD + last_hop, 16);
		CHECK_EQ(sum(pseudo, wire + HEAD + 80, got), 0xffff);
	}
}

TEST(the_checksum_is_for_the_last_hop_of_a_route)
{
	struct frame compressed = make_routed(3, 1);

	check_routed(0, 0, 24);
	check_routed(0, 2, 40 + 8 + 16);
	check_routed(2, 1, 40 + 8 + 16);
	check_routed(4, 1, 40 + 8);
	CHECK(offload_check(&compressed) < 0);
}

TEST(a_datagram_for_many_becomes_many)
{
	for (int is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
		struct frame frame = make_udp(is_ipv6 != 0, 7001, 1200);
		uint32_t head = transport_of(is_ipv6 != 0) + 8;
		uint32_t at = head;
		struct offload_segment segment;
		struct segmentation segmentation;

		CHECK_EQ(offload_check(&frame), 0);
		offload_begin(&segmentation, &frame);
		while (offload_next(&segmentation, &segment)) {
			uint32_t got = assemble(&segment);

			check_wire(got, is_ipv6 != 0, 17);
			CHECK_EQ(frame_read16(wire + head - 4), got - head + 8);
			CHECK(memcmp(wire + head, bytes + at, got - head) == 0);
			at += got - head;
		}
		CHECK_EQ(at, 7001);
	}
}

TEST(a_missing_checksum_is_put_in)
{
	/* Odd and even, within the head and far beyond it. */
	static const uint32_t lengths[] = { 66,  67,  80,  255,  256, 257,
					    258, 300, 301, 1514, 1513 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct frame frame = make_tcp(false, lengths[i], 0);
		struct offload_segment segment;
		struct segmentation segmentation;

		CHECK_EQ(offload_check(&frame), 0);
		offload_begin(&segmentation, &frame);
		CHECK(offload_next(&segmentation, &segment));
		CHECK_EQ(assemble(&segment), lengths[i]);
		check_wire(lengths[i], false, 6);
		CHECK(!offload_next(&segmentation, &segment));
	}
}

/* Each sum that there is: of the datagram as it comes, and of a segmentation one. */
static bool has_met_the_sum_of_zero(bool is_cut)
{
	bool has_met = false;

	for (uint32_t data = 0; data <= 0xffff; data++) {
		struct frame frame = make_udp(false, 60, 100);
		struct offload_segment segment;
		struct segmentation segmentation;

		frame_write16(bytes + 58, data);
		CHECK_EQ(frame_parse(&frame), 0);
		if (!is_cut)
			frame.offload.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		offload_begin(&segmentation, &frame);
		CHECK(offload_next(&segmentation, &segment));
		CHECK_EQ(assemble(&segment), 60);
		CHECK(frame_read16(wire + HEAD + 26) != 0);
		has_met |= frame_read16(wire + HEAD + 26) == 0xffff;
	}
	return has_met;
}

TEST(a_datagram_whose_checksum_is_zero_does_not_claim_to_have_none)
{
	CHECK(has_met_the_sum_of_zero(false));
	CHECK(has_met_the_sum_of_zero(true));
}

TEST(a_frame_passes_to_who_takes_it)
{
	struct frame frame = make_tcp(false, 9014, 1448);
	struct offload_features features = { .checksum = true };

	CHECK(!offload_passes(&frame, &features));
	features.tso6 = true;
	CHECK(!offload_passes(&frame, &features));
	features.tso4 = true;
	CHECK(offload_passes(&frame, &features));
	frame.offload.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	CHECK(!offload_passes(&frame, &features));
	features.ecn = true;
	CHECK(offload_passes(&frame, &features));
	features.checksum = false;
	CHECK(!offload_passes(&frame, &features));
	frame = make_udp(true, 7000, 1200);
	features = (struct offload_features){ .checksum = true, .uso4 = true };
	CHECK(!offload_passes(&frame, &features));
	features.uso6 = true;
	CHECK(offload_passes(&frame, &features));
}

TEST(a_hostile_guest_cannot_point_outside_of_its_frame)
{
	struct frame good = make_tcp(false, 1514, 0);
	struct frame frame = good;

	CHECK_EQ(offload_check(&frame), 0);
	frame.offload.checksum_start = 0;
	CHECK(offload_check(&frame) < 0);
	frame = good;
	frame.offload.checksum_start = 65535;
	frame.offload.checksum_offset = 65535;
	CHECK(offload_check(&frame) < 0);
	frame = good;
	frame.offload.checksum_offset = 1514 - 34 - 1;
	CHECK(offload_check(&frame) < 0);
	/* Within the frame, but where no protocol has its checksum. */
	frame.offload.checksum_offset = 1000;
	CHECK(offload_check(&frame) < 0);
}

TEST(a_hostile_guest_cannot_have_a_frame_cut_to_crumbs)
{
	struct frame frame = make_tcp(false, 65000, 1448);

	frame.offload.segment_bytes = 1;
	CHECK(offload_check(&frame) < 0);
	frame.offload.segment_bytes = 0;
	CHECK(offload_check(&frame) < 0);
	frame.offload.segment_bytes = 508;
	CHECK_EQ(offload_check(&frame), 0);
}

/* Spoil one byte of the head, and expect that it matters. */
static void check_spoilt(const struct frame *good, uint32_t at, uint8_t value)
{
	struct frame frame = *good;

	frame.head[at] = value;
	CHECK(offload_check(&frame) < 0);
}

TEST(a_hostile_guest_cannot_have_a_frame_cut_by_wrong_headers)
{
	struct frame good = make_tcp(false, 9014, 1448);

	CHECK_EQ(offload_check(&good), 0);
	check_spoilt(&good, 13, 0xdd);     /* type */
	check_spoilt(&good, HEAD, 0x65);   /* IP version */
	check_spoilt(&good, HEAD, 0x44);   /* too short a header */
	check_spoilt(&good, HEAD, 0x4f);   /* transport is not there */
	check_spoilt(&good, HEAD + 6, 32); /* a fragment */
	check_spoilt(&good, HEAD + 9, 17); /* UDP */
	check_spoilt(&good, 34 + 12, 0x40);
	good.offload.flags = 0;
	CHECK(offload_check(&good) < 0);
	good = make_tcp(true, 9014, 1448);
	good.offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	CHECK(offload_check(&good) < 0);
	good.offload.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	CHECK(offload_check(&good) < 0);
	good.offload.gso_type = 77;
	CHECK(offload_check(&good) < 0);
}

TEST(a_hostile_guest_cannot_change_a_header_after_it_was_checked)
{
	struct frame frame = make_tcp(false, 9014, 1448);
	struct offload_segment segment;
	struct segmentation segmentation;

	CHECK_EQ(offload_check(&frame), 0);
	memset(bytes, 0xff, 128);
	offload_begin(&segmentation, &frame);
	CHECK(offload_next(&segmentation, &segment));
	CHECK_EQ(segment.head_bytes, 66);
	check_wire(assemble(&segment), false, 6);
}

TEST(a_hostile_guest_cannot_tell_another_what_nobody_checked)
{
	struct frame frame = make_tcp(false, 3000, 1000);
	const struct frame plain = make_tcp(false, 600, 0);

	frame.offload.flags = 0xff;
	frame.offload.head_bytes = 0xffff;
	CHECK_EQ(offload_check(&frame), 0);
	CHECK_EQ(frame.offload.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CHECK_EQ(frame.offload.head_bytes, HEAD + 20 + 32);

	frame = plain;
	frame.offload = (struct frame_offload){
		.flags = 0xff & ~VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.head_bytes = 0xffff,
		.segment_bytes = 0xffff,
		.checksum_start = 0xffff,
		.checksum_offset = 0xffff,
	};
	CHECK_EQ(offload_check(&frame), 0);
	CHECK_EQ(frame.offload.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	CHECK_EQ(frame.offload.head_bytes, 0);
	CHECK_EQ(frame.offload.segment_bytes, 0);
	CHECK_EQ(frame.offload.checksum_start, 0);
	CHECK_EQ(frame.offload.checksum_offset, 0);
}
