/* SPDX-License-Identifier: MIT */
/* Which files and directories are a store, and whose. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/harness.h"
#include "store_rig.h"

static struct store_rig rig;

TEST(a_second_supervisor_on_the_same_state_is_refused)
{
	struct store *second = NULL;
	pid_t child;
	int status;

	store_rig_open(&rig);
	child = fork();
	if (child == 0) {
		int r = store_open(&second, rig.directory, &rig.refusal);

		_exit(r == -EBUSY && strstr(rig.refusal.text, "in use") ? 0
									: 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);

	CHECK_EQ(status, 0);
	store_rig_close(&rig);
}

static int read_sql(const char *sql)
{
	char path[96];
	sqlite3_stmt *statement;
	sqlite3 *database;
	int value;

	(void)snprintf(path, sizeof(path), "%s/store.db", rig.directory);
	CHECK_EQ(sqlite3_open(path, &database), SQLITE_OK);
	CHECK_EQ(sqlite3_prepare_v2(database, sql, -1, &statement, NULL),
		 SQLITE_OK);
	CHECK_EQ(sqlite3_step(statement), SQLITE_ROW);
	value = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	CHECK_EQ(sqlite3_close(database), SQLITE_OK);
	return value;
}

TEST(a_store_of_a_newer_release_is_refused_and_left_alone)
{
	store_rig_open(&rig);
	store_close(rig.store);
	store_rig_sql(
		&rig,
		"PRAGMA user_version = 99; UPDATE counter SET reserved = 7");
	CHECK_EQ(store_open(&rig.store, rig.directory, &rig.refusal), -EPROTO);
	CHECK(strstr(rig.refusal.text, "version 99") != NULL);
	CHECK_EQ(read_sql("SELECT sum(reserved = 7) FROM counter"),
		 STORE_COUNTER_COUNT);

	store_rig_sql(&rig, "PRAGMA user_version = 1");
	store_rig_open(&rig);
	store_rig_close(&rig);
}

TEST(a_store_of_an_older_version_is_taken_over)
{
	const struct child_record child = { .instance = 3, .name = "disk0" };
	struct partition_record put = store_rig_partition("web1");
	struct partition_record got;

	put.engine = ENGINE_KVM;
	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &put), 0);
	CHECK_EQ(store_put_child(rig.store, &child), 0);
	store_close(rig.store);
	/* As one before the first might have been. */
	store_rig_sql(&rig, "DROP TABLE mirror; DROP TABLE nic;"
			    "ALTER TABLE partition DROP COLUMN engine;"
			    "ALTER TABLE partition DROP COLUMN reason;"
			    "ALTER TABLE child DROP COLUMN token;"
			    "PRAGMA user_version = 0");
	store_rig_open(&rig);
	CHECK_EQ(store_get_partition(rig.store, "web1", &got), 0);
	CHECK_EQ(got.engine, ENGINE_AUTO);
	CHECK_EQ(got.reason[0], '\0');
	CHECK_EQ(got.restarts, put.restarts);
	CHECK_EQ(store_rig_children(&rig), 1);
	CHECK_EQ(store_put_partition(rig.store, &put), 0);
	store_rig_reopen(&rig);
	CHECK_EQ(store_get_partition(rig.store, "web1", &got), 0);
	CHECK_EQ(got.engine, ENGINE_KVM);
	store_close(rig.store);
	CHECK_EQ(read_sql("PRAGMA user_version"), STORE_SCHEMA_VERSION);
	CHECK_EQ(read_sql("SELECT count(*) FROM mirror, nic"), 0);
	store_rig_remove(&rig);
}

TEST(a_file_that_is_no_store_is_refused)
{
	char path[96];
	FILE *file;

	store_rig_open(&rig);
	store_close(rig.store);
	(void)snprintf(path, sizeof(path), "%s/store.db", rig.directory);
	CHECK_EQ(unlink(path), 0);
	store_rig_sql(&rig, "CREATE TABLE other(x)");
	CHECK_EQ(store_open(&rig.store, rig.directory, &rig.refusal), -EUCLEAN);

	file = fopen(path, "w");
	CHECK(file != NULL);
	for (int i = 0; i < 1000; i++)
		(void)fputs("not a database ", file);
	CHECK_EQ(fclose(file), 0);
	CHECK_EQ(store_open(&rig.store, rig.directory, &rig.refusal), -EUCLEAN);
	store_rig_remove(&rig);
}

TEST(a_state_directory_that_others_may_write_is_refused)
{
	store_rig_open(&rig);
	store_close(rig.store);
	CHECK_EQ(chmod(rig.directory, 0777), 0);

	CHECK_EQ(store_open(&rig.store, rig.directory, &rig.refusal), -EPERM);
	store_rig_remove(&rig);
}

TEST(a_missing_state_directory_is_made_private)
{
	char nested[96];
	struct stat status;

	store_rig_open(&rig);
	(void)snprintf(nested, sizeof(nested), "%s/a/b", rig.directory);
	store_close(rig.store);
	CHECK_EQ(store_open(&rig.store, nested, &rig.refusal), 0);

	CHECK_EQ(stat(nested, &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0700);
	(void)strcat(nested, "/store.db");
	CHECK_EQ(stat(nested, &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0600);
	store_rig_close(&rig);
}
