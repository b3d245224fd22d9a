/* SPDX-License-Identifier: MIT */
#include "cli/network_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "cli/cli.h"
#include "cli/rows.h"
#include "definition/schema.h"
#include "definition/units.h"

static void add_number(struct table *table, uint64_t value)
{
	table_add(table, "%llu", (unsigned long long)value);
}

/* "10 20t 30t" */
static void describe_vlans(uint16_t pvid, const uint16_t *vids, uint16_t count,
			   char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	if (pvid)
		used = (size_t)snprintf(to, room, "%u", pvid);
	for (uint16_t i = 0; i < count && i < NIC_VID_MAX && used < room; i++)
		used += (size_t)snprintf(to + used, room - used, "%s%ut",
					 used ? " " : "", vids[i]);
}

static json_t *json_vids(const uint16_t *vids, uint16_t count)
{
	json_t *array = json_array();

	for (uint16_t i = 0; i < count && i < NIC_VID_MAX; i++)
		(void)json_array_append_new(array, json_integer(vids[i]));
	return array;
}

/* Interfaces. ----------------------------------------------------------------- */

void nic_table_init(struct table *table)
{
	static const char *const headings[] = {
		"INTERFACE", "SWITCH", "STATE",   "MAC",     "VLANS",
		"RECEIVED",  "SENT",   "DROPPED", "OUTAGES", NULL
	};

	table_init(table, headings);
}

void nic_table_add(struct table *table, const struct nic_row *row)
{
	const struct nic_definition *nic = &row->definition;
	char mac[MAC_SIZE], vlans[TABLE_CELL_SIZE];

	mac_write(mac, nic->mac);
	describe_vlans(nic->vlans.pvid, nic->vlans.tagged.vids,
		       nic->vlans.tagged.count, vlans, sizeof(vlans));
	table_add(table, "%s", nic->name);
	table_add(table, "%s", nic->network);
	table_add(table, "%s", row->state);
	table_add(table, "%s", mac);
	table_add(table, "%s", vlans);
	add_number(table, row->counters.in_frames);
	add_number(table, row->counters.out_frames);
	add_number(table, row->counters.in_dropped);
	add_number(table, row->counters.outages);
}

json_t *json_nic(const struct nic_row *row)
{
	const struct nic_counters *counters = &row->counters;
	json_t *object = json_object(), *counted = json_object();
	char mac[MAC_SIZE];

	mac_write(mac, row->definition.mac);
	json_set_text(object, "partition", row->partition);
	json_set_text(object, "name", row->definition.name);
	json_set_text(object, "switch", row->definition.network);
	json_set_text(object, "state", row->state);
	json_set_text(object, "mac", mac);
	json_set_number(object, "vlan", row->definition.vlans.pvid);
	(void)json_object_set_new(
		object, "tagged",
		json_vids(row->definition.vlans.tagged.vids,
			  row->definition.vlans.tagged.count));
	json_set_number(object, "generation", counters->generation);
	json_set_number(counted, "in_frames", counters->in_frames);
	json_set_number(counted, "in_bytes", counters->in_bytes);
	json_set_number(counted, "out_frames", counters->out_frames);
	json_set_number(counted, "out_bytes", counters->out_bytes);
	json_set_number(counted, "in_dropped", counters->in_dropped);
	json_set_number(counted, "violations", counters->violations);
	json_set_number(counted, "outages", counters->outages);
	json_set_number(counted, "outage_longest_us",
			counters->outage_longest_us);
	(void)json_object_set_new(object, "counters", counted);
	return object;
}

/* Switches. -------------------------------------------------------------------- */

void switch_table_init(struct table *table)
{
	static const char *const headings[] = { "NAME",  "SERVICE", "UPLINK",
						"STATE", "VLANS",   "PORTS",
						"PID",   NULL };

	table_init(table, headings);
}

/* "bridge:br0 (bulkhead0)" */
static void describe_uplink(const struct switch_row *row, char *to, size_t room)
{
	const struct switch_definition *definition = &row->definition;
	bool has_other = row->interface[0] &&
			 strncmp(row->interface, definition->uplink.name,
				 UPLINK_SIZE) != 0;

	(void)snprintf(to, room, "%s%s%.*s%s%.*s%s",
		       uplink_kind_name(definition->uplink.kind),
		       definition->uplink.name[0] ? ":" : "", UPLINK_SIZE - 1,
		       definition->uplink.name, has_other ? " (" : "",
		       has_other ? UPLINK_SIZE - 1 : 0, row->interface,
		       has_other ? ")" : "");
}

