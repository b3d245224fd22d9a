/* SPDX-License-Identifier: MIT */
#include "net/switch/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/switch/switch_private.h"

int switch_new(struct vswitch **ret_vswitch, const struct switch_ops *ops,
	       uint32_t seed)
{
	struct vswitch *vswitch = calloc(1, sizeof(*vswitch));

	if (!vswitch)
		return -ENOMEM;
	vswitch->ops = *ops;
	for (uint32_t vid = 0; vid <= VID_MAX; vid++)
		vswitch->trunks[vid] = FDB_NONE;
	fdb_init(&vswitch->fdb, seed);
	*ret_vswitch = vswitch;
	return 0;
}

void switch_free(struct vswitch *vswitch)
{
	free(vswitch);
}

void switch_notify(struct vswitch *vswitch, const struct switch_event *event)
{
	vswitch->ops.event(vswitch->ops.context, event);
}

/* Ports. ---------------------------------------------------------------------- */

struct port *switch_find_port(const struct vswitch *vswitch, uint16_t port)
{
	struct vswitch *own = (struct vswitch *)(uintptr_t)vswitch;

	if (port >= SWITCH_PORT_MAX || !own->ports[port].is_used)
		return NULL;
	return &own->ports[port];
}

static uint32_t count_vlans(const struct vlan_set *set)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < 4096 / 64; i++)
		count += (uint32_t)__builtin_popcountll(set->bits[i]);
	return count;
}

static bool is_possible(const struct switch_port_settings *settings)
{
	const struct vlan_membership *vlans = &settings->vlans;

	if (vlan_set_has(&vlans->members, VID_NONE) ||
	    vlan_set_has(&vlans->members, VID_MAX + 1))
		return false;
	if (vlans->pvid != VID_NONE &&
	    (vlans->pvid > VID_MAX ||
	     !vlan_set_has(&vlans->members, vlans->pvid)))
		return false;
	if (mac_is_zero(&settings->mac))
		return true;
	return !mac_is_group(&settings->mac) &&
	       count_vlans(&vlans->members) <= FDB_PORT_STATIC;
}

/* True if the MAC is configured elsewhere in a VLAN of these. */
static bool is_taken(const struct vswitch *vswitch, uint16_t port,
		     const struct switch_port_settings *settings)
{
	for (uint32_t i = 0; i < vswitch->port_end; i++) {
		const struct port *other = &vswitch->ports[i];

		if (i == port || !other->is_used ||
		    !mac_equals(&other->settings.mac, &settings->mac))
			continue;
		for (uint32_t j = 0; j < 4096 / 64; j++)
			if (other->settings.vlans.members.bits[j] &
			    settings->vlans.members.bits[j])
				return true;
	}
	return false;
}

static void add_statics(struct vswitch *vswitch, uint16_t port,
			const struct switch_port_settings *settings)
{
	for (uint16_t vid = 1; vid <= VID_MAX; vid++)
		/* There is room for every quota, and nobody else has it. */
		if (vlan_set_has(&settings->vlans.members, vid))
			(void)fdb_add_static(&vswitch->fdb, vid, &settings->mac,
					     port);
}

static bool is_trunk_of(const struct port *port, uint16_t vid)
{
	return port->is_used && port->settings.is_trunk &&
	       vlan_set_has(&port->settings.vlans.members, vid);
}

static void set_trunk(struct vswitch *vswitch, uint16_t vid, uint16_t port)
{
	const struct switch_event event = {
		.kind = SWITCH_TRUNK,
		.vid = vid,
		.port = port,
		.before = vswitch->trunks[vid],
	};

	vswitch->trunks[vid] = port;
	if (port != FDB_NONE)
		switch_notify(vswitch, &event);
}

/* The trunk of a VLAN that was the active one last, of those that are left. */
static uint16_t find_standby(const struct vswitch *vswitch, uint16_t vid)
{
	uint16_t found = FDB_NONE;

	for (uint16_t i = 0; i < vswitch->port_end; i++)
		if (is_trunk_of(&vswitch->ports[i], vid) &&
		    (found == FDB_NONE ||
		     vswitch->ports[i].activation >
			     vswitch->ports[found].activation))
			found = i;
	return found;
}

/* Where it is the active trunk and can be no more, another takes over; where
 * there is none it need not stand by, once it was activated. */
static void settle_trunks(struct vswitch *vswitch, uint16_t port)
{
	const struct port *place = &vswitch->ports[port];

	for (uint16_t vid = 0; vid <= VID_MAX; vid++) {
		uint16_t active = vswitch->trunks[vid];

		if (active == port && !is_trunk_of(place, vid))
			set_trunk(vswitch, vid, find_standby(vswitch, vid));
		else if (active == FDB_NONE && place->activation &&
			 is_trunk_of(place, vid))
			set_trunk(vswitch, vid, port);
	}
}

