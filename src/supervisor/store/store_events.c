/* SPDX-License-Identifier: MIT */
/* Events: rows by a number that grows and may skip. */
#include <errno.h>
#include <string.h>

#include "supervisor/store/store_sql.h"

/* By rows: a crash skips sequence numbers. */
int store_trim_events(struct store *store)
{
	sqlite3_stmt *statement;
	int r;

	if (store->event_count <= STORE_EVENT_ROWS)
		return 0;
	r = store_write_begin(store, SQL_EVENT_TRIM, &statement);
	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1,
		       store->event_count - STORE_EVENT_ROWS);
	store->event_count = STORE_EVENT_ROWS; /* a rollback takes it back */
	return store_write_end(store, statement);
}

/* From the table, and after its end from the queue. */
static int next_event(struct store *store, struct event_row *row)
{
	const struct event_row *queued;
	int r = store_next_row(store, ROW_EVENT, NULL, row);

	if (r != -ENOENT)
		return r;
	queued = store_queued_event(store, row->sequence);
	if (!queued)
		return -ENOENT;
	*row = *queued;
	return 0;
}

int store_each_event(struct store *store, uint64_t after, unsigned limit,
		     int (*visit)(void *context, const struct event_row *row),
		     void *context)
{
	struct event_row row = { 0 };

	/* A client may send any number; SQLite's are signed. */
	row.sequence = after > INT64_MAX ? INT64_MAX : after;
	for (unsigned i = 0; i < limit; i++) {
		int r = next_event(store, &row);

		if (r < 0)
			return r == -ENOENT ? 0 : r;
		r = visit(context, &row);
		if (r != 0)
			return r;
	}
	return 0;
}

/* One number; -ENOENT when there is no row. */
static int read_number(struct store *store, enum statement which,
		       uint64_t parameter, uint64_t *ret_number)
{
	sqlite3_stmt *statement;
	int r = store_read_begin(store, which, &statement);

	if (r < 0)
		return r;
	if (sqlite3_bind_parameter_count(statement) > 0)
		store_bind_u64(store, statement, 1, parameter);
	r = store_read_row(store, statement);
	if (r == 0)
		*ret_number = (uint64_t)sqlite3_column_int64(statement, 0);
	store_read_end(store, statement);
	return r;
}

int store_before_newest(struct store *store, unsigned count,
			uint64_t *ret_after)
{
	uint64_t first = 1;
	int r = read_number(store, SQL_EVENT_NEWEST, count - 1, &first);

	*ret_after = first - 1;
	return r == -ENOENT ? 0 : r;
}

int store_count_events(struct store *store)
{
	int r = read_number(store, SQL_EVENT_COUNT, 0, &store->event_count);

	store->event_count_on_disk = store->event_count;
	return r;
}
