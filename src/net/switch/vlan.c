/* SPDX-License-Identifier: MIT */
#include "net/switch/vlan.h"

#define TCI_PRIORITY 0xf000 /* PCP and DEI */

void vlan_access(struct vlan_membership *membership, uint16_t pvid)
{
	*membership = (struct vlan_membership){ .pvid = pvid };
	if (pvid == VID_NONE)
		return;
	vlan_set_add(&membership->members, pvid);
	vlan_set_add(&membership->untagged, pvid);
}

void vlan_tagged(struct vlan_membership *membership, uint16_t vid)
{
	membership->is_aware = true;
	vlan_set_add(&membership->members, vid);
}

enum switch_drop vlan_classify(const struct vlan_membership *membership,
			       const struct frame *frame, uint16_t *ret_vid,
			       uint16_t *ret_priority)
{
	uint16_t vid = frame->has_tag ? frame->tci & VID_MASK : VID_NONE;

	*ret_priority = frame->has_tag ? frame->tci & TCI_PRIORITY : 0;
	if (vid != VID_NONE && !membership->is_aware)
		return DROP_TAG;
	*ret_vid = vid == VID_NONE ? membership->pvid : vid;
	/* VID 4095 and no PVID are members of nothing. */
	if (!vlan_set_has(&membership->members, *ret_vid))
		return DROP_VLAN;
	return DROP_COUNT;
}
