/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "supervisor/store/store_sql.h"

/* Grows when the struct changes; an upgrade converts what is stored. */
#define DEFINITION_VERSION 1

/* -- partitions -- */

static void bind_state(struct store *store, sqlite3_stmt *statement, int first,
		       const struct partition_record *record)
{
	store_bind_u64(store, statement, first, record->lifecycle.state);
	store_bind_u64(store, statement, first + 1, record->lifecycle.before);
	store_bind_u64(store, statement, first + 2, record->restarts);
	store_bind_u64(store, statement, first + 3, record->defined_us);
	store_bind_u64(store, statement, first + 4, record->started_us);
	store_bind_text(store, statement, first + 5, record->reason);
	store_bind_u64(store, statement, first + 6, record->engine);
	store_bind_u64(store, statement, first + 7, record->image.saved_us);
	store_bind_u64(store, statement, first + 8, record->image.bytes);
	store_bind_u64(store, statement, first + 9, record->stop_by_ns);
	store_bind_u64(store, statement, first + 10, record->is_autostart_due);
}

int store_put_partition(struct store *store,
			const struct partition_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_PARTITION_PUT, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, record->definition.name);
	store_bind_u64(store, statement, 2, DEFINITION_VERSION);
	store_bind_blob(store, statement, 3, &record->definition,
			sizeof(record->definition));
	bind_state(store, statement, 4, record);
	return store_write_end(store, statement);
}

int store_put_partition_state(struct store *store,
			      const struct partition_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_PARTITION_STATE, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, record->definition.name);
	bind_state(store, statement, 2, record);
	return store_write_end_found(store, statement);
}

static int column_partition(sqlite3_stmt *statement, void *ret)
{
	struct partition_record *ret_record = ret;
	char name[NAME_SIZE];
	int r = store_column_text(statement, 0, name, sizeof(name));

	if (r == 0 && store_column_u32(statement, 1) != DEFINITION_VERSION)
		r = -EUCLEAN;
	if (r == 0)
		r = store_column_blob(statement, 2, &ret_record->definition,
				      sizeof(ret_record->definition));
	if (r == 0 && memcmp(name, ret_record->definition.name, NAME_SIZE) != 0)
		r = -EUCLEAN;
	if (r == 0 && lifecycle_load(&ret_record->lifecycle,
				     store_column_u32(statement, 3),
				     store_column_u32(statement, 4)) < 0)
		r = -EUCLEAN;
	ret_record->restarts = store_column_u32(statement, 5);
	ret_record->defined_us = store_column_u64(statement, 6);
	ret_record->started_us = store_column_u64(statement, 7);
	ret_record->engine = store_column_u32(statement, 9);
	ret_record->image.saved_us = store_column_u64(statement, 10);
	ret_record->image.bytes = store_column_u64(statement, 11);
	ret_record->stop_by_ns = store_column_u64(statement, 12);
	ret_record->is_autostart_due = store_column_u32(statement, 13);
	if (r == 0)
		r = store_column_text(statement, 8, ret_record->reason,
				      sizeof(ret_record->reason));
	return r;
}

int store_get_partition(struct store *store, const char *name,
			struct partition_record *ret_record)
{
	return store_read_by_name(store, SQL_PARTITION_GET, name,
				  column_partition, ret_record);
}

int store_delete_partition(struct store *store, const char *name)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_PARTITION_DELETE, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, name);
	return store_write_end_found(store, statement);
}

int store_each_partition(struct store *store,
			 int (*visit)(void *context,
				      const struct partition_record *record),
			 void *context)
{
	struct partition_record record = { 0 };
	char after[NAME_SIZE] = "";
	int r;

	for (;;) {
		r = store_read_by_name(store, SQL_PARTITION_NEXT, after,
				       column_partition, &record);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		memcpy(after, record.definition.name, sizeof(after));
		r = visit(context, &record);
		if (r != 0)
			return r;
	}
}

/* -- single facts -- */

int store_put_fact(struct store *store, enum store_fact fact, const void *value,
		   size_t bytes)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, bytes ? SQL_FACT_PUT : SQL_FACT_DELETE,
				  &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, fact);
	if (bytes)
		store_bind_blob(store, statement, 2, value, bytes);
	return store_write_end(store, statement);
}

int store_get_fact(struct store *store, enum store_fact fact, void *ret_value,
		   size_t bytes)
{
	sqlite3_stmt *statement;
	int r = store_read_begin(store, SQL_FACT_GET, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, fact);
	r = store_read_row(store, statement);
	if (r == 0)
		r = store_column_blob(statement, 0, ret_value, bytes);
	store_read_end(store, statement);
	return r;
}

/* -- attachments -- */

int store_put_attachment(struct store *store,
			 const struct attachment_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_ATTACHMENT_PUT, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, record->id);
	store_bind_text(store, statement, 2, record->partition);
	store_bind_text(store, statement, 3, record->name);
	store_bind_text(store, statement, 4, record->service);
	store_bind_text(store, statement, 5, record->file);
	store_bind_u64(store, statement, 6, record->device);
	store_bind_u64(store, statement, 7, record->inode);
	store_bind_u64(store, statement, 8, record->size_bytes);
	store_bind_u64(store, statement, 9, record->is_read_only);
	store_bind_u64(store, statement, 10, record->is_block_device);
	store_bind_u64(store, statement, 11, record->is_created);
	store_bind_u64(store, statement, 12, record->saved_ns);
	return store_write_end(store, statement);
}

