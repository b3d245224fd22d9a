/* SPDX-License-Identifier: MIT */
#include "supervisor/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "supervisor/errand/errand.h"
#include "supervisor/store/store_sql.h"

static const char *const texts[SQL_ROWS] = {
#define STATEMENT(name, sql) [SQL_##name] = (sql),
#include "supervisor/store/store_statements.def"
#undef STATEMENT
};

static int errno_of(struct store *store, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_CONSTRAINT:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_IOERR:
		return store->database && sqlite3_system_errno(
						  store->database) == EDQUOT
			       ? -ENOSPC
			       : -EIO;
	default:
		return -EIO;
	}
}

int store_fail(struct store *store, int code)
{
	if (code != SQLITE_OK)
		(void)snprintf(store->error, sizeof(store->error),
			       "the store: %s", sqlite3_errstr(code));
	return errno_of(store, code);
}

const char *store_error(const struct store *store)
{
	return store->error;
}

int store_refuse(const struct store *store, int error, struct refusal *refusal)
{
	return refuse(refusal, error, "", "the store cannot be used: %s",
		      store->error);
}

int store_lock(struct store *store)
{
	int r = errand_lock(&store->lock);

	return r < 0 ? store_fail(store, SQLITE_BUSY) : 0;
}

void store_unlock(struct store *store)
{
	(void)pthread_mutex_unlock(&store->lock);
}

static int prepare(struct store *store, enum statement which,
		   sqlite3_stmt **ret_statement)
{
	unsigned of_row = (unsigned)which - SQL_ROWS;
	char sql[STORE_SQL_SIZE];

	if (which >= SQL_ROWS)
		store_row_statement(sql,
				    (enum store_row)(of_row / ROW_VERB_COUNT),
				    (enum row_verb)(of_row % ROW_VERB_COUNT));
	return store_fail(store, sqlite3_prepare_v3(
					 store->database,
					 which >= SQL_ROWS ? sql : texts[which],
					 -1, SQLITE_PREPARE_PERSISTENT,
					 ret_statement, NULL));
}

static int find_statement(struct store *store, enum statement which,
			  sqlite3_stmt **ret_statement)
{
	sqlite3_stmt **cached = &store->statements[which];
	int r = *cached ? 0 : prepare(store, which, cached);

	*ret_statement = *cached;
	return r;
}

static void reset(sqlite3_stmt *statement)
{
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
}

static int step_once(struct store *store, enum statement which)
{
	sqlite3_stmt *statement;
	int r = find_statement(store, which, &statement);
	int code;

	if (r < 0)
		return r;
	code = sqlite3_step(statement);
	reset(statement);
	return code == SQLITE_DONE ? 0 : store_fail(store, code);
}

int store_begin(struct store *store)
{
	int r = store_lock(store);

	if (r < 0)
		return r;
	r = step_once(store, SQL_BEGIN);
	if (r < 0) {
		store_unlock(store);
		return r;
	}
	store->is_open = true;
	r = store_drain(store);
	if (r < 0)
		store_rollback(store);
	return r;
}

bool store_use_reserve(struct store *store)
{
	struct stat status;

	return fstat(store->reserve_fd, &status) == 0 && status.st_size > 0 &&
	       ftruncate(store->reserve_fd, 0) == 0;
}

/* A full disk leaves the transaction as it was, to be tried again. */
static bool has_room_again(struct store *store, int code)
{
	return (code & 0xff) == SQLITE_FULL && store->may_use_reserve &&
	       !sqlite3_get_autocommit(store->database) &&
	       store_use_reserve(store);
}

/* The one step that waits for the disk. */
static int commit(struct store *store)
{
	sqlite3_stmt *statement;
	int r = find_statement(store, SQL_COMMIT, &statement);
	int code;

	if (r < 0)
		return r;
	if (failpoint("store.commit.full"))
		return store_fail(store, SQLITE_FULL);
	errand_step_aside();
	(void)failpoint("store.commit.before");
	code = sqlite3_step(statement);
	reset(statement);
	if (has_room_again(store, code)) {
		code = sqlite3_step(statement);
		reset(statement);
	}
	errand_step_back();
	return code == SQLITE_DONE ? 0 : store_fail(store, code);
}

