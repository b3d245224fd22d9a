/* SPDX-License-Identifier: MIT */
#include "cli/columns.h"

#include <stdio.h>
#include <string.h>

#include "control/protocol.h"

static void write_disks_up(char *to, size_t room, const void *body)
{
	const struct partition_row *row = body;

	(void)snprintf(to, room, "%u of %u", row->disks_up, row->disk_count);
}

const struct column partition_columns[] = {
	{ "NAME", .key = "name" },
	{ "STATE", .key = "state" },
	{ "ENGINE", .key = "engine" },
	{ "CPUS", .key = "cpus" },
	{ "MEMORY", .key = "memory_bytes", .style = CELL_SIZE },
	{ "DISKS UP", .write = write_disks_up },
	{ "REASON", .key = "reason" },
	{ 0 },
};

const struct column disk_columns[] = {
	{ "PARTITION", .key = "partition" },
	{ "DISK", .key = "name" },
	{ "SERVICE", .key = "service" },
	{ "STATE", .key = "state" },
	{ "SIZE", .key = "size_bytes", .style = CELL_SIZE },
	{ "READS", .key = "counters.reads" },
	{ "WRITES", .key = "counters.writes" },
	{ "ERRORS", .key = "counters.errors" },
	{ "OUTAGES", .key = "counters.outages" },
	{ "FILE", .key = "file" },
	{ 0 },
};

const struct column volume_columns[] = {
	{ "VOLUME", .key = "volume" },
	{ "SERVICE", .key = "service" },
	{ "SIZE", .key = "size" },
	{ "DISKS", .key = "disks" },
	{ "UP", .key = "disks_up" },
	{ "FILE", .key = "file" },
	{ 0 },
};

const struct column reservation_columns[] = {
	{ "PARTITION", .key = "partition" },
	{ "DISK", .key = "name" },
	{ "KEY", .key = "key" },
	{ "HOLDS", .key = "type" },
	{ 0 },
};

const struct column volume_disk_columns[] = {
	{ "PARTITION", .key = "partition" },
	{ "DISK", .key = "name" },
	{ "ACCESS", .key = "access" },
	{ "STATE", .key = "state" },
	{ 0 },
};

const struct column nic_columns[] = {
	{ "INTERFACE", .key = "name" },
	{ "SWITCH", .key = "switch" },
	{ "STATE", .key = "state" },
	{ "MAC", .key = "mac" },
	{ "VLANS", .key = "vlan", .style = CELL_VLANS },
	{ "RECEIVED", .key = "counters.in_frames" },
	{ "SENT", .key = "counters.out_frames" },
	{ "DROPPED", .key = "counters.in_dropped" },
	{ "OUTAGES", .key = "counters.outages" },
	{ 0 },
};

const struct column process_columns[] = {
	{ "PROCESS", .key = "process" },
	{ "PID", .key = "pid" },
	{ "MISSING ISOLATION", .key = "missing" },
	{ 0 },
};

const struct column emulation_columns[] = {
	{ "EMULATED", .key = "mnemonic" },
	{ "TIMES", .key = "count" },
	{ 0 },
};

static void write_outage(char *to, size_t room, const void *body)
{
	const struct service_row *row = body;

	(void)snprintf(to, room, "%llu.%llu ms",
		       (unsigned long long)(row->last_outage_us / 1000),
		       (unsigned long long)(row->last_outage_us % 1000 / 100));
}

const struct column service_columns[] = {
	{ "NAME", .key = "name" },
	{ "KIND", .key = "kind" },
	{ "ROLE", .key = "role" },
	{ "PID", .key = "pid" },
	{ "CLIENTS", .key = "clients" },
	{ "RESTARTS", .key = "restarts" },
	{ "AGE", .key = "age_ms", .style = CELL_SECONDS },
	{ "LAST OUTAGE", .write = write_outage },
	{ 0 },
};

const struct column quarantine_columns[] = {
	{ "PID", .key = "pid" },
	{ "KIND", .key = "kind" },
	{ "NAME", .key = "name" },
	{ "SINCE", .key = "age_ms", .style = CELL_SECONDS },
	{ 0 },
};

const struct column switch_columns[] = {
	{ "NAME", .key = "name" },
	{ "SERVICE", .key = "service" },
	{ "UPLINK", .key = "uplink" },
	{ "INTERFACE", .key = "interface" },
	{ "STATE", .key = "state" },
	{ "VLANS", .key = "vlan", .style = CELL_VLANS },
	{ "PORTS", .key = "ports" },
	{ "PID", .key = "instance_pid" },
	{ 0 },
};

const struct column port_columns[] = {
	{ "PORT", .key = "partition", .style = CELL_PORT },
	{ "FRAMES IN", .key = "in_frames" },
	{ "BYTES IN", .key = "in_bytes" },
	{ "FRAMES OUT", .key = "out_frames" },
	{ "BYTES OUT", .key = "out_bytes" },
	{ "ACTIVE TRUNK", .key = "is_trunk_active" },
	{ "DROPPED", .key = "drops" },
	{ 0 },
};

const struct column entry_columns[] = {
	{ "VLAN", .key = "vlan" },
	{ "MAC", .key = "mac" },
	{ "PORT", .key = "partition", .style = CELL_PORT },
	{ "STATIC", .key = "is_static" },
	{ "AGE", .key = "age_ms", .style = CELL_SECONDS },
	{ 0 },
};

/* "web1/lan0", "uplink", "VLAN 10" */
static void write_mirrored(char *to, size_t room, const void *body)
{
	const struct switch_mirrored *row = body;

	if (row->kind == MIRROR_VLAN)
		(void)snprintf(to, room, "VLAN %u", row->vid);
	else if (row->kind == MIRROR_NIC && !row->from_partition[0])
		(void)snprintf(to, room, "gone");
	else
		port_write(to, room, row->from_partition, row->from_nic);
}

const struct column mirror_columns[] = {
	{ "MIRROR", .key = "partition", .style = CELL_PORT },
	{ "COPIES OF", .write = write_mirrored },
	{ 0 },
};

const struct column dead_end_columns[] = {
	{ "PORT", .key = "partition", .style = CELL_PORT },
	{ "WARNING: ALONE IN VLAN", .key = "vlan", .style = CELL_VLANS },
	{ 0 },
};
