/* SPDX-License-Identifier: MIT */
/*
 * The input is frames to a switch: a port, a virtio-net header and bytes each.
 * Whatever they say, forwarding ends, reads nothing beyond a frame, and hands
 * nothing to a port outside of its VLANs.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/switch/switch.h"

#define PORTS      6
#define HEAD_BYTES 13 /* port, offload, length */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint32_t delivered;

/* Ports 0 to 2 are in VLAN 1, port 3 in VLAN 2 and a mirror of
 * port 0, 4 and 5 in both. */
static int deliver(void *context, uint16_t port,
		   const struct switch_delivery *delivery)
{
	uint32_t sum = 0;

	if (port >= PORTS || delivery->head_bytes < 14 ||
	    delivery->offload.flags & ~3 ||
	    (delivery->offload.gso_type == 0 && delivery->offload.head_bytes) ||
	    delivery->offload.head_bytes > delivery->head_bytes)
		abort();
	for (uint32_t i = 0; i < delivery->head_bytes; i++)
		sum += delivery->head[i];
	for (uint32_t i = 0; i < delivery->data_bytes; i++)
		sum += delivery->data[i];
	delivered += sum + 1;
	return 0;
}

static void ignore(void *context, const struct switch_event *event)
{
}

static void add_ports(struct vswitch *vswitch)
{
	const struct switch_mirror mirror = { .from = 0, .vid = VID_NONE };

	for (uint16_t i = 0; i < PORTS; i++) {
		struct switch_port_settings settings = {
			.mac = { { 2, 0, 0, 0, 0, (uint8_t)(i + 1) } },
			.is_trunk = i == 5,
			.is_outside = i == 5,
			.guard = { .checks_mac = i == 1,
				   .mac = { { 2, 0, 0, 0, 0, 2 } },
				   .ipv4_count = i == 2,
				   .ipv6_count = i == 2 },
		};
		struct offload_features all = { true, true, true,
						true, true, true };

		vlan_access(&settings.vlans, i == 3 ? 2 : 1);
		if (i >= 4)
			vlan_tagged(&settings.vlans, 2);
		if (switch_set_port(vswitch, i, &settings) < 0)
			abort();
		if (i % 2)
			switch_set_features(vswitch, i, &all);
	}
	(void)switch_activate_trunk(vswitch, 5);
	(void)switch_set_mirror(vswitch, 3, &mirror);
}

/* One frame, in memory of just its length. */
static size_t send_one(struct vswitch *vswitch, const uint8_t *data,
		       size_t bytes)
{
	struct frame frame = {
		.length = frame_read16(data + 11),
		.offload = { .flags = data[1],
			     .gso_type = data[2],
			     .head_bytes = frame_read16(data + 3),
			     .segment_bytes = frame_read16(data + 5),
			     .checksum_start = frame_read16(data + 7),
			     .checksum_offset = frame_read16(data + 9) },
	};
	uint8_t *copy;

	if (frame.length > bytes - HEAD_BYTES)
		frame.length = (uint32_t)(bytes - HEAD_BYTES);
	copy = malloc(frame.length + 1u);
	if (!copy)
		return bytes;
	memcpy(copy, data + HEAD_BYTES, frame.length);
	frame.bytes = copy;
	switch_forward(vswitch, data[0] % PORTS, &frame, 1);
	free(copy);
	return HEAD_BYTES + frame.length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const struct switch_ops ops = {
		.deliver = deliver,
		.event = ignore,
	};
	struct vswitch *vswitch;

	if (switch_new(&vswitch, &ops, 1) < 0)
		return 0;
	add_ports(vswitch);
	while (bytes > HEAD_BYTES) {
		size_t used = send_one(vswitch, data, bytes);

		data += used;
		bytes -= used;
	}
	switch_free(vswitch);
	return 0;
}
