/* SPDX-License-Identifier: MIT */
/*
 * The store's inside: its statements and the few calls of SQLite that the
 * files store_*.c and journal.c build on. Nobody else includes this.
 *
 * A write is store_write_begin(), binds, store_write_end(). Failed binds are
 * remembered and reported by store_write_end(). A read is store_read_begin(),
 * binds, store_read_row(), columns, store_read_end().
 */
#ifndef SUPERVISOR_STORE_SQL_H
#define SUPERVISOR_STORE_SQL_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/queue.h>

#include "supervisor/store/store.h"
#include "supervisor/store/store_row.h"

/* Those of row types come after the others. */
enum statement {
#define STATEMENT(name, sql) SQL_##name,
#include "supervisor/store/store_statements.def"
#undef STATEMENT
	SQL_ROWS,
	SQL_COUNT = SQL_ROWS + ROW_TYPE_COUNT * ROW_VERB_COUNT,
};
#define SQL_ROW(row, verb) \
	((enum statement)(SQL_ROWS + (row)*ROW_VERB_COUNT + (verb)))

struct counter_record {
	uint64_t id; /* enum store_counter */
	uint64_t reserved;
};

struct fact_record {
	uint64_t id; /* enum store_fact */
	struct store_blob value;
};

/* Numbers next to last are reserved on disk. */
struct counter {
	uint64_t next;
	uint64_t last;
	uint64_t last_on_disk; /* as committed */
};

struct deferred;
TAILQ_HEAD(deferred_list, deferred);

struct store {
	/* Of everything that SQLite has, recursive; held through a transaction,
	 * and through a read. The rest belongs to who has the supervisor's
	 * turn (errand.h). */
	pthread_mutex_t lock;
	sqlite3 *database;
	sqlite3_stmt *statements[SQL_COUNT];
	int directory_fd;
	int lock_fd;
	int reserve_fd;       /* a file that is there to be cut */
	bool may_use_reserve; /* by this transaction */
	bool is_ready;        /* schema and counters are known */
	bool is_open;         /* a transaction is */
	bool is_own;          /* and the current write opened it */
	int bind_error;       /* first SQLite code of the binds in progress */
	struct counter counters[STORE_COUNTER_COUNT];
	uint64_t event_count; /* rows */
	uint64_t event_count_on_disk;
	int changed_rows; /* by the last write */
	struct deferred_list deferred;
	struct deferred_list draining; /* written in this transaction */
	bool keeps_states;             /* this one leaves them where they are */
	unsigned deferred_count;       /* in both */
	unsigned state_count;          /* of those, states of partitions */
	uint64_t last_state;           /* number of the last one deferred */
	uint64_t draining_state;       /* as it was when the draining began */
	uint64_t written_state;        /* on disk, with all before it */
	uint64_t dropped_count;
	uint64_t commit_count;
	uint64_t copied_count; /* commits that the copy has */
	char path[PATH_SIZE];  /* of the state directory */
	char error[STORE_ERROR_SIZE];
};

/* Room for the last changes of many partitions, and for a new supervisor. */
#define STORE_RESERVE_BYTES (512u << 10)

/* Give up the room that is kept back. False: there is none. */
bool store_use_reserve(struct store *store);

/*
 * Take the lock on the state directory, which is made when it is missing, and
 * the room that is kept back there. Fills the refusal.
 */
int store_take_directory(struct store *store, const char *state_dir,
			 struct refusal *refusal);

/*
 * Open this file of the directory as the database, and make it a whole store
 * of this release. Fills the refusal.
 *
 * -EUCLEAN  it is damaged
 */
int store_open_file(struct store *store, const char *name,
		    struct refusal *refusal);

/* Is it there, and not empty? */
bool store_has_file(const struct store *store, const char *name);

/* Roll back and close the database. What it has on disk stays so. */
void store_close_file(struct store *store);

/* An empty store without a directory; store_close() frees it. NULL: no memory.*/
struct store *store_new(void);

/* Make the tables of this release. The refusal is filled in on error. */
int store_prepare_schema(struct store *store, struct refusal *refusal);

/* SQLITE_OK when every page and index is whole. */
int store_check_pages(sqlite3 *database);

/* Note the sentence for an SQLite code and return its errno. */
int store_fail(struct store *store, int code);

/*
 * Alone with SQLite. Recursive; who waits steps aside.
 *
 * -EBUSY  the loop asked, which must not wait
 */
int store_lock(struct store *store);
void store_unlock(struct store *store);

int store_write_begin(struct store *store, enum statement which,
		      sqlite3_stmt **ret_statement);
int store_write_end(struct store *store, sqlite3_stmt *statement);
/* The same, but -ENOENT when no row was touched. */
int store_write_end_found(struct store *store, sqlite3_stmt *statement);

int store_read_begin(struct store *store, enum statement which,
		     sqlite3_stmt **ret_statement);
/* 0 with a row; -ENOENT at the end. */
int store_read_row(struct store *store, sqlite3_stmt *statement);
void store_read_end(struct store *store, sqlite3_stmt *statement);

void store_bind_u64(struct store *store, sqlite3_stmt *statement, int index,
		    uint64_t value);
/* Text and blobs stay the caller's until the write or read has ended. */
void store_bind_text(struct store *store, sqlite3_stmt *statement, int index,
		     const char *text);
void store_bind_blob(struct store *store, sqlite3_stmt *statement, int index,
		     const void *blob, size_t bytes);
/* Not so: this one is copied. */
void store_bind_copy(struct store *store, sqlite3_stmt *statement, int index,
		     const void *blob, size_t bytes);

/* Deferred writes and counters, as parts of a transaction (store_deferred.c). */
int store_drain(struct store *store);
void store_drain_committed(struct store *store);
void store_drain_rolled_back(struct store *store);
int store_load_counters(struct store *store);
void store_free_deferred(struct store *store);
/* The first event in the queue with a greater number; NULL: none. */
const struct event_row *store_queued_event(const struct store *store,
					   uint64_t after);

/* Rows of events (store_events.c). */
int store_trim_events(struct store *store);
int store_count_events(struct store *store);

#endif