void switch_table_add(struct table *table, const struct switch_row *row)
{
	const struct switch_definition *definition = &row->definition;
	char uplink[4 * UPLINK_SIZE], vlans[TABLE_CELL_SIZE];

	describe_uplink(row, uplink, sizeof(uplink));
	describe_vlans(definition->vlans.pvid, definition->vlans.tagged.vids,
		       definition->vlans.tagged.count, vlans, sizeof(vlans));
	table_add(table, "%s", definition->name);
	table_add(table, "%s", definition->service);
	table_add(table, "%s", uplink);
	table_add(table, "%s", row->uplink_state);
	table_add(table, "%s", vlans);
	add_number(table, row->port_count);
	add_number(table, row->instance_pid);
}

json_t *json_switch(const struct switch_row *row)
{
	const struct switch_definition *definition = &row->definition;
	json_t *object = json_object(), *uplink = json_object();

	json_set_text(object, "name", definition->name);
	json_set_text(object, "service", definition->service);
	json_set_number(object, "ports", row->port_count);
	json_set_number(object, "instance_pid", row->instance_pid);
	json_set_text(uplink, "kind",
		      uplink_kind_name(definition->uplink.kind));
	json_set_text(uplink, "name", definition->uplink.name);
	json_set_text(uplink, "interface", row->interface);
	json_set_text(uplink, "state", row->uplink_state);
	json_set_number(uplink, "vlan", definition->vlans.pvid);
	(void)json_object_set_new(uplink, "tagged",
				  json_vids(definition->vlans.tagged.vids,
					    definition->vlans.tagged.count));
	(void)json_object_set_new(object, "uplink", uplink);
	return object;
}

/* Ports and addresses. ------------------------------------------------------------ */

static const char *const drop_names[] = {
#define DROP_NAME(id, name, text) [DROP_##id] = (name),
	SWITCH_DROPS(DROP_NAME)
#undef DROP_NAME
};

/* "web1/lan0", or "uplink" */
static void describe_port(const char *partition, const char *nic, char *to,
			  size_t room)
{
	if (partition[0])
		(void)snprintf(to, room, "%.31s/%.31s", partition, nic);
	else
		(void)snprintf(to, room, "uplink");
}

static void describe_drops(const struct net_port *row, char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; i < ARRAY_COUNT(drop_names) && used < room; i++)
		if (row->drops[i])
			used += (size_t)snprintf(
				to + used, room - used, "%s%s %llu",
				used ? ", " : "", drop_names[i],
				(unsigned long long)row->drops[i]);
}

void port_table_init(struct table *table)
{
	static const char *const headings[] = { "PORT",      "FRAMES IN",
						"BYTES IN",  "FRAMES OUT",
						"BYTES OUT", "TRUNK",
						"DROPPED",   NULL };

	table_init(table, headings);
}

void port_table_add(struct table *table, const struct net_port *row)
{
	char name[2 * NAME_SIZE + 2], drops[TABLE_CELL_SIZE];

	describe_port(row->partition, row->nic, name, sizeof(name));
	describe_drops(row, drops, sizeof(drops));
	table_add(table, "%s", name);
	add_number(table, row->in_frames);
	add_number(table, row->in_bytes);
	add_number(table, row->out_frames);
	add_number(table, row->out_bytes);
	table_add(table, "%s", row->is_trunk_active ? "active" : "");
	table_add(table, "%s", drops);
}

json_t *json_port(const struct net_port *row)
{
	json_t *object = json_object(), *drops = json_object();

	json_set_text(object, "partition", row->partition);
	json_set_text(object, "nic", row->nic);
	json_set_flag(object, "is_uplink", !row->partition[0]);
	json_set_flag(object, "is_trunk_active", row->is_trunk_active);
	json_set_number(object, "in_frames", row->in_frames);
	json_set_number(object, "in_bytes", row->in_bytes);
	json_set_number(object, "out_frames", row->out_frames);
	json_set_number(object, "out_bytes", row->out_bytes);
	json_set_number(object, "finished", row->finished);
	json_set_number(object, "moves", row->moves);
	for (size_t i = 0; i < ARRAY_COUNT(drop_names); i++)
		json_set_number(drops, drop_names[i], row->drops[i]);
	(void)json_object_set_new(object, "drops", drops);
	return object;
}

