/* SPDX-License-Identifier: MIT */
/*
 * Operations that change something outside the store, made atomic.
 *
 * The store alone needs no journal: a transaction is whole or was not. An
 * operation that also creates or removes a file goes
 *
 *   intent row, committed -> effects, idempotent -> one transaction that
 *   changes the state and removes the intent row
 *
 * so that after a kill at any point journal_recover() finds the row and either
 * undoes (install) or finishes (uninstall). Its blob says all that recovery
 * needs; it never depends on a file still being where the definition says.
 *
 * Every point between two steps is named in journal_points.def and is a
 * failpoint: the tests kill at each of them and prove that none is missing.
 *
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_JOURNAL_H
#define SUPERVISOR_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/failpoint.h"
#include "supervisor/store/store.h"

enum journal_op {
	JOURNAL_INSTALL = 1, /* undone when found at start */
	JOURNAL_UNINSTALL,   /* finished when found at start */
};

/* The points as failpoint names. */
enum journal_point {
#define JOURNAL_POINT(name, text) JOURNAL_AT_##name,
#include "supervisor/store/journal_points.def"
#undef JOURNAL_POINT
	JOURNAL_POINT_COUNT,
};

const char *journal_point_name(enum journal_point point);

/* Where a test may kill this process. */
#define journal_at(point) ((void)failpoint(journal_point_name(point)))

struct journal_entry {
	uint64_t id;
	uint32_t op; /* enum journal_op */
	char subject[NAME_SIZE];
	struct store_blob blob; /* borrowed for the visit */
};

/*
 * Commit an intent. Not inside store_begin().
 *
 * -EBUSY  the subject has one already
 */
int journal_intend(struct store *store, enum journal_op op, const char *subject,
		   const void *blob, size_t blob_bytes, uint64_t *ret_id);

/* Commit a better blob for an intent, when an effect taught something. */
int journal_update(struct store *store, uint64_t id, const void *blob,
		   size_t blob_bytes);

/* Remove the intent; inside the transaction that completes the operation. */
int journal_end(struct store *store, uint64_t id);

/* Each unfinished intent, oldest first; a visit may journal_end() it. */
int journal_each(struct store *store,
		 int (*visit)(void *context, const struct journal_entry *entry),
		 void *context);

#endif