int switch_set_port(struct vswitch *vswitch, uint16_t port,
		    const struct switch_port_settings *settings)
{
	struct port *place;

	if (port >= SWITCH_PORT_MAX || !is_possible(settings))
		return -EINVAL;
	if (!mac_is_zero(&settings->mac) && is_taken(vswitch, port, settings))
		return -EEXIST;
	place = &vswitch->ports[port];
	place->is_used = true;
	place->settings = *settings;
	if (port >= vswitch->port_end)
		vswitch->port_end = port + 1u;
	fdb_forget_port(&vswitch->fdb, port);
	settle_trunks(vswitch, port);
	if (!mac_is_zero(&settings->mac))
		add_statics(vswitch, port, settings);
	if (settings->is_trunk)
		(void)switch_set_mirror(vswitch, port, NULL);
	return 0;
}

void switch_remove_port(struct vswitch *vswitch, uint16_t port)
{
	if (!switch_find_port(vswitch, port))
		return;
	fdb_forget_port(&vswitch->fdb, port);
	(void)switch_set_mirror(vswitch, port, NULL);
	memset(&vswitch->ports[port], 0, sizeof(vswitch->ports[port]));
	settle_trunks(vswitch, port);
}

static void learn_everywhere(struct vswitch *vswitch, uint16_t port,
			     const struct mac *mac, uint64_t now_ns)
{
	const struct vlan_set *members =
		&vswitch->ports[port].settings.vlans.members;
	uint16_t before;

	for (uint16_t vid = 1; vid <= VID_MAX; vid++)
		if (vlan_set_has(members, vid))
			(void)fdb_learn(&vswitch->fdb, vid, mac, port, now_ns,
					&before);
}

int switch_set_guest_mac(struct vswitch *vswitch, uint16_t port,
			 const struct mac *mac, uint64_t now_ns)
{
	struct port *place = switch_find_port(vswitch, port);
	struct switch_port_settings wanted;

	if (!place || mac_is_group(mac))
		return -EINVAL;
	memset(&place->guest_mac, 0, sizeof(place->guest_mac));
	if (mac_is_zero(mac) || mac_equals(mac, &place->settings.mac))
		return 0;
	if (place->settings.guard.checks_mac)
		return -EPERM;
	wanted = place->settings;
	wanted.mac = *mac;
	if (is_taken(vswitch, port, &wanted))
		return -EEXIST;
	place->guest_mac = *mac;
	/* What a trunk bridges is never learnt, nor is its own station. */
	if (!place->settings.is_trunk)
		learn_everywhere(vswitch, port, mac, now_ns);
	return 0;
}

void switch_set_features(struct vswitch *vswitch, uint16_t port,
			 const struct offload_features *features)
{
	struct port *place = switch_find_port(vswitch, port);

	if (place)
		place->features = *features;
}

void switch_set_filter(struct vswitch *vswitch, uint16_t port,
		       const struct switch_port_filter *filter)
{
	struct port *place = switch_find_port(vswitch, port);

	if (!place)
		return;
	place->filter = *filter;
	if (place->filter.group_count > SWITCH_MULTICAST_MAX) {
		place->filter.group_count = 0;
		place->filter.all_multicast = true;
	}
}

int switch_set_mirror(struct vswitch *vswitch, uint16_t port,
		      const struct switch_mirror *mirror)
{
	struct port *place = switch_find_port(vswitch, port);

	if (!place || (mirror && place->settings.is_trunk))
		return -EINVAL;
	if (place->is_mirror)
		vswitch->mirror_count--;
	place->is_mirror = mirror != NULL;
	if (mirror) {
		place->mirror = *mirror;
		vswitch->mirror_count++;
	}
	return 0;
}

const struct switch_counters *switch_count(const struct vswitch *vswitch,
					   uint16_t port)
{
	const struct port *place = switch_find_port(vswitch, port);

	return place ? &place->counters : NULL;
}

/* Trunks. ----------------------------------------------------------------------- */

int switch_activate_trunk(struct vswitch *vswitch, uint16_t port)
{
	struct port *place = switch_find_port(vswitch, port);

	if (!place || !place->settings.is_trunk)
		return -EINVAL;
	place->activation = ++vswitch->activation_count;
	for (uint16_t vid = 1; vid <= VID_MAX; vid++)
		if (is_trunk_of(place, vid) && vswitch->trunks[vid] != port)
			set_trunk(vswitch, vid, port);
	return 0;
}

uint16_t switch_trunk(const struct vswitch *vswitch, uint16_t vid)
{
	return vid <= VID_MAX ? vswitch->trunks[vid] : FDB_NONE;
}

/* Tables. ----------------------------------------------------------------------------------- */

void switch_age(struct vswitch *vswitch, uint64_t now_ns)
{
	fdb_age(&vswitch->fdb, now_ns);
}

const struct fdb_entry *switch_next_entry(const struct vswitch *vswitch,
					  size_t *cursor)
{
	return fdb_next(&vswitch->fdb, cursor);
}

const struct fdb_entry *switch_next_inside(const struct vswitch *vswitch,
					   uint16_t trunk, size_t *cursor)
{
	const struct port *port = switch_find_port(vswitch, trunk);
	const struct fdb_entry *entry;

	if (!port)
		return NULL;
	while ((entry = fdb_next(&vswitch->fdb, cursor)))
		if (entry->port != trunk &&
		    vlan_set_has(&port->settings.vlans.members, entry->vid))
			return entry;
	return NULL;
}
