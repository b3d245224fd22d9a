/* SPDX-License-Identifier: MIT */
/*
 * The fields of a definition, once, as data: parsing, checking, storing,
 * sending, printing and the test of the manual page all read these tables.
 *
 * A *record* is what fields belong to: a partition, one of its disks or
 * interfaces, a switch, a volume. A path names a field of its record ("cpu.virtual"); the
 * elements of a list are records of their own. Rows are in the order in which
 * they are printed; a group comes before its fields.
 *
 * A new field is a row here, the member of its struct, the code that honours it
 * and a test.
 */
#ifndef DEFINITION_SCHEMA_H
#define DEFINITION_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "definition/network.h"
#include "definition/partition.h"
#include "definition/volume.h"

struct checking;

/* What can be done with each type is in type.c. */
enum field_type {
	FIELD_GROUP,     /* a map of fields */
	FIELD_LIST,      /* a list of records: the disks, the interfaces */
	FIELD_NAME,      /* char array: a name of ours */
	FIELD_TEXT,      /* char array: printable text */
	FIELD_PATH,      /* char array: an absolute path */
	FIELD_COUNT,     /* uint32: a number */
	FIELD_SIZE,      /* uint64: bytes, written "8G" */
	FIELD_TIME,      /* uint32: milliseconds, written "30s" */
	FIELD_CHOICE,    /* uint32: an index of `choices` */
	FIELD_SWITCH,    /* uint32: true or false */
	FIELD_OUTAGE,    /* struct outage */
	FIELD_FLAG,      /* uint32: true or false is the bit `unit` of it */
	FIELD_MAC,       /* uint8[6], written "02:00:00:00:00:01" */
	FIELD_VLAN,      /* uint16: the VLAN of frames without a tag */
	FIELD_VLANS,     /* struct vid_list */
	FIELD_RATE,      /* struct rate: "10M/1s" */
	FIELD_ADDRESSES, /* struct address_set */
	FIELD_UPLINK,    /* struct uplink_definition: "tap:lan0" */
	FIELD_REFUSED,   /* not in this release; `help` says so */
	FIELD_TYPE_COUNT,
};

/* In which states of a partition a field may change at the latest; a name of
 * ours never does. */
enum field_change {
	CHANGE_NEVER,
	CHANGE_UNINSTALLED, /* only while it is not installed */
	CHANGE_STOPPED,     /* also while it is installed and does not run */
	CHANGE_RUNNING,     /* at any time */
};

/* What a record must be for a field to have a value in it. */
struct need {
	bool (*is_met)(const void *record);
	const char *rule; /* why a field is refused where it is not */
};

struct field {
	const char *path;
	/* Of its attribute, in what is stored and sent. Numbers of a record are
	 * never reused; groups have none. */
	uint16_t number;
	enum field_type type;
	bool is_required;         /* where its need is met */
	enum field_change change; /* of a list: what adds and removes */
	const struct need *need;
	uint32_t offset; /* in the record's struct */
	uint32_t room;   /* of a char array */
	uint64_t least;
	uint64_t most;
	uint64_t unit; /* a size is a multiple of this */
	/* What an absent field means, now and in what an earlier release stored
	 * without it. */
	uint64_t fallback;
	const char *fallback_text;  /* of a name; of others what to call it */
	const char *const *choices; /* in the order of the enum; ends in NULL */
	const struct record_type *element; /* of a list */
	uint32_t count_offset;             /* of a list: its uint32 count */
	const char *help; /* for the manual page: one sentence */
};

struct record_type {
	const char *name; /* "disk" */
	const struct field *fields;
	size_t field_count;
	uint32_t bytes; /* of its struct */
	/* Fill in what its author left to be concluded from other fields. */
	void (*complete)(void *record);
	/* The rules of more than one field. */
	int (*check)(const void *record, const struct checking *checking);
};

extern const struct record_type partition_record; /* partition_document */
extern const struct record_type disk_record;      /* disk_definition */
extern const struct record_type nic_record;       /* nic_definition */
extern const struct record_type switch_record;    /* switch_definition */
extern const struct record_type volume_record;    /* volume_definition */

/* The row of this path; NULL when there is none. */
const struct field *record_find(const struct record_type *record,
				const char *path);

/* The last word of the path: "virtual" of "cpu.virtual". */
const char *field_key(const struct field *field);

/* True if the field may have a value in this record. */
bool field_is_needed(const struct field *field, const void *record);

/* Of a list: how many elements, at most those that there is room for; and one. */
uint32_t field_list_count(const struct field *field, const void *record);
void *field_list_at(const struct field *field, const void *record,
		    uint32_t index);

#endif
