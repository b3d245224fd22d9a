/* SPDX-License-Identifier: MIT */
/* From a frame that came in to those that go out: admission, look-up, tags. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "net/switch/switch.h"
#include "net/switch/switch_private.h"

#define FLAP_EVERY_NS 1000000000ull

/* A frame under way. */
struct passage {
	struct vswitch *vswitch;
	struct frame *frame;
	uint64_t now_ns;
	uint16_t from;
	uint16_t vid;
	uint16_t priority;
};

/* A trunk's own station may always speak and be spoken to; what it bridges
 * passes only where it is the active one, or frames would go in circles. */
static bool is_idle_trunk(const struct vswitch *vswitch, uint16_t port,
			  uint16_t vid)
{
	return vswitch->ports[port].settings.is_trunk &&
	       vswitch->trunks[vid] != port;
}

/* Out. ----------------------------------------------------------------------------- */

static void drop(const struct passage *passage, uint16_t port,
		 enum switch_drop reason)
{
	passage->vswitch->ports[port].counters.drops[reason]++;
}

/* A head with room for a tag in front of what it had. */
struct outgoing {
	uint8_t head[FRAME_HEAD_MAX + TAG_BYTES];
	struct switch_delivery delivery;
};

/* A mirror that knows tags is told of every frame's VLAN. */
static bool leaves_tagged(const struct port *receiver, uint16_t vid)
{
	const struct vlan_membership *vlans = &receiver->settings.vlans;

	return receiver->is_mirror ? vlans->is_aware
				   : vlan_leaves_tagged(vlans, vid);
}

/* Copy a head, with the tag that the receiver is to see, or none. Returns by
 * how much everything behind it moved. */
static int32_t tag_head(struct outgoing *out, const struct passage *passage,
			const struct port *receiver, const uint8_t *head,
			uint32_t head_bytes)
{
	uint32_t skip = 12u + (passage->frame->has_tag ? TAG_BYTES : 0);
	uint32_t at = 12;

	memcpy(out->head, head, at);
	if (leaves_tagged(receiver, passage->vid)) {
		frame_write16(out->head + at, TPID_8021Q);
		frame_write16(out->head + at + 2,
			      passage->priority | passage->vid);
		at += TAG_BYTES;
	}
	memcpy(out->head + at, head + skip, head_bytes - skip);
	out->delivery.head = out->head;
	out->delivery.head_bytes = at + head_bytes - skip;
	return (int32_t)at - (int32_t)skip;
}

static void hand_over(const struct passage *passage, uint16_t to,
		      const struct switch_delivery *delivery)
{
	const struct switch_ops *ops = &passage->vswitch->ops;
	struct switch_counters *counters =
		&passage->vswitch->ports[to].counters;
	int r = ops->deliver(ops->context, to, delivery);

	if (r == 0) {
		counters->out_frames++;
		counters->out_bytes +=
			delivery->head_bytes + delivery->data_bytes;
		return;
	}
	drop(passage, to, r == -EMSGSIZE ? DROP_TOO_LONG : DROP_NO_BUFFER);
}

