/* SPDX-License-Identifier: MIT */
#include "supervisor/store/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "supervisor/store/store_sql.h"

#define BLOB_BYTES_MAX (64u << 10)

static const char *const names[JOURNAL_POINT_COUNT] = {
#define JOURNAL_POINT(name, text) [JOURNAL_AT_##name] = (text),
#include "supervisor/store/journal_points.def"
#undef JOURNAL_POINT
};

const char *journal_point_name(enum journal_point point)
{
	return names[point];
}

int journal_intend(struct store *store, enum journal_op op, const char *subject,
		   const void *blob, size_t blob_bytes, uint64_t *ret_id)
{
	sqlite3_stmt *statement;
	uint64_t id;
	int r = store_next(store, STORE_INTENT, &id);

	if (r == 0)
		r = store_write_begin(store, SQL_JOURNAL_PUT, &statement);
	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, id);
	store_bind_u64(store, statement, 2, op);
	store_bind_text(store, statement, 3, subject);
	store_bind_blob(store, statement, 4, blob, blob_bytes);
	r = store_write_end(store, statement);
	if (r == 0)
		*ret_id = id;
	return r;
}

int journal_update(struct store *store, uint64_t id, const void *blob,
		   size_t blob_bytes)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_JOURNAL_UPDATE, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, id);
	store_bind_blob(store, statement, 2, blob, blob_bytes);
	return store_write_end_found(store, statement);
}

int journal_end(struct store *store, uint64_t id)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_JOURNAL_DELETE, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, id);
	return store_write_end_found(store, statement);
}

/* A copy of the blob, so that the visitor may end its entry. */
static int copy_blob(sqlite3_stmt *statement, struct journal_entry *ret_entry,
		     void **ret_blob)
{
	const void *blob = sqlite3_column_blob(statement, 3);
	size_t bytes = (size_t)sqlite3_column_bytes(statement, 3);

	if (!blob || bytes > BLOB_BYTES_MAX)
		return -EUCLEAN;
	*ret_blob = malloc(bytes);
	if (!*ret_blob)
		return -ENOMEM;
	memcpy(*ret_blob, blob, bytes);
	ret_entry->blob = *ret_blob;
	ret_entry->blob_bytes = bytes;
	return 0;
}

static int read_entry(struct store *store, uint64_t after,
		      struct journal_entry *ret_entry, void **ret_blob)
{
	sqlite3_stmt *statement;
	int r = store_read_begin(store, SQL_JOURNAL_NEXT, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, after);
	r = store_read_row(store, statement);
	if (r == 0)
		r = store_column_text(statement, 2, ret_entry->subject,
				      sizeof(ret_entry->subject));
	if (r == 0)
		r = copy_blob(statement, ret_entry, ret_blob);
	ret_entry->id = store_column_u64(statement, 0);
	ret_entry->op = store_column_u32(statement, 1);
	store_read_end(store, statement);
	return r;
}

int journal_each(struct store *store,
		 int (*visit)(void *context, const struct journal_entry *entry),
		 void *context)
{
	struct journal_entry entry = { 0 };
	int r;

	for (;;) {
		SCOPED(free_pointer) void *blob = NULL;

		r = read_entry(store, entry.id, &entry, &blob);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		r = visit(context, &entry);
		if (r != 0)
			return r;
	}
}
