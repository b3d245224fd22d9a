/* SPDX-License-Identifier: MIT */
#include "net_rig.h"

#include <string.h>

#include "lib/harness.h"

const struct mac rig_broadcast = { { 255, 255, 255, 255, 255, 255 } };
const struct mac rig_stranger = { { 2, 9, 9, 9, 9, 9 } };

static int deliver(void *context, uint16_t port,
		   const struct switch_delivery *delivery)
{
	struct net_rig *rig = context;
	struct rig_frame *frame = &rig->frames[rig->count];
	uint32_t length = delivery->head_bytes + delivery->data_bytes;

	if (rig->refusal)
		return rig->refusal;
	CHECK(rig->count < RIG_FRAMES);
	rig->count++;
	frame->port = port;
	frame->length = length;
	frame->offload = delivery->offload;
	CHECK(delivery->head_bytes <= RIG_FRAME_MAX);
	memcpy(frame->bytes, delivery->head, delivery->head_bytes);
	if (length <= RIG_FRAME_MAX)
		memcpy(frame->bytes + delivery->head_bytes, delivery->data,
		       delivery->data_bytes);
	return 0;
}

static void remember(void *context, const struct switch_event *event)
{
	struct net_rig *rig = context;

	if (rig->event_count < 16)
		rig->events[rig->event_count++] = *event;
}

void rig_open(struct net_rig *rig)
{
	const struct switch_ops ops = {
		.deliver = deliver,
		.event = remember,
		.context = rig,
	};

	memset(rig, 0, sizeof(*rig));
	rig->now_ns = 1000000000;
	CHECK_EQ(switch_new(&rig->vswitch, &ops, 12345), 0);
}

void rig_close(struct net_rig *rig)
{
	switch_free(rig->vswitch);
}

struct mac rig_mac(uint16_t port)
{
	return (struct mac){ { 2, 0, 0, 0, 0, (uint8_t)port } };
}

struct switch_port_settings rig_access(uint16_t port, uint16_t pvid)
{
	struct switch_port_settings settings = { .mac = rig_mac(port) };

	vlan_access(&settings.vlans, pvid);
	return settings;
}

struct switch_port_settings rig_uplink(const uint16_t *vids)
{
	struct switch_port_settings settings = {
		.is_trunk = true,
		.is_outside = true,
	};

	vlan_access(&settings.vlans, VID_NONE);
	for (; *vids; vids++)
		vlan_tagged(&settings.vlans, *vids);
	return settings;
}

void rig_add(struct net_rig *rig, uint16_t port,
	     const struct switch_port_settings *settings)
{
	CHECK_EQ(switch_set_port(rig->vswitch, port, settings), 0);
}

uint32_t rig_fill(uint8_t *bytes, struct mac to, struct mac from)
{
	memset(bytes, 0x5a, 60);
	memcpy(bytes, to.bytes, 6);
	memcpy(bytes + 6, from.bytes, 6);
	frame_write16(bytes + 12, 0x88b5);
	return 60;
}

uint32_t rig_fill_tagged(uint8_t *bytes, struct mac to, struct mac from,
			 uint16_t tci)
{
	(void)rig_fill(bytes, to, from);
	frame_write16(bytes + 12, TPID_8021Q);
	frame_write16(bytes + 14, tci);
	frame_write16(bytes + 16, 0x88b5);
	return 64;
}

void rig_send(struct net_rig *rig, uint16_t port, const uint8_t *bytes,
	      uint32_t length, const struct frame_offload *offload)
{
	struct frame frame = { .bytes = bytes, .length = length };

	if (offload)
		frame.offload = *offload;
	rig->count = 0;
	switch_forward(rig->vswitch, port, &frame, rig->now_ns);
}

uint32_t rig_talk(struct net_rig *rig, uint16_t from, uint16_t to)
{
	uint8_t bytes[64];

	rig_send(rig, from, bytes, rig_fill(bytes, rig_mac(to), rig_mac(from)),
		 NULL);
	return rig->count;
}

uint64_t rig_lost(const struct net_rig *rig, uint16_t port,
		  enum switch_drop reason)
{
	return switch_count(rig->vswitch, port)->drops[reason];
}

bool rig_only(const struct net_rig *rig, uint16_t port)
{
	return rig->count == 1 && rig->frames[0].port == port;
}

void rig_add_access(struct net_rig *rig, uint16_t port, uint16_t pvid)
{
	struct switch_port_settings settings = rig_access(port, pvid);

	rig_add(rig, port, &settings);
}

void rig_add_aware(struct net_rig *rig, uint16_t port, uint16_t pvid,
		   uint16_t vid)
{
	struct switch_port_settings settings = rig_access(port, pvid);

	vlan_tagged(&settings.vlans, vid);
	rig_add(rig, port, &settings);
}

void rig_open_lan(struct net_rig *rig)
{
	static const uint16_t vids[] = { 10, 20, 0 };
	struct switch_port_settings uplink = rig_uplink(vids);

	rig_open(rig);
	rig_add_access(rig, 0, 10);
	rig_add_access(rig, 1, 10);
	rig_add_access(rig, 2, 20);
	rig_add(rig, 3, &uplink);
	CHECK_EQ(switch_activate_trunk(rig->vswitch, 3), 0);
}

void rig_say(struct net_rig *rig, uint16_t port, struct mac to, struct mac from)
{
	uint8_t bytes[64];

	rig_send(rig, port, bytes, rig_fill(bytes, to, from), NULL);
}

void rig_say_tagged(struct net_rig *rig, uint16_t port, struct mac to,
		    struct mac from, uint16_t tci)
{
	uint8_t bytes[64];

	rig_send(rig, port, bytes, rig_fill_tagged(bytes, to, from, tci), NULL);
}