void entry_table_init(struct table *table)
{
	static const char *const headings[] = { "VLAN", "MAC", "PORT",
						"KIND", "AGE", NULL };

	table_init(table, headings);
}

void entry_table_add(struct table *table, const struct net_entry *row)
{
	char name[2 * NAME_SIZE + 2], mac[MAC_SIZE];

	describe_port(row->partition, row->nic, name, sizeof(name));
	mac_write(mac, row->mac);
	table_add(table, "%u", row->vid);
	table_add(table, "%s", mac);
	table_add(table, "%s", name);
	table_add(table, "%s", row->is_static ? "static" : "learnt");
	table_add(table, "%u s", row->age_ms / 1000);
}

json_t *json_entry(const struct net_entry *row)
{
	json_t *object = json_object();
	char mac[MAC_SIZE];

	mac_write(mac, row->mac);
	json_set_number(object, "vlan", row->vid);
	json_set_text(object, "mac", mac);
	json_set_text(object, "partition", row->partition);
	json_set_text(object, "nic", row->nic);
	json_set_flag(object, "is_static", row->is_static);
	json_set_number(object, "age_ms", row->age_ms);
	return object;
}

/* Mirrors. ------------------------------------------------------------------------- */

/* "web1/lan0", "uplink", "VLAN 10" */
static void describe_mirrored(const struct switch_mirrored *row, char *to,
			      size_t room)
{
	if (row->kind == MIRROR_VLAN)
		(void)snprintf(to, room, "VLAN %u", row->vid);
	else if (row->kind == MIRROR_NIC && !row->from_partition[0])
		(void)snprintf(to, room, "gone");
	else
		describe_port(row->from_partition, row->from_nic, to, room);
}

void mirror_table_init(struct table *table)
{
	static const char *const headings[] = { "MIRROR", "COPIES OF", NULL };

	table_init(table, headings);
}

void mirror_table_add(struct table *table, const struct switch_mirrored *row)
{
	char name[2 * NAME_SIZE + 2], from[2 * NAME_SIZE + 2];

	describe_port(row->partition, row->nic, name, sizeof(name));
	describe_mirrored(row, from, sizeof(from));
	table_add(table, "%s", name);
	table_add(table, "%s", from);
}

json_t *json_mirror(const struct switch_mirrored *row)
{
	json_t *object = json_object();

	json_set_text(object, "partition", row->partition);
	json_set_text(object, "nic", row->nic);
	json_set_text(object, "from_partition", row->from_partition);
	json_set_text(object, "from_nic", row->from_nic);
	json_set_flag(object, "from_uplink", row->kind == MIRROR_UPLINK);
	json_set_number(object, "vlan", row->vid);
	return object;
}

/* Dead ends. ----------------------------------------------------------------------- */

void dead_end_table_init(struct table *table)
{
	static const char *const headings[] = { "PORT",
						"WARNING: ALONE IN VLAN",
						NULL };

	table_init(table, headings);
}

void dead_end_table_add(struct table *table, const struct switch_dead_end *row)
{
	char name[2 * NAME_SIZE + 2], vlans[TABLE_CELL_SIZE];

	describe_port(row->partition, row->nic, name, sizeof(name));
	describe_vlans(row->vlans.pvid, row->vlans.tagged.vids,
		       row->vlans.tagged.count, vlans, sizeof(vlans));
	table_add(table, "%s", name);
	table_add(table, "%s", vlans);
}

json_t *json_dead_end(const struct switch_dead_end *row)
{
	json_t *object = json_object();

	json_set_text(object, "partition", row->partition);
	json_set_text(object, "nic", row->nic);
	json_set_number(object, "vlan", row->vlans.pvid);
	(void)json_object_set_new(
		object, "tagged",
		json_vids(row->vlans.tagged.vids, row->vlans.tagged.count));
	return object;
}
