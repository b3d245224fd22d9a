/* SPDX-License-Identifier: MIT */
/*
 * vhost-user on the wire (QEMU docs/interop/vhost-user.rst): numbers, flags
 * and bodies, for a back end and for a front end alike. Everything is in host
 * byte order; descriptors travel with the header by SCM_RIGHTS.
 */
#ifndef VHOSTUSER_PROTOCOL_H
#define VHOSTUSER_PROTOCOL_H

#include <stdint.h>

#define VHOSTUSER_FD_MAX      8
#define VHOSTUSER_PAYLOAD_MAX 512
#define VHOSTUSER_TABLE_MAX   8   /* regions of SET_MEM_TABLE */
#define VHOSTUSER_CONFIG_MAX  256 /* bytes of configuration space */

enum vhostuser_request {
	VHOSTUSER_GET_FEATURES = 1,
	VHOSTUSER_SET_FEATURES = 2,
	VHOSTUSER_SET_OWNER = 3,
	VHOSTUSER_RESET_OWNER = 4,
	VHOSTUSER_SET_MEM_TABLE = 5,
	VHOSTUSER_SET_VRING_NUM = 8,
	VHOSTUSER_SET_VRING_ADDR = 9,
	VHOSTUSER_SET_VRING_BASE = 10,
	VHOSTUSER_GET_VRING_BASE = 11,
	VHOSTUSER_SET_VRING_KICK = 12,
	VHOSTUSER_SET_VRING_CALL = 13,
	VHOSTUSER_SET_VRING_ERR = 14,
	VHOSTUSER_GET_PROTOCOL_FEATURES = 15,
	VHOSTUSER_SET_PROTOCOL_FEATURES = 16,
	VHOSTUSER_GET_QUEUE_NUM = 17,
	VHOSTUSER_SET_VRING_ENABLE = 18,
	VHOSTUSER_GET_CONFIG = 24,
	VHOSTUSER_SET_CONFIG = 25,
	VHOSTUSER_GET_INFLIGHT_FD = 31,
	VHOSTUSER_SET_INFLIGHT_FD = 32,
	VHOSTUSER_RESET_DEVICE = 34,
	VHOSTUSER_GET_MAX_MEM_SLOTS = 36,
	VHOSTUSER_ADD_MEM_REG = 37,
	VHOSTUSER_REM_MEM_REG = 38,
};

/* The device feature bit under which all of the below is negotiated. */
#define VHOSTUSER_F_PROTOCOL_FEATURES 30

enum vhostuser_protocol_feature {
	VHOSTUSER_PROTOCOL_MQ = 0,
	VHOSTUSER_PROTOCOL_REPLY_ACK = 3,
	VHOSTUSER_PROTOCOL_CONFIG = 9,
	VHOSTUSER_PROTOCOL_INFLIGHT_SHMFD = 12,
	VHOSTUSER_PROTOCOL_RESET_DEVICE = 13,
	VHOSTUSER_PROTOCOL_CONFIGURE_MEM_SLOTS = 15,
};

/* vhostuser_header.flags */
#define VHOSTUSER_VERSION      0x1u
#define VHOSTUSER_VERSION_MASK 0x3u
#define VHOSTUSER_REPLY        0x4u
#define VHOSTUSER_NEED_REPLY   0x8u

struct vhostuser_header {
	uint32_t request;
	uint32_t flags;
	uint32_t payload_bytes;
};

/* SET_VRING_KICK, _CALL, _ERR: a u64 with these parts. */
#define VHOSTUSER_VRING_INDEX_MASK 0xffu
#define VHOSTUSER_VRING_NO_FD      0x100u

/* SET_VRING_NUM, _BASE, _ENABLE and GET_VRING_BASE. */
struct vhostuser_vring_state {
	uint32_t index;
	uint32_t value;
};

struct vhostuser_vring_addresses {
	uint32_t index;
	uint32_t flags;
	uint64_t descriptors; /* user addresses */
	uint64_t used;
	uint64_t available;
	uint64_t log;
};

struct vhostuser_region {
	uint64_t gpa;
	uint64_t bytes;
	uint64_t user_address;
	uint64_t offset_bytes;
};

struct vhostuser_table {
	uint32_t region_count;
	uint32_t padding;
	struct vhostuser_region regions[VHOSTUSER_TABLE_MAX];
};

/* ADD_MEM_REG, REM_MEM_REG. */
struct vhostuser_single_region {
	uint64_t padding;
	struct vhostuser_region region;
};

/* Followed by `bytes` of configuration space. */
struct vhostuser_config {
	uint32_t offset_bytes;
	uint32_t bytes;
	uint32_t flags;
	uint8_t space[VHOSTUSER_CONFIG_MAX];
};
#define VHOSTUSER_CONFIG_HEADER_BYTES 12

/* GET_INFLIGHT_FD, SET_INFLIGHT_FD. */
struct vhostuser_inflight {
	uint64_t bytes;
	uint64_t offset_bytes;
	uint16_t queue_count;
	uint16_t queue_size;
	uint32_t padding;
};

/* Without the padding: QEMU sends and wants all 24 bytes, others may not. */
#define VHOSTUSER_INFLIGHT_BYTES_MIN 20

_Static_assert(sizeof(struct vhostuser_header) == 12, "wire");
_Static_assert(sizeof(struct vhostuser_vring_state) == 8, "wire");
_Static_assert(sizeof(struct vhostuser_vring_addresses) == 40, "wire");
_Static_assert(sizeof(struct vhostuser_region) == 32, "wire");
_Static_assert(sizeof(struct vhostuser_table) == 264, "wire");
_Static_assert(sizeof(struct vhostuser_single_region) == 40, "wire");
_Static_assert(sizeof(struct vhostuser_config) == 268, "wire");
_Static_assert(sizeof(struct vhostuser_inflight) == 24, "wire");

#endif
