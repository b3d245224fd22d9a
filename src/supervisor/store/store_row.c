/* SPDX-License-Identifier: MIT */
#include "supervisor/store/store_row.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition/attributes.h"
#include "supervisor/store/store_sql.h"

/* -- statements -- */

static const char *const sql_types[] = {
	[COLUMN_NUMBER] = "INTEGER",  [COLUMN_TEXT] = "TEXT",
	[COLUMN_BYTES] = "BLOB",      [COLUMN_BLOB] = "BLOB",
	[COLUMN_DEFINITION] = "BLOB",
};

static void add(char sql[STORE_SQL_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The row types are ours: what does not fit is seen by the first test. */
static void add(char sql[STORE_SQL_SIZE], const char *format, ...)
{
	size_t length = strlen(sql);
	va_list arguments;
	int added;

	va_start(arguments, format);
	added = vsnprintf(sql + length, STORE_SQL_SIZE - length, format,
			  arguments);
	va_end(arguments);
	assert(added >= 0 && (size_t)added < STORE_SQL_SIZE - length);
}

static void add_names(char sql[STORE_SQL_SIZE], const struct row_type *type)
{
	for (unsigned i = 0; i < type->column_count; i++)
		add(sql, "%s%s", i ? ", " : "", type->columns[i].name);
}

static void add_insert(char sql[STORE_SQL_SIZE], const struct row_type *type)
{
	add(sql, "INSERT INTO %s(", type->table);
	add_names(sql, type);
	add(sql, ") VALUES(?1");
	for (unsigned i = 1; i < type->column_count; i++)
		add(sql, ", ?%u", i + 1);
	add(sql, ") ON CONFLICT(%s) DO ", type->columns[0].name);
}

static bool is_written(const struct column *column, enum row_verb verb)
{
	return verb == ROW_PUT || (verb == ROW_UPDATE && !column->is_fixed);
}

static void add_update(char sql[STORE_SQL_SIZE], const struct row_type *type,
		       enum row_verb verb)
{
	const char *before = " SET ";

	add(sql, "UPDATE %s", verb == ROW_UPDATE ? type->table : "");
	for (unsigned i = 1; i < type->column_count; i++) {
		if (!is_written(&type->columns[i], verb))
			continue;
		add(sql, "%s%s = ?%u", before, type->columns[i].name, i + 1);
		before = ", ";
	}
}

static void add_select(char sql[STORE_SQL_SIZE], const struct row_type *type)
{
	add(sql, "SELECT ");
	add_names(sql, type);
	add(sql, " FROM %s", type->table);
}

void store_row_statement(char sql[STORE_SQL_SIZE], enum store_row row,
			 enum row_verb verb)
{
	const struct row_type *type = &store_row_types[row];
	const char *key = type->columns[0].name;

	sql[0] = '\0';
	if (verb == ROW_PUT)
		add_insert(sql, type);
	if (verb == ROW_PUT || verb == ROW_UPDATE)
		add_update(sql, type, verb);
	else if (verb == ROW_GET || verb == ROW_NEXT)
		add_select(sql, type);
	else
		add(sql, "DELETE FROM %s", type->table);
	if (verb == ROW_NEXT)
		add(sql, " WHERE %s > ?1", key);
	else if (verb != ROW_PUT)
		add(sql, " WHERE %s = ?1",
		    verb == ROW_DELETE_OWNED ? type->owner : key);
	if (verb == ROW_NEXT && type->owner)
		add(sql, " AND (?2 IS NULL OR %s = ?2)", type->owner);
	if (verb == ROW_NEXT)
		add(sql, " ORDER BY %s LIMIT 1", key);
}

static void add_column(char sql[STORE_SQL_SIZE], const struct column *column)
{
	add(sql, "%s %s NOT NULL", column->name, sql_types[column->kind]);
}

void store_row_create(char sql[STORE_SQL_SIZE], const struct row_type *type)
{
	sql[0] = '\0';
	add(sql, "CREATE TABLE %s(", type->table);
	for (unsigned i = 0; i < type->column_count; i++) {
		const struct column *column = &type->columns[i];

		add(sql, "%s\n ", i ? "," : "");
		add_column(sql, column);
		if (i == 0)
			add(sql, " PRIMARY KEY");
		if (column->constraint)
			add(sql, " %s", column->constraint);
	}
	if (type->constraint)
		add(sql, ",\n %s", type->constraint);
	add(sql, ") STRICT");
}

void store_row_add_column(char sql[STORE_SQL_SIZE], const struct row_type *type,
			  const struct column *column)
{
	sql[0] = '\0';
	add(sql, "ALTER TABLE %s ADD COLUMN ", type->table);
	add_column(sql, column);
	if (column->kind == COLUMN_NUMBER)
		add(sql, " DEFAULT 0");
	else if (column->kind == COLUMN_TEXT)
		add(sql, " DEFAULT ''");
	else
		add(sql, " DEFAULT x'%0*d'", 2 * (int)column->bytes, 0);
}

/* -- what they bind -- */

static uint64_t load_number(const struct column *column, const void *member)
{
	uint64_t wide;
	uint32_t narrow;

	if (column->bytes == sizeof(wide)) {
		memcpy(&wide, member, sizeof(wide));
		return wide;
	}
	assert(column->bytes == sizeof(narrow));
	memcpy(&narrow, member, sizeof(narrow));
	return narrow;
}

static bool is_in_range(const struct column *column, uint64_t number)
{
	if (column->most)
		return number <= column->most;
	return column->bytes == sizeof(uint64_t) || number <= UINT32_MAX;
}

/* What is bound stays the caller's until the statement has ended. */
/* A partition's interfaces have rows of their own. */
static void bind_definition(struct store *store, sqlite3_stmt *statement,
			    int index, const struct column *column,
			    const void *member)
{
	struct partition_document whole = { 0 };
	uint8_t stream[ATTRIBUTES_MAX];
	int bytes;

	memcpy(&whole, member, column->bytes);
	bytes = definition_encode(column->definition, &whole, stream,
				  sizeof(stream));
	assert(bytes >= 0);
	store_bind_copy(store, statement, index, stream, (size_t)bytes);
}

static void bind(struct store *store, sqlite3_stmt *statement, int index,
		 const struct column *column, const void *member)
{
	const struct store_blob *blob = member;

	switch (column->kind) {
	case COLUMN_NUMBER:
		assert(is_in_range(column, load_number(column, member)));
		store_bind_u64(store, statement, index,
			       load_number(column, member));
		break;
	case COLUMN_TEXT:
		store_bind_text(store, statement, index, member);
		break;
	case COLUMN_BLOB:
		store_bind_blob(store, statement, index, blob->data,
				blob->bytes);
		break;
	case COLUMN_BYTES:
		store_bind_blob(store, statement, index, member, column->bytes);
		break;
	case COLUMN_DEFINITION:
		bind_definition(store, statement, index, column, member);
		break;
	}
}

/* -- what they read -- */

static int read_number(sqlite3_stmt *statement, int index,
		       const struct column *column, void *member)
{
	uint64_t wide = (uint64_t)sqlite3_column_int64(statement, index);
	uint32_t narrow = (uint32_t)wide;

	if (!is_in_range(column, wide))
		return -EUCLEAN;
	if (column->bytes == sizeof(wide))
		memcpy(member, &wide, sizeof(wide));
	else
		memcpy(member, &narrow, sizeof(narrow));
	return 0;
}

static int read_text(sqlite3_stmt *statement, int index,
		     const struct column *column, char *member)
{
	const char *text = (const char *)sqlite3_column_text(statement, index);
	size_t bytes = (size_t)sqlite3_column_bytes(statement, index);

	if (!text || strlen(text) != bytes ||
	    text_copy(member, column->bytes, text) < 0)
		return -EUCLEAN;
	return 0;
}

static int read_bytes(sqlite3_stmt *statement, int index,
		      const struct column *column, void *member)
{
	const void *bytes = sqlite3_column_blob(statement, index);

	if (!bytes ||
	    (size_t)sqlite3_column_bytes(statement, index) != column->bytes)
		return -EUCLEAN;
	memcpy(member, bytes, column->bytes);
	return 0;
}

static int read_blob(sqlite3_stmt *statement, int index,
		     struct store_blob *ret_blob)
{
	const void *data = sqlite3_column_blob(statement, index);
	size_t bytes = (size_t)sqlite3_column_bytes(statement, index);

	if (!data || bytes > STORE_BLOB_MAX)
		return -EUCLEAN;
	ret_blob->data = malloc(bytes);
	if (!ret_blob->data)
		return -ENOMEM;
	memcpy(ret_blob->data, data, bytes);
	ret_blob->bytes = bytes;
	return 0;
}

static int read_definition(sqlite3_stmt *statement, int index,
			   const struct column *column, void *member)
{
	const void *stream = sqlite3_column_blob(statement, index);
	struct partition_document whole;
	struct refusal refusal;

	if (!stream ||
	    definition_decode(column->definition, stream,
			      (size_t)sqlite3_column_bytes(statement, index),
			      &whole, &refusal) < 0 ||
	    memcmp(&whole, member, NAME_SIZE) != 0)
		return -EUCLEAN;
	memcpy(member, &whole, column->bytes);
	return 0;
}

static int read_column(sqlite3_stmt *statement, int index,
		       const struct column *column, void *member)
{
	switch (column->kind) {
	case COLUMN_NUMBER:
		return read_number(statement, index, column, member);
	case COLUMN_TEXT:
		return read_text(statement, index, column, member);
	case COLUMN_BYTES:
		return read_bytes(statement, index, column, member);
	case COLUMN_BLOB:
		return read_blob(statement, index, member);
	case COLUMN_DEFINITION:
		return read_definition(statement, index, column, member);
	}
	return -EUCLEAN;
}

static int read_record(sqlite3_stmt *statement, const struct row_type *type,
		       void *ret_record)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < type->column_count; i++)
		r = read_column(statement, (int)i, &type->columns[i],
				(char *)ret_record + type->columns[i].offset);
	return r == 0 && type->check ? type->check(ret_record) : r;
}

