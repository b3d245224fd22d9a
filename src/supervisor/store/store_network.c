/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "supervisor/store/store_sql.h"

/* Grows when one of the structs changes; an upgrade converts what is stored. */
#define DEFINITION_VERSION 1

/* -- switches -- */

int store_put_switch(struct store *store, const struct switch_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_SWITCH_PUT, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, record->definition.name);
	store_bind_u64(store, statement, 2, record->id);
	store_bind_u64(store, statement, 3, DEFINITION_VERSION);
	store_bind_blob(store, statement, 4, &record->definition,
			sizeof(record->definition));
	return store_write_end(store, statement);
}

int store_delete_switch(struct store *store, const char *name)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_SWITCH_DELETE, &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, name);
	return store_write_end_found(store, statement);
}

static int column_switch(sqlite3_stmt *statement, void *ret_record)
{
	struct switch_record *ret = ret_record;
	char name[NAME_SIZE];
	int r = store_column_text(statement, 0, name, sizeof(name));

	ret->id = store_column_u64(statement, 1);
	if (r == 0 && store_column_u32(statement, 2) != DEFINITION_VERSION)
		r = -EUCLEAN;
	if (r == 0)
		r = store_column_blob(statement, 3, &ret->definition,
				      sizeof(ret->definition));
	if (r == 0 && memcmp(name, ret->definition.name, NAME_SIZE) != 0)
		r = -EUCLEAN;
	return r;
}

int store_each_switch(struct store *store,
		      int (*visit)(void *context,
				   const struct switch_record *record),
		      void *context)
{
	struct switch_record record = { 0 };
	char after[NAME_SIZE] = "";
	int r;

	for (;;) {
		r = store_read_by_name(store, SQL_SWITCH_NEXT, after,
				       column_switch, &record);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		memcpy(after, record.definition.name, sizeof(after));
		r = visit(context, &record);
		if (r != 0)
			return r;
	}
}

/* -- interfaces -- */

int store_put_nic(struct store *store, const struct nic_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_NIC_PUT, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, record->id);
	store_bind_text(store, statement, 2, record->partition);
	store_bind_text(store, statement, 3, record->definition.name);
	store_bind_u64(store, statement, 4, DEFINITION_VERSION);
	store_bind_blob(store, statement, 5, &record->definition,
			sizeof(record->definition));
	return store_write_end(store, statement);
}

int store_delete_nic(struct store *store, uint64_t id)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_NIC_DELETE, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, id);
	return store_write_end_found(store, statement);
}

static int column_nic(sqlite3_stmt *statement, void *ret_record)
{
	struct nic_record *ret = ret_record;
	char name[NAME_SIZE];
	int r = store_column_text(statement, 1, ret->partition,
				  sizeof(ret->partition));

	ret->id = store_column_u64(statement, 0);
	if (r == 0)
		r = store_column_text(statement, 2, name, sizeof(name));
	if (r == 0 && store_column_u32(statement, 3) != DEFINITION_VERSION)
		r = -EUCLEAN;
	if (r == 0)
		r = store_column_blob(statement, 4, &ret->definition,
				      sizeof(ret->definition));
	if (r == 0 && memcmp(name, ret->definition.name, NAME_SIZE) != 0)
		r = -EUCLEAN;
	return r;
}

int store_each_nic(struct store *store,
		   int (*visit)(void *context, const struct nic_record *record),
		   void *context)
{
	struct nic_record record = { 0 };
	int r;

	for (;;) {
		r = store_read_by_id(store, SQL_NIC_NEXT, record.id, column_nic,
				     &record);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		r = visit(context, &record);
		if (r != 0)
			return r;
	}
}

/* -- mirrors -- */

int store_put_mirror(struct store *store, const struct mirror_record *record)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_MIRROR_PUT, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, record->id);
	store_bind_u64(store, statement, 2, record->from_id);
	store_bind_u64(store, statement, 3, record->vid);
	return store_write_end(store, statement);
}

static int column_mirror(sqlite3_stmt *statement, void *ret_record)
{
	*(struct mirror_record *)ret_record = (struct mirror_record){
		.id = store_column_u64(statement, 0),
		.from_id = store_column_u64(statement, 1),
		.vid = store_column_u32(statement, 2),
	};
	return 0;
}

int store_each_mirror(struct store *store,
		      int (*visit)(void *context,
				   const struct mirror_record *record),
		      void *context)
{
	struct mirror_record record = { 0 };
	int r;

	for (;;) {
		r = store_read_by_id(store, SQL_MIRROR_NEXT, record.id,
				     column_mirror, &record);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		r = visit(context, &record);
		if (r != 0)
			return r;
	}
}
