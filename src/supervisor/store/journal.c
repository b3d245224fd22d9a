/* SPDX-License-Identifier: MIT */
#include "supervisor/store/journal.h"

#include <errno.h>
#include <stdlib.h>

#include "supervisor/store/store_sql.h"

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
	struct journal_entry entry = { .op = op,
				       .blob = { (void *)blob, blob_bytes } };
	int r = text_copy(entry.subject, sizeof(entry.subject), subject);

	if (r == 0)
		r = store_next(store, STORE_INTENT, &entry.id);
	if (r == 0)
		r = store_write(store, ROW_PUT, ROW_JOURNAL, &entry);
	if (r == 0)
		*ret_id = entry.id;
	return r;
}

int journal_update(struct store *store, uint64_t id, const void *blob,
		   size_t blob_bytes)
{
	const struct journal_entry entry = {
		.id = id, .blob = { (void *)blob, blob_bytes }
	};

	return store_write(store, ROW_UPDATE, ROW_JOURNAL, &entry);
}

int journal_end(struct store *store, uint64_t id)
{
	return store_delete(store, ROW_JOURNAL, &id);
}

int journal_each(struct store *store,
		 int (*visit)(void *context, const struct journal_entry *entry),
		 void *context)
{
	struct journal_entry entry = { 0 };
	int r;

	while ((r = store_next_row(store, ROW_JOURNAL, NULL, &entry)) == 0) {
		r = visit(context, &entry);
		free(entry.blob.data);
		if (r != 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}
