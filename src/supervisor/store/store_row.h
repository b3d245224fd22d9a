/* SPDX-License-Identifier: MIT */
/*
 * Rows of the store as data: a row type says of each column which member of
 * its record it holds and what that may be. The table, its statements, what
 * they bind and what they read follow from it.
 *
 * To add a column: its member and its line in store_rows.c, and the next
 * STORE_SCHEMA_VERSION. Rows of an older store get zero, or an empty text.
 *
 * Errors     As store.h has them; -EUCLEAN a row that could not have been
 *            written. What is written must be in its range: that is asserted.
 */
#ifndef SUPERVISOR_STORE_ROW_H
#define SUPERVISOR_STORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record_type;
struct store;

enum column_kind {
	COLUMN_NUMBER, /* of 4 or 8 bytes, at least 0 */
	COLUMN_TEXT,
	COLUMN_BYTES,      /* the whole member */
	COLUMN_BLOB,       /* a struct store_blob; who reads one frees it */
	COLUMN_DEFINITION, /* its attributes; its name is a column before */
};

struct column {
	const char *name;
	enum column_kind kind;
	uint32_t offset; /* of the member in the record */
	uint32_t bytes;
	uint64_t most;          /* of a number; 0: as many as the member has */
	bool is_fixed;          /* an update leaves it as it is */
	const char *constraint; /* SQL; may be NULL */
	const struct record_type *definition; /* what it is of */
};

/* Which deferred writes go first when they are too many. */
enum row_worth { ROW_WORTH_LITTLE, ROW_WORTH_MORE, ROW_WORTH_ALL };

struct row_type {
	const char *table;
	const struct column *columns; /* the first one is the key */
	unsigned column_count;
	uint32_t record_bytes;
	const char *constraint; /* of the table; may be NULL */
	const char *owner; /* the column of which a walk may want one value */
	enum row_worth worth; /* of a deferred write */
	/* What no column shows alone; may be NULL. -EUCLEAN */
	int (*check)(void *record);
};

enum store_row {
	ROW_PARTITION,
	ROW_ATTACHMENT,
	ROW_SWITCH,
	ROW_NIC,
	ROW_MIRROR,
	ROW_VOLUME,
	ROW_SERVICE,
	ROW_CHILD,
	ROW_EVENT,
	ROW_JOURNAL,
	ROW_COUNTER,
	ROW_FACT,
	ROW_TYPE_COUNT,
};

extern const struct row_type store_row_types[ROW_TYPE_COUNT];

enum row_verb {
	ROW_PUT,    /* insert or replace */
	ROW_UPDATE, /* what is not fixed */
	ROW_DELETE,
	ROW_DELETE_OWNED,
	ROW_GET,
	ROW_NEXT, /* the row after this key, so that a visitor may write */
	ROW_VERB_COUNT,
};

/* PUT, UPDATE or DELETE the row of this record. -ENOENT no such row */
int store_write(struct store *store, enum row_verb verb, enum store_row row,
		const void *record);

/* `key` is a text, or a uint64_t. -ENOENT no such row */
int store_delete(struct store *store, enum store_row row, const void *key);
int store_get(struct store *store, enum store_row row, const void *key,
	      void *ret_record);
int store_delete_owned(struct store *store, enum store_row row,
		       const char *owner);

/* From the record's key to the next one, of this owner unless it is NULL.
 * -ENOENT at the end */
int store_next_row(struct store *store, enum store_row row, const char *owner,
		   void *record);

#define STORE_SQL_SIZE 1536

/* The statement, for its first use. */
void store_row_statement(char sql[STORE_SQL_SIZE], enum store_row row,
			 enum row_verb verb);
void store_row_create(char sql[STORE_SQL_SIZE], const struct row_type *type);
void store_row_add_column(char sql[STORE_SQL_SIZE], const struct row_type *type,
			  const struct column *column);

#endif
