/* SPDX-License-Identifier: MIT */
#include "net/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/count.h"

/* RFC 903: what a bridge learns an address from, and nobody answers. */
#define TYPE_RARP     0x8035
#define RARP_BYTES    60u
#define RARP_REQUEST  3
#define HARDWARE_TYPE 1
#define PROTOCOL_IPV4 0x0800

static int deliver(void *context, uint16_t number,
		   const struct switch_delivery *delivery);
static void take_event(void *context, const struct switch_event *event);

/* Life. --------------------------------------------------------------------- */

int network_new(const char *name,
		void (*tell)(void *context, enum event_level level,
			     const char *text),
		void *context, struct network **ret_network)
{
	struct network *network = calloc(1, sizeof(*network));
	struct switch_ops ops = {
		.deliver = deliver,
		.event = take_event,
		.context = network,
	};
	uint32_t seed = 0;
	int r;

	if (!network)
		return -ENOMEM;
	network->sender = SWITCH_PORT_MAX;
	network->tell = tell;
	network->context = context;
	(void)snprintf(network->name, sizeof(network->name), "%s", name);
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = (uint32_t)clock_now_ns();
	r = switch_new(&network->vswitch, &ops, seed);
	if (r < 0) {
		free(network);
		return r;
	}
	*ret_network = network;
	return 0;
}

void network_free(struct network *network)
{
	for (uint32_t i = 0; i < NETWORK_CAPTURES_MAX; i++)
		capture_free(network->captures[i]);
	switch_free(network->vswitch);
	free(network);
}

/* Ports. --------------------------------------------------------------------- */

static int find_number(const struct network *network, uint16_t *ret_number)
{
	for (uint16_t i = 0; i < SWITCH_PORT_MAX; i++)
		if (!network->ports[i]) {
			*ret_number = i;
			return 0;
		}
	return -ENOSPC;
}

bool network_is_active_trunk(const struct port *port)
{
	for (uint16_t vid = 1; vid <= VID_MAX; vid++)
		if (switch_trunk(port->network->vswitch, vid) == port->number)
			return true;
	return false;
}

static uint16_t number_of(const struct network *network, uint64_t id)
{
	for (uint16_t i = 0; id && i < SWITCH_PORT_MAX; i++)
		if (network->ports[i] && network->ports[i]->attachment.id == id)
			return i;
	return FDB_NONE;
}

/* Ports have come, gone or changed: who is a mirror of which number? */
static void settle_mirrors(struct network *network)
{
	for (uint16_t i = 0; i < SWITCH_PORT_MAX; i++) {
		const struct port *port = network->ports[i];
		struct switch_mirror mirror;

		if (!port)
			continue;
		mirror.from = number_of(network, port->mirror_from_id);
		mirror.vid = port->mirror_vid;
		(void)switch_set_mirror(
			network->vswitch, i,
			port->mirror_from_id || mirror.vid ? &mirror : NULL);
	}
}

void network_mirror(struct port *port, uint64_t from_id, uint16_t vid)
{
	port->mirror_from_id = from_id;
	port->mirror_vid = vid;
	settle_mirrors(port->network);
}

/* A trunk that stands by in a VLAN goes on standing by, whatever else of it
 * changes. */
int network_change(struct port *port,
		   const struct switch_port_settings *settings)
{
	struct vswitch *vswitch = port->network->vswitch;
	bool was_trunk = port->is_trunk;
	int r = switch_set_port(vswitch, port->number, settings);

	if (r < 0)
		return r;
	port->is_trunk = settings->is_trunk;
	settle_mirrors(port->network);
	return settings->is_trunk && !was_trunk
		       ? switch_activate_trunk(vswitch, port->number)
		       : 0;
}

int network_add(struct network *network, struct port *port,
		const struct switch_port_settings *settings)
{
	struct offload_features features;
	int r = find_number(network, &port->number);

	if (r < 0)
		return r;
	port->network = network;
	network->ports[port->number] = port;
	r = network_change(port, settings);
	if (r < 0) {
		network->ports[port->number] = NULL;
		port->network = NULL;
		return r;
	}
	uplink_features(port->uplink, &features);
	switch_set_features(network->vswitch, port->number, &features);
	return 0;
}

void network_remove(struct port *port)
{
	struct network *network = port->network;

	if (!network)
		return;
	switch_remove_port(network->vswitch, port->number);
	network->ports[port->number] = NULL;
	port->network = NULL;
	settle_mirrors(network);
}

