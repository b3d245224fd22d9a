/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "supervisor/store/store_sql.h"

/* A child of a dead supervisor holds the lock between its fork and exec. */
#define LOCK_TRIES   50
#define LOCK_WAIT_NS (10 * NS_PER_MS)

#define PATH_BYTES (PATH_SIZE + 32)

static void close_store(struct store **store)
{
	store_close(*store);
}

/* mkdir -p, private to us. */
static int make_directory(const char *path)
{
	char part[PATH_SIZE];
	int r = text_copy(part, sizeof(part), path);

	if (r < 0)
		return r;
	for (char *c = part + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		(void)mkdir(part, 0700);
		*c = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Who may write the directory may replace the store. */
static int check_directory(const char *path, struct refusal *refusal)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return refuse(refusal, -errno, "state_dir", "%s: %s", path,
			      strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return refuse(refusal, -ENOTDIR, "state_dir",
			      "%s is not a directory", path);
	if (status.st_uid != geteuid() || (status.st_mode & 022) != 0)
		return refuse(refusal, -EPERM, "state_dir",
			      "%s must belong to the user that runs bulkheadd "
			      "and be writable by nobody else",
			      path);
	return 0;
}

static int wait_for_lock(int fd)
{
	const struct timespec pause = { .tv_nsec = (long)LOCK_WAIT_NS };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		(void)nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

static int refuse_held(int fd, const char *state_dir, struct refusal *refusal)
{
	char holder[16] = "";
	ssize_t got = pread(fd, holder, sizeof(holder) - 1, 0);

	if (got > 0)
		holder[strcspn(holder, "\n")] = '\0';
	return refuse(refusal, -EBUSY, "state_dir",
		      "%s is in use by another bulkheadd%s%s", state_dir,
		      holder[0] ? ", process " : "", holder);
}

static int take_lock(struct store *store, const char *state_dir,
		     struct refusal *refusal)
{
	char path[PATH_BYTES];
	char holder[16];
	int r;

	(void)snprintf(path, sizeof(path), "%s/lock", state_dir);
	store->lock_fd =
		open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0)
		return refuse(refusal, -errno, "state_dir", "%s: %s", path,
			      strerror(errno));
	r = wait_for_lock(store->lock_fd);
	if (r == -EBUSY)
		return refuse_held(store->lock_fd, state_dir, refusal);
	if (r < 0)
		return refuse(refusal, r, "state_dir", "%s: %s", path,
			      strerror(-r));
	/* For people only; the lock is what counts. */
	(void)snprintf(holder, sizeof(holder), "%d\n", (int)getpid());
	if (ftruncate(store->lock_fd, 0) < 0 ||
	    pwrite(store->lock_fd, holder, strlen(holder), 0) < 0)
		log_warn("%s: %s, going on", path, strerror(errno));
	return 0;
}

/* Where the file system is full, what was kept back is for us: SQLite needs
 * room to open a database that nobody has open. */
static int open_reserve(struct store *store, const char *state_dir)
{
	char path[PATH_BYTES];
	struct statvfs status;

	(void)snprintf(path, sizeof(path), "%s/reserve", state_dir);
	store->reserve_fd =
		open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->reserve_fd < 0)
		return -errno;
	if (fstatvfs(store->reserve_fd, &status) == 0 &&
	    status.f_bavail * status.f_frsize < STORE_RESERVE_BYTES)
		(void)store_use_reserve(store);
	return 0;
}

/* SQLite gives the files beside it the same mode: tokens are for us alone. */
static int make_private(const char *path)
{
	SCOPED(close_fd) int fd = NO_FD;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	return fchmod(fd, 0600) < 0 ? -errno : 0;
}

int store_open_file(struct store *store, const char *name,
		    struct refusal *refusal)
{
	char path[PATH_BYTES];
	int code, r;

	(void)snprintf(path, sizeof(path), "%s/%s", store->path, name);
	r = make_private(path);
	if (r < 0)
		return refuse(refusal, r, "state_dir", "%s: %s", path,
			      strerror(-r));
	/* One thread, one connection: no mutexes. */
	code = sqlite3_open_v2(path, &store->database,
			       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				       SQLITE_OPEN_NOMUTEX |
				       SQLITE_OPEN_NOFOLLOW,
			       NULL);
	if (code != SQLITE_OK)
		return refuse(refusal, store_fail(store, code), "state_dir",
			      "%s: %s", path, sqlite3_errstr(code));
	(void)sqlite3_extended_result_codes(store->database, 1);
	return store_prepare_schema(store, refusal);
}

int store_take_directory(struct store *store, const char *state_dir,
			 struct refusal *refusal)
{
	int r = make_directory(state_dir);

	if (r < 0)
		return refuse(refusal, r, "state_dir", "%s: %s", state_dir,
			      strerror(-r));
	r = check_directory(state_dir, refusal);
	if (r == 0)
		r = take_lock(store, state_dir, refusal);
	if (r < 0)
		return r;
	if (open_reserve(store, state_dir) < 0)
		log_warn("no space can be reserved in %s", state_dir);
	(void)text_copy(store->path, sizeof(store->path), state_dir);
	store->directory_fd =
		open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->directory_fd < 0)
		return refuse(refusal, -errno, "state_dir", "%s: %s", state_dir,
			      strerror(errno));
	return 0;
}

