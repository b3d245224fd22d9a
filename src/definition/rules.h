/* SPDX-License-Identifier: MIT */
/* The rules of a definition that concern more than one field; the schema refers
 * to them. They are called with records whose fields are valid one by one. */
#ifndef DEFINITION_RULES_H
#define DEFINITION_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "definition/schema.h"

#define FIELD_NAME_SIZE 64

/* A check stops at the first invalid field. */
struct checking {
	const char *prefix; /* of the record's fields: "disks[0]." or "" */
	struct refusal *refusal;
};

int rules_check_partition(const void *record, const struct checking *checking);
int rules_check_disk(const void *record, const struct checking *checking);
int rules_check_nic(const void *record, const struct checking *checking);
int rules_check_switch(const void *record, const struct checking *checking);

/* Two disks of one volume: may both be there at a time? */
bool rules_access_goes_with(uint32_t access, uint32_t other);

/* Does a disk with this access only read; are there others beside it? */
bool rules_access_reads(uint32_t access);
bool rules_access_is_shared(uint32_t access);

/* What a disk has of its volume. */
void rules_take_volume(struct disk_definition *disk,
		       const struct volume_definition *volume);

/* What is no disk is a unit of the SCSI controller, and a CD is only read. */
void rules_complete_disk(void *record);

/* An interface, or an uplink, of which no VLAN was said is in VLAN 1. */
void rules_complete_nic(void *record);
void rules_complete_switch(void *record);

/* True if a port is in this VLAN, with a tag or without. */
bool rules_has_vlan(const struct port_vlans *vlans, uint16_t vid);

/* True if both use one MAC address in one VLAN of one switch. */
bool rules_nics_collide(const struct nic_definition *a,
			const struct nic_definition *b);

#endif