/* Frames. ---------------------------------------------------------------------- */

static void capture(struct port *port, enum capture_direction direction,
		    const uint8_t *head, uint32_t head_bytes,
		    const uint8_t *data, uint32_t data_bytes)
{
	struct network *network = port->network;

	for (uint32_t i = 0; i < NETWORK_CAPTURES_MAX; i++) {
		struct capture *one = network->captures[i];

		if (!one)
			continue;
		/* Of all ports, what comes in: each frame once. */
		if (one->attachment_id
			    ? one->attachment_id == port->attachment.id
			    : direction == CAPTURE_IN)
			capture_frame(one, clock_real_us(), direction, head,
				      head_bytes, data, data_bytes);
	}
}

static int deliver(void *context, uint16_t number,
		   const struct switch_delivery *delivery)
{
	struct network *network = context;
	struct port *port = network->ports[number];
	int r;

	if (!port || port->is_broken || port->is_detaching)
		return -ENOBUFS;
	network->work += max_u64(delivery->head_bytes + delivery->data_bytes,
				 NETWORK_WORK_MIN);
	r = port->uplink == UPLINK_NONE ? port_deliver(port, delivery)
					: uplink_deliver(port, delivery);
	if (r == 0)
		capture(port, CAPTURE_OUT, delivery->head, delivery->head_bytes,
			delivery->data, delivery->data_bytes);
	return r;
}

void network_forward(struct port *port, const uint8_t *record, uint32_t bytes)
{
	struct network *network = port->network;
	struct frame frame = { 0 };

	if (bytes <= FRAMES_HEADER_BYTES)
		return;
	frame.bytes = record + FRAMES_HEADER_BYTES;
	frame.length = bytes - FRAMES_HEADER_BYTES;
	record_read_header(record, &frame.offload);
	capture(port, CAPTURE_IN, frame.bytes, frame.length, NULL, 0);
	network->sender = port->number;
	switch_forward(network->vswitch, port->number, &frame, network->now_ns);
	network->sender = SWITCH_PORT_MAX;
}

/* Events. ------------------------------------------------------------------------ */

/* "NIC of PARTITION": TEXT_SIZE has room for two of them. */
#define NAMES_SIZE (2 * NAME_SIZE + 3)

static const char *port_name(const struct network *network, uint16_t number,
			     char *room, size_t bytes)
{
	const struct port *port =
		number < SWITCH_PORT_MAX ? network->ports[number] : NULL;

	if (!port)
		return "nobody";
	if (port->uplink != UPLINK_NONE)
		return "the uplink";
	(void)snprintf(room, bytes, "%s of %s", port->definition.name,
		       port->partition);
	return room;
}

static void tell_move(struct network *network, const struct switch_event *event)
{
	char text[TEXT_SIZE], now[NAMES_SIZE], before[NAMES_SIZE];
	const uint8_t *mac = event->mac.bytes;

	(void)snprintf(
		text, sizeof(text),
		"MAC %02x:%02x:%02x:%02x:%02x:%02x of %s in VLAN %u %s "
		"%s",
		mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
		port_name(network, event->before, before, sizeof(before)),
		event->vid,
		event->kind == SWITCH_TAKE_OVER ? "was refused at"
						: "has moved to",
		port_name(network, event->port, now, sizeof(now)));
	network->tell(network->context,
		      event->kind == SWITCH_TAKE_OVER ? EVENT_WARNING
						      : EVENT_INFO,
		      text);
}

static void take_event(void *context, const struct switch_event *event)
{
	struct network *network = context;

	if (event->kind == SWITCH_TRUNK)
		network->ports[event->port]->must_announce = true;
	else
		tell_move(network, event);
}

void network_guest_mac(struct port *port, const struct mac *mac)
{
	struct network *network = port->network;
	const uint8_t *bytes = mac->bytes;
	char text[TEXT_SIZE];
	int r = switch_set_guest_mac(network->vswitch, port->number, mac,
				     clock_now_ns());
	bool is_new = !mac_equals(&port->guest_mac, mac);

	port->guest_mac = *mac;
	if (r == 0 || !is_new)
		return;
	(void)snprintf(text, sizeof(text),
		       "the guest of %s gave its interface %s the MAC "
		       "%02x:%02x:%02x:%02x:%02x:%02x, %s: its frames are "
		       "dropped",
		       port->partition, port->definition.name, bytes[0],
		       bytes[1], bytes[2], bytes[3], bytes[4], bytes[5],
		       r == -EEXIST
			       ? "which is configured elsewhere"
			       : "which it may not use (any-mac is not set)");
	network->tell(network->context, EVENT_WARNING, text);
}