int store_commit(struct store *store)
{
	int r = commit(store);

	if (r < 0) {
		store_rollback(store);
		return r;
	}
	store->is_open = false;
	store_drain_committed(store);
	store_unlock(store);
	(void)failpoint("store.commit.after");
	return 0;
}

void store_rollback(struct store *store)
{
	/* A full disk may have rolled back already; then this fails. */
	if (!sqlite3_get_autocommit(store->database)) {
		char error[sizeof(store->error)];

		memcpy(error, store->error, sizeof(error));
		(void)step_once(store, SQL_ROLLBACK);
		memcpy(store->error, error, sizeof(error));
	}
	store->is_open = false;
	store_drain_rolled_back(store);
	store_unlock(store);
}

int store_scope_begin(struct store_scope *scope, struct store *store)
{
	int r = store_begin(store);

	scope->store = r < 0 ? NULL : store;
	return r;
}

int store_scope_commit(struct store_scope *scope)
{
	struct store *store = scope->store;

	scope->store = NULL;
	return store_commit(store);
}

void store_scope_end(struct store_scope *scope)
{
	if (scope->store)
		store_rollback(scope->store);
	scope->store = NULL;
}

int store_write_begin(struct store *store, enum statement which,
		      sqlite3_stmt **ret_statement)
{
	bool is_own;
	int r = store_lock(store);

	if (r < 0)
		return r;
	is_own = !store->is_open;
	r = is_own ? store_begin(store) : 0;
	if (r < 0) {
		store_unlock(store);
		return r;
	}
	/* Set last: draining makes writes of its own. */
	store->is_own = is_own;
	store->bind_error = SQLITE_OK;
	r = find_statement(store, which, ret_statement);
	if (r == 0)
		return 0;
	if (is_own)
		store_rollback(store);
	store_unlock(store);
	return r;
}

static int step_write(struct store *store, sqlite3_stmt *statement)
{
	int code = store->bind_error;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	store->changed_rows = sqlite3_changes(store->database);
	reset(statement);
	return code == SQLITE_DONE ? 0 : store_fail(store, code);
}

int store_write_end(struct store *store, sqlite3_stmt *statement)
{
	bool is_own = store->is_own;
	int r = step_write(store, statement);

	store->is_own = false;
	if (is_own && r == 0)
		r = store_commit(store);
	else if (is_own)
		store_rollback(store);
	store_unlock(store);
	return r;
}

int store_write_end_found(struct store *store, sqlite3_stmt *statement)
{
	int r = store_write_end(store, statement);

	return r == 0 && store->changed_rows == 0 ? -ENOENT : r;
}

int store_read_begin(struct store *store, enum statement which,
		     sqlite3_stmt **ret_statement)
{
	int r = store_lock(store);

	if (r < 0)
		return r;
	store->bind_error = SQLITE_OK;
	r = find_statement(store, which, ret_statement);
	if (r < 0)
		store_unlock(store);
	return r;
}

int store_read_row(struct store *store, sqlite3_stmt *statement)
{
	int code = store->bind_error;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		return 0;
	return code == SQLITE_DONE ? -ENOENT : store_fail(store, code);
}

void store_read_end(struct store *store, sqlite3_stmt *statement)
{
	reset(statement);
	store_unlock(store);
}

static void note_bind(struct store *store, int code)
{
	if (store->bind_error == SQLITE_OK)
		store->bind_error = code;
}

void store_bind_u64(struct store *store, sqlite3_stmt *statement, int index,
		    uint64_t value)
{
	note_bind(store, sqlite3_bind_int64(statement, index, (int64_t)value));
}

void store_bind_text(struct store *store, sqlite3_stmt *statement, int index,
		     const char *text)
{
	note_bind(store,
		  sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC));
}

void store_bind_copy(struct store *store, sqlite3_stmt *statement, int index,
		     const void *blob, size_t bytes)
{
	note_bind(store, sqlite3_bind_blob64(statement, index, blob, bytes,
					     SQLITE_TRANSIENT));
}

void store_bind_blob(struct store *store, sqlite3_stmt *statement, int index,
		     const void *blob, size_t bytes)
{
	note_bind(store, sqlite3_bind_blob64(statement, index, blob, bytes,
					     SQLITE_STATIC));
}
