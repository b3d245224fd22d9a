/* SPDX-License-Identifier: MIT */
/*
 * An Ethernet switch with the semantics of POWER's hypervisor switch: ports
 * aware or unaware of 802.1Q, no flooding of unknown destinations (they go to
 * the VLAN's active trunk, or are dropped), configured MACs that cannot be
 * taken over, and offloads that pass unchanged between ports that negotiated
 * them.
 *
 *   ethernet.h  a frame          vlan.h    membership and tags
 *   fdb.h       forwarding guard.h anti-spoofing
 *   offload.h   checksum, GSO credit.h rate limits
 *
 * The switch decides and rewrites; its owner does the I/O. It allocates nothing
 * after switch_new().
 *
 * Trust      Every frame is hostile. What one port sends costs another port no
 *            more than the frames addressed to it.
 * Threads    One.
 * Errors     0 or a negative errno; a frame is never an error, it is counted.
 * Source     IEEE 802.1Q-2018; LoPAR, "Virtual Ethernet" (trunks, lookup).
 */
#ifndef NET_SWITCH_SWITCH_H
#define NET_SWITCH_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "control/drops.h"
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
	bool is_outside;  /* a physical network: its checksums are unverified */
	bool is_isolated; /* reaches only ports that are not */
};

/* What a port gets copies of. */
struct switch_mirror {
	uint16_t from; /* all traffic of this port; FDB_NONE: none */
	uint16_t vid;  /* all traffic of this VLAN; VID_NONE: none */
};

/* The receive filter that a port's driver set at run time. */
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
	uint64_t finished; /* checksummed or segmented for the port */
	uint64_t moves;    /* learnt addresses that moved to the port */
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
	 * Deliver a frame to a port's owner, which copies it before returning.
	 *
	 * -EMSGSIZE  longer than the receiver accepts
	 * -ENOBUFS   no room; the frame is dropped for this port only
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
 * Add a port, or change its settings: its counters and its learnt entries in
 * other VLANs are kept, it stays the active trunk of VLANs that it still has,
 * and becomes that of new ones that have none.
 *
 * -EINVAL  an impossible port number, VID or MAC
 * -EEXIST  the MAC is configured at another port of the same VLAN
 */
int switch_set_port(struct vswitch *vswitch, uint16_t port,
		    const struct switch_port_settings *settings);
/* Where it was the active trunk, the previously active one takes over. */
void switch_remove_port(struct vswitch *vswitch, uint16_t port);

/* The features that its driver negotiated. */
void switch_set_features(struct vswitch *vswitch, uint16_t port,
			 const struct offload_features *features);
void switch_set_filter(struct vswitch *vswitch, uint16_t port,
		       const struct switch_port_filter *filter);

/*
 * The address that its driver uses. It is checked now, so that a refusal can be
 * reported; an allowed one is known before its first frame, and is treated like
 * the configured one. Zero, or the configured one: no other address.
 *
 * -EPERM   the port may send from its configured address only
 * -EEXIST  it is configured at another port of the same VLAN
 * -EINVAL  no such port, or a group address
 */
int switch_set_guest_mac(struct vswitch *vswitch, uint16_t port,
			 const struct mac *mac, uint64_t now_ns);

/*
 * Make it a mirror; NULL: no longer one. A mirror receives copies and nothing
 * else, with a tag if it is VLAN aware. What it sends is dropped, so that
 * copies cannot loop; a copy for which it has no room is dropped.
 *
 * -EINVAL  no such port, or a trunk
 */
int switch_set_mirror(struct vswitch *vswitch, uint16_t port,
		      const struct switch_mirror *mirror);

/*
 * Make a trunk the active one of all its VLANs; the last one activated wins.
 * Its owner announces the addresses that switch_next_inside() returns.
 *
 * -EINVAL  not a trunk
 */
int switch_activate_trunk(struct vswitch *vswitch, uint16_t port);

/* The active trunk of a VLAN, or FDB_NONE. */
uint16_t switch_trunk(const struct vswitch *vswitch, uint16_t vid);

/* A port sent a frame. */
void switch_forward(struct vswitch *vswitch, uint16_t port, struct frame *frame,
		    uint64_t now_ns);

/* Send a tagged frame of the switch's own through one port, subject to its
 * VLAN. */
void switch_send(struct vswitch *vswitch, uint16_t port, const uint8_t *bytes,
		 uint32_t length);

/* Age learnt entries; call it every few seconds. */
void switch_age(struct vswitch *vswitch, uint64_t now_ns);

/* NULL: no such port. */
const struct switch_counters *switch_count(const struct vswitch *vswitch,
					   uint16_t port);

/* Known addresses, at or after *cursor (0 first); NULL at the end. */
const struct fdb_entry *switch_next_entry(const struct vswitch *vswitch,
					  size_t *cursor);

/* Of those, the ones in a VLAN of this trunk: what it should announce. */
const struct fdb_entry *switch_next_inside(const struct vswitch *vswitch,
					   uint16_t trunk, size_t *cursor);

#endif
