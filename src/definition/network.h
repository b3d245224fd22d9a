/* SPDX-License-Identifier: MIT */
/*
 * The definitions of switches and of a partition's network interfaces: the
 * typed form of what people write. Neither has padding, and unused bytes are
 * zero, so that two can be compared.
 */
#ifndef DEFINITION_NETWORK_H
#define DEFINITION_NETWORK_H

#include <stdint.h>

#include "base/text.h"
#include "definition/partition.h"

#define NIC_COUNT_MAX       8
#define NIC_VID_MAX         20 /* tagged, besides the PVID (LoPAR's limit) */
#define NIC_ADDRESS_MAX     4
#define NIC_QUEUE_PAIR_MAX  4
#define NIC_MTU_MIN         68
#define NIC_MTU_MAX         65376 /* a frame of 65,394 bytes with a tag */
#define NIC_MTU_DEFAULT     1500
#define NIC_CREDIT_MAX      (1ull << 40)
#define NIC_PERIOD_US_MAX   1000000
#define SWITCH_COUNT_MAX    64
#define UPLINK_SIZE         16 /* IFNAMSIZ */
#define DEFAULT_NET_SERVICE "net0"

/* Bits of nic_definition.flags. */
enum nic_flag {
	NIC_TRUNK = 1u << 0,    /* takes frames for unknown destinations */
	NIC_ISOLATED = 1u << 1, /* talks to ports that are not isolated */
	/* May send from any MAC; without it others are dropped, but a trunk's. */
	NIC_ANY_MAC = 1u << 2,
	/* May advertise routers and answer DHCP; so may a trunk. */
	NIC_ROUTER = 1u << 3,
	NIC_FLAGS_ALL = (1u << 4) - 1,
};

struct vid_list {
	uint16_t count;
	uint16_t vids[NIC_VID_MAX];
};

/* The VLANs of a port. */
struct port_vlans {
	uint16_t pvid; /* of frames without a tag, 1 to 4094; 0: none */
	struct vid_list tagged; /* any makes the port aware */
};

/* What may be sent: so many bytes a period. All zero: no limit. */
struct rate {
	uint64_t credit_bytes;
	uint32_t period_us;
	uint32_t reserved;
};

/* Addresses that may be used; none: all. */
struct address_set {
	uint32_t ipv4_count;
	uint32_t ipv6_count;
	uint8_t ipv4[NIC_ADDRESS_MAX][4];
	uint8_t ipv6[NIC_ADDRESS_MAX][16];
};

/* A network interface of a partition: one port of a switch. */
struct nic_definition {
	char name[NAME_SIZE];
	char network[NAME_SIZE]; /* the switch */
	uint8_t mac[6];          /* zero: made of the attachment's id */
	struct port_vlans vlans;
	uint16_t reserved;
	uint32_t flags; /* bits of enum nic_flag */
	uint32_t mtu;
	uint32_t queue_pair_count;
	struct rate rate;
	struct address_set addresses;
};
_Static_assert(sizeof(struct nic_definition) == 232, "no padding");

/* A partition with its interfaces. */
struct partition_document {
	struct partition_definition partition;
	uint32_t nic_count;
	struct nic_definition nics[NIC_COUNT_MAX];
};

enum uplink_kind {
	UPLINK_NONE,
	UPLINK_TAP, /* a TAP interface of this name; made if it is not there */
	UPLINK_BRIDGE, /* a TAP of ours in this bridge of the host */
	UPLINK_PACKET, /* AF_PACKET on this interface */
	UPLINK_PASST,  /* a passt process: NAT without privileges */
	UPLINK_COUNT,
};

/* "tap", "passt", ...; "none"; "?" of a number that is no kind. */
const char *uplink_kind_name(uint32_t kind);

/* In the place of an interface's name: guests of passt reach the host itself by
 * their gateway's address, also what listens on its loopback alone. */
#define UPLINK_PASST_HOST "host"

struct uplink_definition {
	char name[UPLINK_SIZE]; /* interface, bridge or UPLINK_PASST_HOST */
	uint32_t kind;          /* enum uplink_kind */
};

struct switch_definition {
	char name[NAME_SIZE];
	char service[NAME_SIZE]; /* the net service that it is part of */
	struct uplink_definition uplink;
	struct port_vlans vlans; /* of the uplink */
};
_Static_assert(sizeof(struct switch_definition) == 128, "no padding");

#endif
