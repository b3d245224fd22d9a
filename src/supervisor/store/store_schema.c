/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/store/store_sql.h"

/* "Bulk" */
#define APPLICATION_ID 0x42756c6b

static int run(struct store *store, const char *sql)
{
	return store_fail(store,
			  sqlite3_exec(store->database, sql, NULL, NULL, NULL));
}

static int read_number(struct store *store, const char *sql,
		       int64_t *ret_number)
{
	sqlite3_stmt *statement = NULL;
	int code =
		sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		*ret_number = sqlite3_column_int64(statement, 0);
		code = SQLITE_OK;
	}
	(void)sqlite3_finalize(statement);
	return store_fail(store, code);
}

/*
 * Exclusive locking keeps the WAL's index in our own memory and a curious
 * sqlite3 from holding up a commit. The cache is small because the supervisor
 * is (promise 6); its tables are read once, at start. A checkpoint waits for the
 * disk, so it comes seldom.
 */
static int set_up(struct store *store)
{
	return run(store, "PRAGMA locking_mode = EXCLUSIVE;"
			  "PRAGMA cache_size = -512;"
			  "PRAGMA soft_heap_limit = 1048576;"
			  "PRAGMA mmap_size = 0;"
			  "PRAGMA temp_store = MEMORY;"
			  "PRAGMA foreign_keys = ON;"
			  "PRAGMA trusted_schema = OFF;"
			  "PRAGMA journal_mode = WAL;"
			  "PRAGMA synchronous = FULL;"
			  "PRAGMA wal_autocheckpoint = 2048;"
			  "PRAGMA journal_size_limit = 1048576;");
}

/* Does the table have this column; NULL: is there such a table? */
static bool has(struct store *store, const struct row_type *type,
		const char *column)
{
	return sqlite3_table_column_metadata(store->database, "main",
					     type->table, column, NULL, NULL,
					     NULL, NULL, NULL) == SQLITE_OK;
}

static int make_table(struct store *store, const struct row_type *type)
{
	char sql[STORE_SQL_SIZE];

	store_row_create(sql, type);
	return run(store, sql);
}

static int add_columns(struct store *store, const struct row_type *type)
{
	char sql[STORE_SQL_SIZE];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < type->column_count; i++) {
		if (has(store, type, type->columns[i].name))
			continue;
		store_row_add_column(sql, type, &type->columns[i]);
		r = run(store, sql);
	}
	return r;
}

/* From any older version, and from nothing: whatever is not there yet. */
static int upgrade(struct store *store)
{
	char sql[64];
	int r = run(store, "BEGIN IMMEDIATE");

	for (unsigned i = 0; r == 0 && i < ROW_TYPE_COUNT; i++)
		r = has(store, &store_row_types[i], NULL)
			    ? add_columns(store, &store_row_types[i])
			    : make_table(store, &store_row_types[i]);
	(void)snprintf(sql, sizeof(sql),
		       "PRAGMA user_version = %d; PRAGMA application_id = %d;",
		       STORE_SCHEMA_VERSION, APPLICATION_ID);
	if (r == 0)
		r = run(store, sql);
	if (r == 0)
		r = run(store, "COMMIT");
	return r;
}

int store_check_pages(sqlite3 *database)
{
	sqlite3_stmt *statement = NULL;
	const char *text;
	int code = sqlite3_prepare_v2(database, "PRAGMA integrity_check(1)", -1,
				      &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(statement, 0);
		code = text && strcmp(text, "ok") == 0 ? SQLITE_OK
						       : SQLITE_CORRUPT;
	}
	(void)sqlite3_finalize(statement);
	return code;
}

static int check_version(struct store *store, int64_t *ret_version,
			 struct refusal *refusal)
{
	int64_t application = 0;
	int64_t tables = 0;
	int r = read_number(store, "PRAGMA user_version", ret_version);

	if (r == 0)
		r = read_number(store, "PRAGMA application_id", &application);
	if (r == 0)
		r = read_number(store, "SELECT count(*) FROM sqlite_schema",
				&tables);
	if (r < 0)
		return refuse(refusal, r, "state_dir", "%s", store->error);
	if (tables != 0 && application != APPLICATION_ID)
		return refuse(refusal, -EUCLEAN, "state_dir",
			      "store.db is not a store of Bulkhead");
	if (*ret_version > STORE_SCHEMA_VERSION)
		return refuse(refusal, -EPROTO, "state_dir",
			      "the store has version %lld and this release "
			      "knows up to %d: start the newer release",
			      (long long)*ret_version, STORE_SCHEMA_VERSION);
	return 0;
}

int store_prepare_schema(struct store *store, struct refusal *refusal)
{
	int64_t version = 0;
	int r = check_version(store, &version, refusal);

	if (r < 0)
		return r;
	r = set_up(store);
	if (r == 0)
		r = store_fail(store, store_check_pages(store->database));
	if (r == 0 && version < STORE_SCHEMA_VERSION)
		r = upgrade(store);
	if (r < 0)
		return refuse(refusal, r, "state_dir", "%s", store->error);
	return 0;
}
