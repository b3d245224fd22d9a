/* SPDX-License-Identifier: MIT */
/*
 * An Ethernet frame as the switch reads it: addresses, at most one 802.1Q tag,
 * and what virtio-net says about it.
 *
 * Trust      Frames are hostile, and may lie in memory that their sender can
 *            still write. frame_parse() copies the head once; every decision is
 *            based on that copy. `bytes` is only for copying the frame onwards.
 * Source     IEEE 802.3 (frame), IEEE 802.1Q-2018, 9.6 (tag).
 */
#ifndef NET_SWITCH_ETHERNET_H
#define NET_SWITCH_ETHERNET_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAC_BYTES           6u
#define ETHERNET_HEAD_BYTES 14u
#define TAG_BYTES           4u
/* Largest frame, without tag: what POWER's hypervisor switch carries. */
#define FRAME_BYTES_MAX 65394u
#define FRAME_BYTES_MIN 14u

#define TPID_8021Q 0x8100

/* virtio 1.2, 5.1.6; not in the headers of Linux 6.1. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define VID_MASK 0x0fff /* of a TCI */
#define VID_NONE 0
#define VID_MAX  4094

struct mac {
	uint8_t bytes[MAC_BYTES];
};

/* What virtio_net_hdr says (virtio 1.2, 5.1.6), in the host's byte order.
 * Offsets count from the first byte of the frame. */
struct frame_offload {
	uint8_t flags;    /* VIRTIO_NET_HDR_F_NEEDS_CSUM, _DATA_VALID */
	uint8_t gso_type; /* VIRTIO_NET_HDR_GSO_... */
	uint16_t head_bytes;
	uint16_t segment_bytes;
	uint16_t checksum_start;
	uint16_t checksum_offset;
};

/* Room for Ethernet, a tag, IPv6 with a few extension headers, TCP with all
 * options. */
#define FRAME_HEAD_MAX 256u

struct frame {
	const uint8_t *bytes; /* borrowed; the whole frame */
	uint32_t length;
	struct frame_offload offload;
	/* Filled by frame_parse(). */
	uint8_t head[FRAME_HEAD_MAX];
	uint32_t head_bytes;
	struct mac destination;
	struct mac source;
	bool has_tag;
	uint16_t tci; /* PCP, DEI and VID of the tag */
};

static inline bool mac_is_group(const struct mac *mac)
{
	return (mac->bytes[0] & 1) != 0;
}

static inline bool mac_equals(const struct mac *one, const struct mac *other)
{
	return memcmp(one->bytes, other->bytes, MAC_BYTES) == 0;
}

static inline bool mac_is_zero(const struct mac *mac)
{
	static const struct mac zero;

	return mac_equals(mac, &zero);
}

static inline bool mac_is_broadcast(const struct mac *mac)
{
	static const struct mac all = { { 255, 255, 255, 255, 255, 255 } };

	return mac_equals(mac, &all);
}

/* 01-80-C2-00-00-00 to -0F: never leaves the link (802.1Q, 8.6.3). */
static inline bool mac_is_link_local(const struct mac *mac)
{
	static const uint8_t prefix[] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return memcmp(mac->bytes, prefix, sizeof(prefix)) == 0 &&
	       (mac->bytes[5] & 0xf0) == 0;
}

static inline uint16_t frame_read16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void frame_write16(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

/* The offset of the EtherType, behind the tag if there is one. */
static inline uint32_t frame_type_offset(const struct frame *frame)
{
	return 12u + (frame->has_tag ? TAG_BYTES : 0);
}

/* Fill the rest from `bytes` and `length`; -EBADMSG: too short or too long. */
int frame_parse(struct frame *frame);

#endif
