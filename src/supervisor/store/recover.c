/* SPDX-License-Identifier: MIT */
#include "supervisor/store/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>

#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/store/store_sql.h"

#define NEW_STORE "store.new"
#define WAL       "-wal"
/* More numbers than were ever given out between a copy and its use. */
#define NUMBERS_SKIPPED (1ull << 32)
#define TIME_SIZE       32

struct recovery {
	struct store *store;
	void (*say)(const char *sentence);
	struct refusal *refusal;
	char time[TIME_SIZE]; /* of the copy */
	char now[TIME_SIZE];  /* for the name of what was damaged */
};

static void close_store(struct store **store)
{
	store_close(*store);
}

/* An event as well, once there is a store to hold it. */
static void tell(struct recovery *recovery, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(struct recovery *recovery, const char *format, ...)
{
	struct event_row row = { .level = EVENT_WARNING,
				 .subject = "supervisor" };
	struct timespec now;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(row.text, sizeof(row.text), format, arguments);
	va_end(arguments);
	recovery->say(row.text);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	row.time_us = (uint64_t)now.tv_sec * 1000000;
	if (recovery->store->database &&
	    store_next(recovery->store, STORE_EVENT, &row.sequence) == 0)
		store_defer_event(recovery->store, &row);
}

static int refuse_file(struct recovery *recovery, const char *name)
{
	int r = errno;

	return refuse(recovery->refusal, -r, "state_dir", "%.80s/%s: %s",
		      recovery->store->path, name, strerror(r));
}

/* For a file's name: 20260131T235959Z. */
static void format_time(char to[TIME_SIZE], time_t seconds)
{
	struct tm parts;

	(void)gmtime_r(&seconds, &parts);
	(void)strftime(to, TIME_SIZE, "%Y%m%dT%H%M%SZ", &parts);
}

static int count_row(void *context, const struct partition_record *record)
{
	++*(unsigned *)context;
	return 0;
}

/* Opens it as it is; what its WAL holds stays there. */
static int check_store(struct recovery *recovery, const char *name)
{
	struct store *store = recovery->store;
	int r = store_open_file(store, name, recovery->refusal);
	unsigned count = 0;

	if (r == 0)
		r = store_each_partition(store, count_row, &count);
	if (store->database)
		(void)sqlite3_db_config(store->database,
					SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
					NULL);
	return r;
}

static int copy_bytes(int from, int to)
{
	ssize_t sent;

	do
		sent = sendfile(to, from, NULL, 1u << 20);
	while (sent > 0);
	return sent < 0 || fdatasync(to) < 0 ? -errno : 0;
}

/* The copy stays a copy. */
static int duplicate(struct recovery *recovery, const char *name)
{
	int directory = recovery->store->directory_fd;
	SCOPED(close_fd) int from = NO_FD;
	SCOPED(close_fd) int to = NO_FD;
	struct stat status;

	(void)unlinkat(directory, NEW_STORE, 0);
	(void)unlinkat(directory, NEW_STORE WAL, 0);
	from = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0 || fstat(from, &status) < 0)
		return refuse_file(recovery, name);
	format_time(recovery->time, status.st_mtime);
	to = openat(directory, NEW_STORE,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0 || copy_bytes(from, to) < 0)
		return refuse_file(recovery, NEW_STORE);
	return 0;
}

static int take_copy(struct recovery *recovery, const char *name)
{
	int r;

	if (!store_has_file(recovery->store, name))
		return -ENOENT;
	r = duplicate(recovery, name);
	if (r == 0)
		r = store_open_file(recovery->store, NEW_STORE,
				    recovery->refusal);
	if (r == 0)
		r = store_load_counters(recovery->store);
	if (r == 0)
		return 0;
	store_close_file(recovery->store);
	if (r != -EUCLEAN)
		return r;
	tell(recovery, "%s is damaged as well: skipped", name);
	return -ENOENT;
}

static int find_copy(struct recovery *recovery, const char **ret_name)
{
	static const char *const names[] = { STORE_COPY, STORE_OLD_COPY };
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < 2; i++) {
		*ret_name = names[i];
		r = take_copy(recovery, names[i]);
	}
	return r == -ENOENT ? refuse(recovery->refusal, r, "state_dir",
				     "there is no intact copy of the store; "
				     "with " STORE_FILE " and its copies moved "
				     "away a new one begins, and what runs is "
				     "kept")
			    : r;
}

