/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "supervisor/store/store_sql.h"

/* "Bulk" */
#define APPLICATION_ID 0x42756c6b

/*
 * upgrades[N] takes a store from version N to N + 1; a new store is version 0.
 * What has been released is never edited: append.
 */
/* clang-format off */
static const char *const upgrades[] = {
	"CREATE TABLE partition("
	" name TEXT PRIMARY KEY,"
	" definition_version INTEGER NOT NULL,"
	" definition BLOB NOT NULL,"
	" state INTEGER NOT NULL,"
	" before_save INTEGER NOT NULL,"
	" restarts INTEGER NOT NULL,"
	" defined_us INTEGER NOT NULL,"
	" started_us INTEGER NOT NULL,"
	" reason TEXT NOT NULL) STRICT;"

	"CREATE TABLE attachment("
	" id INTEGER PRIMARY KEY,"
	" partition TEXT NOT NULL REFERENCES partition(name),"
	" name TEXT NOT NULL,"
	" service TEXT NOT NULL,"
	" file TEXT NOT NULL,"
	" device INTEGER NOT NULL,"
	" inode INTEGER NOT NULL,"
	" size_bytes INTEGER NOT NULL,"
	" is_read_only INTEGER NOT NULL,"
	" is_block_device INTEGER NOT NULL,"
	" is_created INTEGER NOT NULL,"
	" UNIQUE(partition, name)) STRICT;"

	"CREATE TABLE service("
	" name TEXT PRIMARY KEY,"
	" role INTEGER NOT NULL,"
	" standby_count INTEGER NOT NULL,"
	" restarts INTEGER NOT NULL) STRICT;"

	"CREATE TABLE child("
	" instance INTEGER PRIMARY KEY,"
	" start_time INTEGER NOT NULL,"
	" generation INTEGER NOT NULL,"
	" pid INTEGER NOT NULL,"
	" role INTEGER NOT NULL,"
	" uid INTEGER NOT NULL,"
	" is_standby INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" token BLOB NOT NULL,"
	" cgroup TEXT NOT NULL) STRICT;"

	"CREATE TABLE event("
	" sequence INTEGER PRIMARY KEY,"
	" time_us INTEGER NOT NULL,"
	" level INTEGER NOT NULL,"
	" subject TEXT NOT NULL,"
	" text TEXT NOT NULL) STRICT;"

	"CREATE TABLE journal("
	" id INTEGER PRIMARY KEY,"
	" op INTEGER NOT NULL,"
	" subject TEXT NOT NULL UNIQUE REFERENCES partition(name),"
	" blob BLOB NOT NULL) STRICT;"

	"CREATE TABLE counter("
	" id INTEGER PRIMARY KEY,"
	" reserved INTEGER NOT NULL) STRICT;",

	"ALTER TABLE partition ADD COLUMN engine INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE partition ADD COLUMN image_us INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE partition ADD COLUMN image_bytes INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE attachment ADD COLUMN saved_ns INTEGER NOT NULL DEFAULT 0;",

	"CREATE TABLE switch("
	" name TEXT PRIMARY KEY,"
	" id INTEGER NOT NULL UNIQUE,"
	" definition_version INTEGER NOT NULL,"
	" definition BLOB NOT NULL) STRICT;"

	"CREATE TABLE nic("
	" id INTEGER PRIMARY KEY,"
	" partition TEXT NOT NULL REFERENCES partition(name) ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" definition_version INTEGER NOT NULL,"
	" definition BLOB NOT NULL,"
	" UNIQUE(partition, name)) STRICT;",

	"CREATE TABLE mirror("
	" id INTEGER PRIMARY KEY REFERENCES nic(id) ON DELETE CASCADE,"
	" from_id INTEGER NOT NULL,"
	" vid INTEGER NOT NULL) STRICT;",

	"ALTER TABLE partition ADD COLUMN stop_by_ns INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE partition ADD COLUMN is_autostart_due INTEGER NOT NULL"
	" DEFAULT 0;",

	"CREATE TABLE fact("
	" id INTEGER PRIMARY KEY,"
	" value BLOB NOT NULL) STRICT;",
};
/* clang-format on */

_Static_assert(ARRAY_COUNT(upgrades) == STORE_SCHEMA_VERSION,
	       "one upgrade for each version");

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

static int upgrade(struct store *store, int64_t version)
{
	char sql[64];
	int r = run(store, "BEGIN IMMEDIATE");

	for (; r == 0 && version < STORE_SCHEMA_VERSION; version++)
		r = run(store, upgrades[version]);
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
		r = upgrade(store, version);
	if (r < 0)
		return refuse(refusal, r, "state_dir", "%s", store->error);
	return 0;
}