/* What the receiver is told of a frame that travels as it is. */
static struct frame_offload moved_offload(const struct passage *passage,
					  int32_t by)
{
	struct frame_offload offload = passage->frame->offload;

	if (passage->vswitch->ports[passage->from].settings.is_outside)
		offload.flags &= (uint8_t)~VIRTIO_NET_HDR_F_DATA_VALID;
	if (offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		offload.checksum_start =
			(uint16_t)(offload.checksum_start + by);
	if (offload.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		offload.head_bytes = (uint16_t)(offload.head_bytes + by);
	return offload;
}

static void deliver_whole(const struct passage *passage, uint16_t to)
{
	const struct port *receiver = &passage->vswitch->ports[to];
	const struct frame *frame = passage->frame;
	struct outgoing out;
	int32_t by = tag_head(&out, passage, receiver, frame->head,
			      frame->head_bytes);

	out.delivery.data = frame->bytes + frame->head_bytes;
	out.delivery.data_bytes = frame->length - frame->head_bytes;
	out.delivery.offload = moved_offload(passage, by);
	/* virtio 1.2, 5.1.6.4.1: none of them without GUEST_CSUM. */
	if (!receiver->features.checksum)
		out.delivery.offload.flags = 0;
	hand_over(passage, to, &out.delivery);
}

static void deliver_finished(const struct passage *passage, uint16_t to)
{
	struct port *receiver = &passage->vswitch->ports[to];
	struct offload_segment segment;
	struct segmentation segmentation;
	struct outgoing out;

	receiver->counters.finished++;
	offload_begin(&segmentation, passage->frame);
	while (offload_next(&segmentation, &segment)) {
		(void)tag_head(&out, passage, receiver, segment.head,
			       segment.head_bytes);
		out.delivery.data = segment.data;
		out.delivery.data_bytes = segment.data_bytes;
		out.delivery.offload = (struct frame_offload){ 0 };
		hand_over(passage, to, &out.delivery);
	}
}

static void deliver_either_way(const struct passage *passage, uint16_t to)
{
	const struct port *receiver = &passage->vswitch->ports[to];

	if (offload_passes(passage->frame, &receiver->features))
		deliver_whole(passage, to);
	else
		deliver_finished(passage, to);
}

/* Copies for the mirrors of this port, and of this VLAN unless VID_NONE. */
static void copy_to_mirrors(const struct passage *passage, uint16_t port,
			    uint16_t vid)
{
	const struct vswitch *vswitch = passage->vswitch;

	for (uint16_t i = 0; vswitch->mirror_count && i < vswitch->port_end;
	     i++) {
		const struct port *place = &vswitch->ports[i];

		if (place->is_mirror &&
		    (place->mirror.from == port ||
		     (vid != VID_NONE && place->mirror.vid == vid)))
			deliver_either_way(passage, i);
	}
}

/* Without the tag that comes off, the one behind it would be the first, and
 * who reads tags would take the frame for one of that VLAN. */
static bool hides_tag(const struct passage *passage,
		      const struct switch_port_settings *receiver)
{
	const struct frame *frame = passage->frame;

	return frame->has_tag &&
	       (receiver->vlans.is_aware || receiver->is_trunk) &&
	       !vlan_leaves_tagged(&receiver->vlans, passage->vid) &&
	       frame_read16(frame->head + frame_type_offset(frame)) ==
		       TPID_8021Q;
}

static void deliver(const struct passage *passage, uint16_t to)
{
	const struct vswitch *vswitch = passage->vswitch;
	const struct port *receiver = &vswitch->ports[to];

	if (hides_tag(passage, &receiver->settings)) {
		drop(passage, passage->from, DROP_TAG);
		return;
	}
	if (vswitch->ports[passage->from].settings.is_isolated &&
	    receiver->settings.is_isolated) {
		drop(passage, passage->from, DROP_ISOLATED);
		return;
	}
	deliver_either_way(passage, to);
	copy_to_mirrors(passage, to, VID_NONE);
}

/* To whom. -------------------------------------------------------------------------- */

static bool wants_group(const struct port *port, const struct mac *group)
{
	if (mac_is_broadcast(group) || port->filter.all_multicast ||
	    port->settings.is_outside || port->settings.is_trunk)
		return true;
	for (uint32_t i = 0; i < port->filter.group_count; i++)
		if (mac_equals(&port->filter.groups[i], group))
			return true;
	return false;
}

static void forward_group(const struct passage *passage)
{
	const struct vswitch *vswitch = passage->vswitch;

	for (uint16_t i = 0; i < vswitch->port_end; i++) {
		const struct port *port = &vswitch->ports[i];

		if (i != passage->from && port->is_used && !port->is_mirror &&
		    vlan_set_has(&port->settings.vlans.members, passage->vid) &&
		    !is_idle_trunk(vswitch, i, passage->vid) &&
		    wants_group(port, &passage->frame->destination))
			deliver(passage, i);
	}
}

static void forward_unicast(const struct passage *passage)
{
	const struct vswitch *vswitch = passage->vswitch;
	uint16_t to = fdb_find(&vswitch->fdb, passage->vid,
			       &passage->frame->destination);

	if (to == FDB_NONE)
		to = vswitch->trunks[passage->vid];
	if (to == FDB_NONE)
		drop(passage, passage->from, DROP_UNKNOWN);
	else if (to == passage->from)
		drop(passage, passage->from, DROP_REFLECTION);
	else if (vswitch->ports[to].is_mirror)
		drop(passage, passage->from, DROP_MIRROR);
	else
		deliver(passage, to);
}

/* In. ----------------------------------------------------------------------------------- */

static void tell_move(const struct passage *passage,
		      enum switch_event_kind kind, uint16_t before)
{
	struct port *port = &passage->vswitch->ports[passage->from];
	const struct switch_event event = {
		.kind = kind,
		.vid = passage->vid,
		.mac = passage->frame->source,
		.port = passage->from,
		.before = before,
	};

	if (port->flap_ns && passage->now_ns - port->flap_ns < FLAP_EVERY_NS)
		return;
	port->flap_ns = passage->now_ns;
	switch_notify(passage->vswitch, &event);
}

/* What bridged frames of a trunk say is beyond it, or a take-over. */
static enum switch_drop learn_beyond(const struct passage *passage)
{
	struct fdb *fdb = &passage->vswitch->fdb;
	const struct mac *source = &passage->frame->source;
	uint16_t known = fdb_find(fdb, passage->vid, source);

	if (known == FDB_NONE || known == passage->from)
		return DROP_COUNT;
	if (!fdb_unlearn(fdb, passage->vid, source)) {
		tell_move(passage, SWITCH_TAKE_OVER, known);
		return DROP_TAKE_OVER;
	}
	passage->vswitch->ports[passage->from].counters.moves++;
	tell_move(passage, SWITCH_FLAP, known);
	return DROP_COUNT;
}

static enum switch_drop learn(const struct passage *passage)
{
	struct vswitch *vswitch = passage->vswitch;
	uint16_t before;

	if (vswitch->ports[passage->from].settings.is_trunk)
		return learn_beyond(passage);
	switch (fdb_learn(&vswitch->fdb, passage->vid, &passage->frame->source,
			  passage->from, passage->now_ns, &before)) {
	case FDB_TAKE_OVER:
		tell_move(passage, SWITCH_TAKE_OVER, before);
		return DROP_TAKE_OVER;
	case FDB_MOVED:
		vswitch->ports[passage->from].counters.moves++;
		tell_move(passage, SWITCH_FLAP, before);
		return DROP_COUNT;
	case FDB_KNOWN:
	case FDB_NEW:
	case FDB_FULL:
		break;
	}
	return DROP_COUNT;
}

static bool is_foreign(const struct passage *passage)
{
	const struct port *port = &passage->vswitch->ports[passage->from];
	const struct mac *source = &passage->frame->source;

	return !mac_is_zero(&port->settings.mac) &&
	       !mac_equals(&port->settings.mac, source) &&
	       !mac_equals(&port->guest_mac, source);
}

/* Everything that keeps a frame out; ingress filtering before learning. */
static enum switch_drop admit(struct passage *passage)
{
	const struct vswitch *vswitch = passage->vswitch;
	const struct switch_port_settings *settings =
		&vswitch->ports[passage->from].settings;
	const struct frame *frame = passage->frame;
	enum switch_drop reason;

	if (vswitch->ports[passage->from].is_mirror)
		return DROP_MIRROR;
	if (mac_is_link_local(&frame->destination))
		return DROP_LINK_LOCAL;
	if (mac_is_group(&frame->source) || mac_is_zero(&frame->source))
		return DROP_SOURCE;
	reason = vlan_classify(&settings->vlans, frame, &passage->vid,
			       &passage->priority);
	if (reason == DROP_COUNT)
		reason = guard_check(&settings->guard, frame);
	if (reason != DROP_COUNT)
		return reason;
	if (offload_check(passage->frame) < 0)
		return DROP_OFFLOAD;
	if (frame->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	    !settings->is_trunk && is_foreign(passage))
		return DROP_FOREIGN_CHECKSUM;
	if (is_idle_trunk(vswitch, passage->from, passage->vid) &&
	    (mac_is_zero(&settings->mac) || is_foreign(passage)))
		return DROP_INACTIVE;
	return learn(passage);
}

void switch_forward(struct vswitch *vswitch, uint16_t port, struct frame *frame,
		    uint64_t now_ns)
{
	struct port *place = switch_find_port(vswitch, port);
	struct passage passage = {
		.vswitch = vswitch,
		.frame = frame,
		.now_ns = now_ns,
		.from = port,
	};
	enum switch_drop reason = DROP_MALFORMED;

	if (!place)
		return;
	if (frame_parse(frame) == 0)
		reason = admit(&passage);
	if (reason != DROP_COUNT) {
		place->counters.drops[reason]++;
		return;
	}
	place->counters.in_frames++;
	place->counters.in_bytes += frame->length;
	copy_to_mirrors(&passage, port, passage.vid);
	if (mac_is_group(&frame->destination))
		forward_group(&passage);
	else
		forward_unicast(&passage);
}

void switch_send(struct vswitch *vswitch, uint16_t port, const uint8_t *bytes,
		 uint32_t length)
{
	struct frame frame = { .bytes = bytes, .length = length };
	struct passage passage = {
		.vswitch = vswitch,
		.frame = &frame,
		.from = port,
	};

	if (!switch_find_port(vswitch, port) || frame_parse(&frame) < 0)
		return;
	passage.vid = frame.tci & VID_MASK;
	deliver_whole(&passage, port);
}