static int skip_numbers(struct store *store)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_COUNTER_SKIP, &statement);

	if (r < 0)
		return r;
	store_bind_u64(store, statement, 1, NUMBERS_SKIPPED);
	r = store_write_end(store, statement);
	return r < 0 ? r : store_load_counters(store);
}

static int forget_intents(struct store *store, int *ret_count)
{
	sqlite3_stmt *statement;
	int r = store_write_begin(store, SQL_JOURNAL_FORGET, &statement);

	if (r == 0)
		r = store_write_end(store, statement);
	*ret_count = store->changed_rows;
	return r;
}

static int amend(struct recovery *recovery, const char *name)
{
	struct store *store = recovery->store;
	const uint8_t is_recovered = 1;
	unsigned partitions = 0;
	int intents = 0;
	int r = skip_numbers(store);

	if (r == 0)
		r = forget_intents(store, &intents);
	if (r == 0)
		r = store_put_fact(store, STORE_IS_RECOVERED, &is_recovered,
				   sizeof(is_recovered));
	if (r == 0)
		r = store_each_partition(store, count_row, &partitions);
	if (r < 0)
		return r;
	tell(recovery,
	     "took the store's copy %s of %s, with %u partitions: changes "
	     "after that are not known",
	     name, recovery->time, partitions);
	if (intents)
		tell(recovery,
		     "%d installs or uninstalls were in progress in it: their "
		     "images are left as they are",
		     intents);
	return store_flush_deferred(store);
}

static int set_aside(struct recovery *recovery, const char *name,
		     const char *suffix)
{
	int directory = recovery->store->directory_fd;
	char from[64], to[64];

	(void)snprintf(from, sizeof(from), "%s%s", name, suffix);
	(void)snprintf(to, sizeof(to), "%s.damaged-%s%s", name, recovery->now,
		       suffix);
	if (renameat(directory, from, directory, to) == 0 || errno == ENOENT)
		return 0;
	return refuse_file(recovery, from);
}

/* Without a store there are its copies: a kill between two of these is
 * followed by another recovery. */
static int replace(struct recovery *recovery)
{
	int directory = recovery->store->directory_fd;
	int r = set_aside(recovery, STORE_FILE, "");

	(void)failpoint("recover.aside");
	if (r == 0)
		r = set_aside(recovery, STORE_FILE, WAL);
	if (r < 0)
		return r;
	if (renameat(directory, NEW_STORE, directory, STORE_FILE) < 0 ||
	    fsync(directory) < 0)
		return refuse_file(recovery, NEW_STORE);
	return 0;
}

static int recover(struct recovery *recovery)
{
	struct store *store = recovery->store;
	bool was_there = store_has_file(store, STORE_FILE);
	const char *name = "";
	int r = find_copy(recovery, &name);

	if (r < 0)
		return r;
	r = amend(recovery, name);
	if (r == 0 && was_there)
		tell(recovery, "the damaged store is kept as %s.damaged-%s",
		     STORE_FILE, recovery->now);
	if (r == 0)
		r = store_flush_deferred(store);
	/* The last to close it leaves no WAL behind. */
	store_close_file(store);
	if (r == 0 && store_has_file(store, NEW_STORE WAL))
		r = -EIO;
	if (r < 0)
		return refuse(recovery->refusal, r, "state_dir", "%s",
			      store->error);
	return replace(recovery);
}

int store_recover(const char *state_dir, void (*say)(const char *sentence),
		  struct refusal *refusal)
{
	SCOPED(close_store) struct store *store = store_new();
	struct recovery recovery = { store, say, refusal, "", "" };
	int r = -EUCLEAN;

	if (!store)
		return refuse(refusal, -ENOMEM, "", "out of memory");
	format_time(recovery.now, time(NULL));
	r = store_take_directory(store, state_dir, refusal);
	if (r < 0)
		return r;
	if (!store_has_file(store, STORE_FILE))
		return recover(&recovery);
	r = check_store(&recovery, STORE_FILE);
	store_close_file(store);
	if (r == 0)
		say("the store is intact: nothing was changed");
	return r == -EUCLEAN ? recover(&recovery) : r;
}