static int column_attachment(sqlite3_stmt *statement, void *ret)
{
	struct attachment_record *ret_record = ret;
	int r = store_column_text(statement, 1, ret_record->partition,
				  sizeof(ret_record->partition));

	if (r == 0)
		r = store_column_text(statement, 2, ret_record->name,
				      sizeof(ret_record->name));
	if (r == 0)
		r = store_column_text(statement, 3, ret_record->service,
				      sizeof(ret_record->service));
	if (r == 0)
		r = store_column_text(statement, 4, ret_record->file,
				      sizeof(ret_record->file));
	ret_record->id = store_column_u64(statement, 0);
	ret_record->device = store_column_u64(statement, 5);
	ret_record->inode = store_column_u64(statement, 6);
	ret_record->size_bytes = store_column_u64(statement, 7);
	ret_record->is_read_only = store_column_u32(statement, 8);
	ret_record->is_block_device = store_column_u32(statement, 9);
	ret_record->is_created = store_column_u32(statement, 10);
	ret_record->saved_ns = store_column_u64(statement, 11);
	return r;
}

/* `partition` is bound only where the statement has a place for it. */
static int read_attachment(struct store *store, enum statement which,
			   uint64_t id, const char *partition,
			   struct attachment_record *ret_record)
{
	sqlite3_stmt *statement;
	int r = store_read_begin(store, which, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, id);
	if (partition)
		store_bind_text(store, statement, 2, partition);
	return store_read_record(store, statement, column_attachment,
				 ret_record);
}

int store_get_attachment(struct store *store, uint64_t id,
			 struct attachment_record *ret_record)
{
	return read_attachment(store, SQL_ATTACHMENT_GET, id, NULL, ret_record);
}

int store_delete_attachments(struct store *store, const char *partition)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_ATTACHMENT_DELETE, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, partition);
	return store_write_end(store, statement);
}

int store_each_attachment(struct store *store, const char *partition,
			  int (*visit)(void *context,
				       const struct attachment_record *record),
			  void *context)
{
	struct attachment_record record = { 0 };
	int r;

	for (;;) {
		r = read_attachment(store, SQL_ATTACHMENT_NEXT, record.id,
				    partition, &record);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		r = visit(context, &record);
		if (r != 0)
			return r;
	}
}

/* -- services -- */

int store_put_service(struct store *store, const struct service_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_SERVICE_PUT, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, record->name);
	store_bind_u64(store, statement, 2, record->role);
	store_bind_u64(store, statement, 3, record->standby_count);
	store_bind_u64(store, statement, 4, record->restarts);
	return store_write_end(store, statement);
}

static int column_service(sqlite3_stmt *statement, void *ret)
{
	struct service_record *ret_record = ret;
	int r = store_column_text(statement, 0, ret_record->name,
				  sizeof(ret_record->name));

	ret_record->role = store_column_u32(statement, 1);
	ret_record->standby_count = store_column_u32(statement, 2);
	ret_record->restarts = store_column_u32(statement, 3);
	return r;
}

int store_get_service(struct store *store, const char *name,
		      struct service_record *ret_record)
{
	return store_read_by_name(store, SQL_SERVICE_GET, name, column_service,
				  ret_record);
}

int store_delete_service(struct store *store, const char *name)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_SERVICE_DELETE, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, name);
	return store_write_end_found(store, statement);
}

int store_each_service(struct store *store,
		       int (*visit)(void *context,
				    const struct service_record *record),
		       void *context)
{
	struct service_record record = { 0 };
	char after[NAME_SIZE] = "";
	int r;

	for (;;) {
		r = store_read_by_name(store, SQL_SERVICE_NEXT, after,
				       column_service, &record);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		memcpy(after, record.name, sizeof(after));
		r = visit(context, &record);
		if (r != 0)
			return r;
	}
}

/* -- children -- */

int store_put_child(struct store *store, const struct child_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_CHILD_PUT, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, record->instance);
	store_bind_u64(store, statement, 2, record->start_time);
	store_bind_u64(store, statement, 3, record->generation);
	store_bind_u64(store, statement, 4, (uint64_t)record->pid);
	store_bind_u64(store, statement, 5, record->role);
	store_bind_u64(store, statement, 6, record->uid);
	store_bind_u64(store, statement, 7, record->is_standby);
	store_bind_text(store, statement, 8, record->name);
	store_bind_blob(store, statement, 9, record->token,
			sizeof(record->token));
	store_bind_text(store, statement, 10, record->cgroup);
	return store_write_end(store, statement);
}

int store_delete_child(struct store *store, uint64_t instance)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_CHILD_DELETE, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, instance);
	return store_write_end(store, statement);
}

static int column_child(sqlite3_stmt *statement, void *ret_record)
{
	struct child_record *ret = ret_record;
	int r = store_column_text(statement, 7, ret->name, sizeof(ret->name));

	if (r == 0)
		r = store_column_blob(statement, 8, ret->token,
				      sizeof(ret->token));
	if (r == 0)
		r = store_column_text(statement, 9, ret->cgroup,
				      sizeof(ret->cgroup));
	ret->instance = store_column_u64(statement, 0);
	ret->start_time = store_column_u64(statement, 1);
	ret->generation = store_column_u64(statement, 2);
	ret->pid = (int32_t)store_column_u64(statement, 3);
	ret->role = store_column_u32(statement, 4);
	ret->uid = store_column_u32(statement, 5);
	ret->is_standby = store_column_u32(statement, 6);
	return r;
}

int store_each_child(struct store *store,
		     int (*visit)(void *context,
				  const struct child_record *record),
		     void *context)
{
	struct child_record record = { 0 };
	int r;

	for (;;) {
		r = store_read_by_id(store, SQL_CHILD_NEXT, record.instance,
				     column_child, &record);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		r = visit(context, &record);
		if (r != 0)
			return r;
	}
}