/* -- one row -- */

static const void *member_of(const struct column *column, const void *record)
{
	return (const char *)record + column->offset;
}

int store_delete(struct store *store, enum store_row row, const void *key)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_ROW(row, ROW_DELETE), &statement);

	if (r < 0)
		return r;
	bind(store, statement, 1, &store_row_types[row].columns[0], key);
	return store_write_end_found(store, statement);
}

int store_write(struct store *store, enum row_verb verb, enum store_row row,
		const void *record)
{
	const struct row_type *type = &store_row_types[row];
	const void *key = member_of(&type->columns[0], record);
	sqlite3_stmt *statement;
	int r;

	if (verb == ROW_DELETE)
		return store_delete(store, row, key);
	r = store_write_begin(store, SQL_ROW(row, verb), &statement);
	if (r < 0)
		return r;
	bind(store, statement, 1, &type->columns[0], key);
	for (unsigned i = 1; i < type->column_count; i++)
		if (is_written(&type->columns[i], verb))
			bind(store, statement, (int)i + 1, &type->columns[i],
			     member_of(&type->columns[i], record));
	return store_write_end_found(store, statement);
}

int store_delete_owned(struct store *store, enum store_row row,
		       const char *owner)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_ROW(row, ROW_DELETE_OWNED),
				  &statement);

	if (r < 0)
		return r;
	store_bind_text(store, statement, 1, owner);
	return store_write_end(store, statement);
}

