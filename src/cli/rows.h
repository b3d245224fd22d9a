/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's rows, for scripts as JSON with the keys of
 * control/fields.def, and for people as tables of some of those keys.
 */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "definition/schema.h"

/* How the field of a key is shown. */
enum cell_style {
	CELL_PLAIN,
	CELL_SIZE,    /* "1G" */
	CELL_SECONDS, /* of milliseconds */
	CELL_VLANS,   /* "10 20t": of the keys "vlan" and "tagged" */
	CELL_PORT,    /* "web1/lan0": of the keys "partition" and "nic" */
};

/* One of an array, which ends with a column without a heading. */
struct column {
	const char *heading;
	const char *key;
	enum cell_style style;
	/* In the place of a key. */
	void (*write)(char *to, size_t room, const void *body);
};

/* The rows of one type in an answer. */
struct rows {
	uint32_t type;
	const struct column *columns;
	struct table table;
	json_t *json; /* an array */
};

void rows_init(struct rows *rows, uint32_t type, const struct column *columns);
void rows_release(struct rows *rows);

/* Add a row to table and array; false: it is of another type. */
bool rows_take(struct rows *rows, const struct message *row);

/* The table, or with --json the array. */
void rows_print(const struct rows *rows, const struct cli *cli);

/* The table behind an empty line, unless it has no rows. */
void rows_print_if_any(const struct rows *rows);

/* The body of a message of this type, as the contract with scripts has it. */
json_t *json_row(uint32_t type, const void *body);

/* A definition; that of a partition is the document itself, which `bulkhead
 * define` takes back. */
json_t *json_record(const struct record_type *record, const void *value);

/* "web1/lan0", or "uplink" of no partition. */
void port_write(char *to, size_t room, const char *partition, const char *nic);

/* "qemu"; "?" for a number this version does not know. */
const char *engine_name(uint32_t engine);

/* "info", "warning" or "error". */
const char *event_level_name(uint32_t level);

#endif
