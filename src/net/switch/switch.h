/* SPDX-License-Identifier: MIT */
/*
 * An Ethernet switch with the semantics of POWER's hypervisor switch: ports
 * aware or unaware of 802.1Q, no flooding of unknown destinations (they go to
 * the VLAN's active trunk, or nowhere), configured MACs that cannot be taken
 * over, offloads that travel untouched between ports that agree on them.
 *
 *   ethernet.h  a frame          vlan.h    membership and tags
 *   fdb.h       who is where     guard.h   anti-spoofing
 *   offload.h   checksums, cuts  credit.h  how fast a port may send
 *
 * The switch decides and rewrites; getting frames in and out is the business
 * of whoever owns it. It allocates nothing after switch_new().
 *
 * Trust      Every frame is hostile. Nothing one port sends costs another more
 *            than the frames addressed to it.
 * Threads    One.
 * Errors     0 or a negative errno; a frame is never an error, it is counted.
 * Source     IEEE 802.1Q-2018; LoPAR, "Virtual Ethernet" (trunks, lookup).
 */
#ifndef NET_SWITCH_SWITCH_H
#define NET_SWITCH_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "net/switch/drop.h"
#include "net/switch/ethernet.h"
#include "net/switch/fdb.h"
#include "net/switch/guard.h"
#include "net/switch/offload.h"
#include "net/switch/vlan.h"

#define SWITCH_PORT_MAX      FDB_PORT_COUNT
#define SWITCH_MULTICAST_MAX 64

/* A port as configured. */
struct switch_port_settings {
	struct mac mac; /* configured; zero: none (an uplink) */
	struct vlan_membership vlans;
	struct guard guard;
	bool is_trunk;    /* unknown destinations of its VLANs may go here */
	bool is_outside;  /* a cable: what it says of checksums is unproven */
	bool is_isolated; /* talks to ports that are not */
};

/* What a port gets copies of. */
struct switch_mirror {
	uint16_t
		from; /* all that this port sends and gets; FDB_NONE: nothing */
	uint16_t vid; /* all that is sent in this VLAN; VID_NONE: nothing */
};

/* What a port's driver asked for, at run time. */
struct switch_port_filter {
	bool all_multicast; /* also while it has more groups than fit */
	uint32_t group_count;
	struct mac groups[SWITCH_MULTICAST_MAX];
};

struct switch_counters {
	uint64_t in_frames; /* from the port, accepted */
	uint64_t in_bytes;
	uint64_t out_frames; /* to the port, delivered */
	uint64_t out_bytes;
	uint64_t finished;          /* checksummed or cut for the port */
	uint64_t moves;             /* learnt addresses that came to the port */
	uint64_t drops[DROP_COUNT]; /* from and to the port */
};

/* A frame as it leaves: rewritten headers, then the sender's bytes. */
struct switch_delivery {
	const uint8_t *head;
	uint32_t head_bytes;
	const uint8_t *data;
	uint32_t data_bytes;
	struct frame_offload offload;
};

enum switch_event_kind {
	SWITCH_TAKE_OVER, /* refused: a configured MAC, seen elsewhere */
	SWITCH_FLAP,      /* a learnt MAC moved */
	SWITCH_TRUNK,     /* a trunk became active for a VLAN */
};

struct switch_event {
	enum switch_event_kind kind;
	uint16_t vid;
	struct mac mac;
	uint16_t port;   /* where it is now */
	uint16_t before; /* where it was, or is configured */
};

struct switch_ops {
	/*
	 * Give a frame to a port's owner; copy it before returning.
	 *
	 * -EMSGSIZE  longer than the receiver takes
	 * -ENOBUFS   no room; the frame is lost to this port alone
	 */
	int (*deliver)(void *context, uint16_t port,
		       const struct switch_delivery *delivery);
	void (*event)(void *context, const struct switch_event *event);
	void *context;
};

struct vswitch;

/* -ENOMEM. `seed` is random. */
int switch_new(struct vswitch **ret_vswitch, const struct switch_ops *ops,
	       uint32_t seed);
void switch_free(struct vswitch *vswitch);

/*
 * Add a port, or give one new settings (its counters and what it learnt
 * outside of its VLANs are kept, and it stays the active trunk of VLANs that
 * are still its own, and becomes that of new ones that have none).
 *
 * -EINVAL  no such port number, VID or MAC possible
 * -EEXIST  the MAC is configured at another port of the same VLAN
 */
int switch_set_port(struct vswitch *vswitch, uint16_t port,
		    const struct switch_port_settings *settings);
/* Where it was the active trunk, the one that was so before takes over. */
void switch_remove_port(struct vswitch *vswitch, uint16_t port);

/* What its driver negotiated. */
void switch_set_features(struct vswitch *vswitch, uint16_t port,
			 const struct offload_features *features);
void switch_set_filter(struct vswitch *vswitch, uint16_t port,
		       const struct switch_port_filter *filter);

/*
 * The address that its driver uses: judged now, so that someone can be told,
 * and if it may be, known before it speaks and as good as the configured one
 * for what a port leaves to others. Zero, or the configured one: no other.
 *
 * -EPERM   the port may send from its configured address only
 * -EEXIST  it is configured at another port of the same VLAN
 * -EINVAL  no such port, or a group's address
 */
int switch_set_guest_mac(struct vswitch *vswitch, uint16_t port,
			 const struct mac *mac, uint64_t now_ns);

/*
 * Make it a mirror; NULL: one no more. A mirror gets copies and nothing else,
 * with a tag if it is aware of tags. What it sends is dropped, so that a copy
 * never comes back; one it has no room for is lost to it alone.
 *
 * -EINVAL  no such port, or a trunk
 */
int switch_set_mirror(struct vswitch *vswitch, uint16_t port,
		      const struct switch_mirror *mirror);

/*
 * Make a trunk the active one of all its VLANs; the last one activated wins.
 * Its owner announces what switch_next_inside() tells.
 *
 * -EINVAL  not a trunk
 */
int switch_activate_trunk(struct vswitch *vswitch, uint16_t port);

/* The active trunk of a VLAN, or FDB_NONE. */
uint16_t switch_trunk(const struct vswitch *vswitch, uint16_t vid);

/* A port sent a frame. */
void switch_forward(struct vswitch *vswitch, uint16_t port, struct frame *frame,
		    uint64_t now_ns);

/* Send a tagged frame of the switch's own out of one port, by its VLAN. */
void switch_send(struct vswitch *vswitch, uint16_t port, const uint8_t *bytes,
		 uint32_t length);

/* Forget what is old; call it every few seconds. */
void switch_age(struct vswitch *vswitch, uint64_t now_ns);

/* NULL: no such port. */
const struct switch_counters *switch_count(const struct vswitch *vswitch,
					   uint16_t port);

/* Known addresses, at or after *cursor (0 first); NULL at the end. */
const struct fdb_entry *switch_next_entry(const struct vswitch *vswitch,
					  size_t *cursor);

/* Of those, the ones of a VLAN of this trunk: what it is to announce. */
const struct fdb_entry *switch_next_inside(const struct vswitch *vswitch,
					   uint16_t trunk, size_t *cursor);

#endif