/* Announcing. --------------------------------------------------------------------- */

static void fill_rarp(uint8_t *record, const struct fdb_entry *entry)
{
	uint8_t *frame = record + FRAMES_HEADER_BYTES;
	uint8_t *arp = frame + ETHERNET_HEAD_BYTES + TAG_BYTES;

	memset(record, 0, FRAMES_HEADER_BYTES + RARP_BYTES + TAG_BYTES);
	memset(frame, 0xff, MAC_BYTES);
	memcpy(frame + MAC_BYTES, entry->mac.bytes, MAC_BYTES);
	frame_write16(frame + 12, TPID_8021Q);
	frame_write16(frame + 14, entry->vid);
	frame_write16(frame + 16, TYPE_RARP);
	frame_write16(arp, HARDWARE_TYPE);
	frame_write16(arp + 2, PROTOCOL_IPV4);
	arp[4] = MAC_BYTES;
	arp[5] = 4;
	frame_write16(arp + 6, RARP_REQUEST);
	memcpy(arp + 8, entry->mac.bytes, MAC_BYTES);
	memcpy(arp + 18, entry->mac.bytes, MAC_BYTES);
}

void network_announce(struct port *trunk)
{
	struct network *network = trunk->network;
	const struct fdb_entry *entry;
	size_t cursor = 0;

	trunk->must_announce = false;
	while ((entry = switch_next_inside(network->vswitch, trunk->number,
					   &cursor))) {
		uint8_t record[FRAMES_HEADER_BYTES + RARP_BYTES + TAG_BYTES];

		if (switch_trunk(network->vswitch, entry->vid) != trunk->number)
			continue;
		fill_rarp(record, entry);
		switch_send(network->vswitch, trunk->number,
			    record + FRAMES_HEADER_BYTES,
			    RARP_BYTES + TAG_BYTES);
	}
}

/* Settings. ------------------------------------------------------------------------- */

static void add_vlans(struct vlan_membership *vlans,
		      const struct port_vlans *defined)
{
	vlan_access(vlans, defined->pvid);
	for (uint16_t i = 0; i < defined->tagged.count; i++)
		vlan_tagged(vlans, defined->tagged.vids[i]);
}

static void fill_guard(struct guard *guard,
		       const struct nic_definition *definition)
{
	guard->checks_mac =
		(definition->flags & (NIC_ANY_MAC | NIC_TRUNK)) == 0;
	guard->checks_router =
		(definition->flags & (NIC_ROUTER | NIC_TRUNK)) == 0;
	memcpy(guard->mac.bytes, definition->mac, MAC_BYTES);
	guard->ipv4_count = definition->addresses.ipv4_count;
	guard->ipv6_count = definition->addresses.ipv6_count;
	memcpy(guard->ipv4, definition->addresses.ipv4, sizeof(guard->ipv4));
	memcpy(guard->ipv6, definition->addresses.ipv6, sizeof(guard->ipv6));
}

_Static_assert((int)NIC_ADDRESS_MAX == GUARD_ADDRESS_MAX, "the same room");

int network_port_settings(const struct nic_definition *definition,
			  struct switch_port_settings *ret_settings)
{
	*ret_settings = (struct switch_port_settings){
		.is_trunk = (definition->flags & NIC_TRUNK) != 0,
		.is_isolated = (definition->flags & NIC_ISOLATED) != 0,
	};
	memcpy(ret_settings->mac.bytes, definition->mac, MAC_BYTES);
	add_vlans(&ret_settings->vlans, &definition->vlans);
	fill_guard(&ret_settings->guard, definition);
	return mac_is_zero(&ret_settings->mac) ? -EINVAL : 0;
}

int network_uplink_settings(const struct switch_definition *definition,
			    struct switch_port_settings *ret_settings)
{
	*ret_settings = (struct switch_port_settings){
		.is_trunk = true,
		.is_outside = true,
	};
	add_vlans(&ret_settings->vlans, &definition->vlans);
	return definition->uplink.kind == UPLINK_NONE ? -EINVAL : 0;
}