static int read_one(struct store *store, sqlite3_stmt *statement,
		    const struct row_type *type, void *ret_record)
{
	int r = store_read_row(store, statement);

	if (r == 0)
		r = read_record(statement, type, ret_record);
	if (r == -EUCLEAN)
		(void)store_fail(store, SQLITE_CORRUPT);
	store_read_end(store, statement);
	return r;
}

int store_get(struct store *store, enum store_row row, const void *key,
	      void *ret_record)
{
	const struct row_type *type = &store_row_types[row];
	sqlite3_stmt *statement;
	int r = store_read_begin(store, SQL_ROW(row, ROW_GET), &statement);

	if (r < 0)
		return r;
	bind(store, statement, 1, &type->columns[0], key);
	return read_one(store, statement, type, ret_record);
}

int store_next_row(struct store *store, enum store_row row, const char *owner,
		   void *record)
{
	const struct row_type *type = &store_row_types[row];
	sqlite3_stmt *statement;
	int r = store_read_begin(store, SQL_ROW(row, ROW_NEXT), &statement);

	if (r < 0)
		return r;
	bind(store, statement, 1, &type->columns[0],
	     member_of(&type->columns[0], record));
	if (owner)
		store_bind_text(store, statement, 2, owner);
	return read_one(store, statement, type, record);
}
