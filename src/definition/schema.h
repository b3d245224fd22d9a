/* SPDX-License-Identifier: MIT */
/*
 * The fields of a partition document, once, as data: parsing, checking,
 * printing and the test of the manual page all read this table.
 *
 * A path names a field: "cpu.virtual", or "disks[].file" for a field of each
 * element of the list. Rows are in the order in which they are printed; a
 * group or list comes before its fields.
 */
#ifndef DEFINITION_SCHEMA_H
#define DEFINITION_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "definition/network.h"
#include "definition/partition.h"

enum field_type {
	FIELD_GROUP,     /* a map of fields */
	FIELD_LIST,      /* a list of maps: the disks, the interfaces */
	FIELD_NAME,      /* char array: a name of ours */
	FIELD_TEXT,      /* char array: printable text */
	FIELD_PATH,      /* char array: an absolute path */
	FIELD_COUNT,     /* uint32: a number */
	FIELD_SIZE,      /* uint64: bytes, written "8G" */
	FIELD_TIME,      /* uint32: milliseconds, written "30s" */
	FIELD_CHOICE,    /* uint32: an index of `choices` */
	FIELD_SWITCH,    /* uint32: true or false */
	FIELD_OUTAGE,    /* the outage and outage_ms of a disk */
	FIELD_FLAG,      /* uint32: true or false is the bit `unit` of it */
	FIELD_MAC,       /* uint8[6], written "02:00:00:00:00:01" */
	FIELD_VLAN,      /* uint16: the VLAN of frames without a tag */
	FIELD_VLANS,     /* the vids and vid_count of an interface: a list */
	FIELD_RATE,      /* its credit_bytes and period_us: "10M/1s" */
	FIELD_ADDRESSES, /* its IPv4 and IPv6 addresses: a list */
	FIELD_REFUSED,   /* not in this release; `help` says so */
};

/* In which states of a partition a field may change at the latest; a name of
 * ours never does. */
enum field_change {
	CHANGE_NEVER,
	CHANGE_UNINSTALLED, /* only while it is not installed */
	CHANGE_STOPPED,     /* also while it is installed and does not run */
	CHANGE_RUNNING,     /* at any time */
};

struct field {
	const char *path;
	enum field_type type;
	bool is_required;
	enum field_change change; /* of a list: what adds and removes */
	uint32_t offset; /* in the definition, the disk's or the nic's */
	uint32_t room;   /* of a char array */
	uint64_t least;
	uint64_t most;
	uint64_t unit;     /* a size is a multiple of this */
	uint64_t fallback; /* what an absent field means */
	const char *fallback_text;
	const char *const *choices; /* in the order of the enum; ends in NULL */
	const char *help;           /* for the manual page: one sentence */
};

/* All rows; *ret_count of them. */
const struct field *schema_fields(size_t *ret_count);

/* The row of this path; NULL when there is none. */
const struct field *schema_find(const char *path);

/* What a field belongs to. */
enum field_owner { OWNER_PARTITION, OWNER_DISK, OWNER_NIC };
enum field_owner field_owner(const struct field *field);

/* True for a field whose value is a list of scalars. */
bool field_is_list(const struct field *field);

/* The last word of the path: "virtual" of "cpu.virtual". */
const char *field_key(const struct field *field);

/* "1 to 64", "16M to 4T", "auto | kvm | qemu": what the field accepts. */
void field_describe_range(const struct field *field, char *to, size_t room);

/* "1", "30s", "hold": what an absent field means; empty when nothing. */
void field_describe_fallback(const struct field *field, char *to, size_t room);

/* A list is written as JSON, which is YAML too. */
enum value_kind {
	VALUE_ABSENT,
	VALUE_TEXT,
	VALUE_NUMBER,
	VALUE_SWITCH,
	VALUE_LIST,
};

#define VALUE_SIZE CMDLINE_SIZE

/*
 * The value of a leaf as the document writes it. `element` is the disk or the
 * interface whose field it is, and NULL for a field of the partition.
 */
enum value_kind field_value(const struct field *field,
			    const struct partition_definition *definition,
			    const void *element, char ret_text[VALUE_SIZE]);

#endif
