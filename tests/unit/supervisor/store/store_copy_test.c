/* SPDX-License-Identifier: MIT */
/* The store's copy: whole, or the one before. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"
#include "store_rig.h"

static struct store_rig rig;

static char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", rig.directory, name);
	return path;
}

static void put(const char *name)
{
	struct partition_record record = store_rig_partition(name);

	CHECK_EQ(store_put_partition(rig.store, &record), 0);
}

/* Rows of partitions in a file; -1: it is not whole. */
static int count_in(const char *name)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *database;
	int count = -1;

	CHECK_EQ(sqlite3_open(path_of(name), &database), SQLITE_OK);
	(void)sqlite3_prepare_v2(database, "SELECT count(*) FROM partition", -1,
				 &statement, NULL);
	if (sqlite3_step(statement) == SQLITE_ROW)
		count = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(database);
	return count;
}

TEST(a_copy_has_what_was_committed_and_is_for_its_owner_alone)
{
	struct stat status;

	store_rig_open(&rig);
	put("web1");
	CHECK(store_is_ahead(rig.store));
	CHECK_EQ(store_copy(rig.store), 0);

	CHECK(!store_is_ahead(rig.store));
	CHECK_EQ(count_in("store.copy"), 1);
	CHECK_EQ(stat(path_of("store.copy"), &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0600);
	put("web2");
	CHECK(store_is_ahead(rig.store));
	CHECK_EQ(store_copy(rig.store), 0);
	CHECK_EQ(count_in("store.copy"), 2);
	CHECK_EQ(count_in("store.copy.1"), 1);
	store_rig_close(&rig);
}

/* What a full disk does, for this process. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	(void)signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(a_copy_that_finds_no_room_leaves_the_last_one)
{
	store_rig_open(&rig);
	put("web1");
	CHECK_EQ(store_copy(rig.store), 0);
	put("web2");
	limit_files(8192);

	CHECK_EQ(store_copy(rig.store), -EFBIG);

	limit_files(RLIM_INFINITY);
	CHECK_EQ(count_in("store.copy"), 1);
	CHECK_EQ(access(path_of("store.copy.new"), F_OK), -1);
	CHECK_EQ(store_copy(rig.store), 0);
	CHECK_EQ(count_in("store.copy"), 2);
	store_rig_close(&rig);
}

static void overwrite(const char *name)
{
	static const char junk[1024] = "junk";
	struct stat status;
	int fd = open(path_of(name), O_WRONLY);

	CHECK_EQ(fstat(fd, &status), 0);
	for (off_t at = 0; at < status.st_size; at += 4096)
		CHECK(pwrite(fd, junk, sizeof(junk), at) > 0);
	CHECK_EQ(close(fd), 0);
}

TEST(a_damaged_store_does_not_take_the_place_of_its_copy)
{
	store_rig_open(&rig);
	/* More than is kept in memory. */
	CHECK_EQ(store_begin(rig.store), 0);
	for (int i = 0; i < 3000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "web%d", i);
		put(name);
	}
	CHECK_EQ(store_commit(rig.store), 0);
	CHECK_EQ(store_copy(rig.store), 0);
	store_rig_reopen(&rig);
	overwrite("store.db");

	CHECK_EQ(store_copy(rig.store), -EUCLEAN);

	CHECK_EQ(count_in("store.copy"), 3000);
	store_rig_close(&rig);
}