/* An empty one would take the place of what was lost, and then its copy. */
static int check_is_there(struct store *store, struct refusal *refusal)
{
	if (store_has_file(store, STORE_FILE) ||
	    (!store_has_file(store, STORE_COPY) &&
	     !store_has_file(store, STORE_OLD_COPY)))
		return 0;
	return refuse(refusal, -EUCLEAN, "state_dir",
		      "there is no " STORE_FILE
		      ", but a copy of one: " STORE_ADVICE);
}

static int open_all(struct store *store, const char *state_dir,
		    struct refusal *refusal)
{
	int r = store_take_directory(store, state_dir, refusal);

	if (r == 0)
		r = check_is_there(store, refusal);
	if (r == 0)
		r = store_open_file(store, STORE_FILE, refusal);
	if (r < 0)
		return r;
	r = store_load_counters(store);
	if (r == 0)
		r = store_count_events(store);
	if (r == 0)
		r = store_flush_deferred(store);
	if (r < 0)
		return refuse(refusal, r, "state_dir", "%s", store->error);
	return 0;
}

static void name_way_out(struct refusal *refusal)
{
	size_t length = strlen(refusal->text);

	if (!strstr(refusal->text, STORE_ADVICE))
		(void)snprintf(refusal->text + length,
			       sizeof(refusal->text) - length,
			       ": " STORE_ADVICE);
}

/* A walk's visitor may write, and a transaction's writes are locked too. */
static void init_lock(struct store *store)
{
	pthread_mutexattr_t attributes;

	(void)pthread_mutexattr_init(&attributes);
	(void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	(void)pthread_mutex_init(&store->lock, &attributes);
	(void)pthread_mutexattr_destroy(&attributes);
}

struct store *store_new(void)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->directory_fd = NO_FD;
	store->lock_fd = NO_FD;
	store->reserve_fd = NO_FD;
	init_lock(store);
	TAILQ_INIT(&store->deferred);
	TAILQ_INIT(&store->draining);
	return store;
}

int store_open(struct store **ret_store, const char *state_dir,
	       struct refusal *ret_refusal)
{
	SCOPED(close_store) struct store *store = store_new();
	int r;

	if (!store)
		return refuse(ret_refusal, -ENOMEM, "", "out of memory");
	r = open_all(store, state_dir, ret_refusal);
	if (r == -EUCLEAN)
		name_way_out(ret_refusal);
	if (r < 0)
		return r;
	store->is_ready = true;
	*ret_store = store;
	store = NULL;
	return 0;
}

void store_close_file(struct store *store)
{
	if (store->is_open)
		store_rollback(store);
	for (unsigned i = 0; i < SQL_COUNT; i++)
		(void)sqlite3_finalize(store->statements[i]);
	memset(store->statements, 0, sizeof(store->statements));
	(void)sqlite3_close(store->database);
	store->database = NULL;
}

void store_close(struct store *store)
{
	/* Somebody waits for the disk; what is not committed is not needed. */
	if (!store || store_lock(store) < 0)
		return;
	if (store->is_open)
		store_rollback(store);
	if (store->is_ready && store_has_deferred(store))
		(void)store_flush_deferred(store);
	store_free_deferred(store);
	store_close_file(store);
	close_fd(&store->directory_fd);
	close_fd(&store->lock_fd);
	close_fd(&store->reserve_fd);
	store_unlock(store);
	(void)pthread_mutex_destroy(&store->lock);
	free(store);
}
