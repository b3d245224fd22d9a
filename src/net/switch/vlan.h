/* SPDX-License-Identifier: MIT */
/*
 * The VLANs of a port: its memberships, which of them egress untagged, and its
 * PVID.
 *
 * Source     IEEE 802.1Q-2018, 6.9.1 (classification), 8.6.2 (ingress
 *            filtering), 8.6.4 (egress); LoPAR, "Virtual Ethernet".
 */
#ifndef NET_SWITCH_VLAN_H
#define NET_SWITCH_VLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "control/drops.h"
#include "net/switch/ethernet.h"

struct vlan_set {
	uint64_t bits[4096 / 64];
};

static inline void vlan_set_add(struct vlan_set *set, uint16_t vid)
{
	set->bits[vid / 64 & 63] |= 1ull << (vid % 64);
}

static inline bool vlan_set_has(const struct vlan_set *set, uint16_t vid)
{
	return (set->bits[vid / 64 & 63] >> (vid % 64) & 1) != 0;
}

struct vlan_membership {
	/* An unaware port sends and receives only untagged frames. */
	bool is_aware;
	uint16_t pvid;            /* VID_NONE: untagged frames are dropped */
	struct vlan_set members;  /* including the PVID */
	struct vlan_set untagged; /* of those, the ones that egress untagged */
};

/* Membership of a PVID alone, as of an unaware port. */
void vlan_access(struct vlan_membership *membership, uint16_t pvid);

/* Add a tagged VLAN; the port becomes aware. */
void vlan_tagged(struct vlan_membership *membership, uint16_t vid);

/*
 * The VLAN of a received frame, and its priority bits (PCP and DEI, in their
 * TCI positions). A priority-tagged frame (VID 0) gets the PVID and keeps its
 * priority.
 *
 * DROP_COUNT  it is accepted
 * other       why it is dropped
 */
enum switch_drop vlan_classify(const struct vlan_membership *membership,
			       const struct frame *frame, uint16_t *ret_vid,
			       uint16_t *ret_priority);

/* True if frames of this VLAN egress the port tagged. */
static inline bool vlan_leaves_tagged(const struct vlan_membership *membership,
				      uint16_t vid)
{
	return membership->is_aware &&
	       !vlan_set_has(&membership->untagged, vid);
}

#endif
