/* SPDX-License-Identifier: MIT */
#include "supervisor/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static char directory[64];
static struct store *store;
static struct refusal refusal;

static void remove_directory(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

static void open_store(void)
{
	if (!directory[0]) {
		(void)strcpy(directory, "/tmp/store_test_XXXXXX");
		CHECK(mkdtemp(directory) != NULL);
	}
	CHECK_EQ(store_open(&store, directory, &refusal), 0);
}

static void reopen_store(void)
{
	store_close(store);
	open_store();
}

static void close_store(void)
{
	store_close(store);
	store = NULL;
	remove_directory();
}

static struct partition_record make_partition(const char *name)
{
	struct partition_record record = { .restarts = 3,
					   .defined_us = 1ull << 50 };

	(void)text_copy(record.definition.name, NAME_ROOM, name);
	record.definition.cpu_count = 7;
	record.lifecycle.state = PARTITION_UNINSTALLED;
	(void)text_copy(record.reason, sizeof(record.reason), "because");
	return record;
}

static struct attachment_record make_attachment(uint64_t id, const char *name)
{
	struct attachment_record record = { .id = id,
					    .device = UINT64_MAX,
					    .inode = 1ull << 63,
					    .size_bytes = 4096,
					    .is_created = 1 };

	(void)text_copy(record.partition, NAME_ROOM, "web1");
	(void)text_copy(record.name, NAME_ROOM, name);
	(void)text_copy(record.service, NAME_ROOM, "disk0");
	(void)text_copy(record.file, PATH_ROOM, "/srv/a.img");
	return record;
}

static int count_row(void *context, const void *record)
{
	++*(int *)context;
	return 0;
}

static int count_partition(void *context, const struct partition_record *record)
{
	return count_row(context, record);
}

static int count_child(void *context, const struct child_record *record)
{
	return count_row(context, record);
}

static int count_event(void *context, const struct event_row *row)
{
	return count_row(context, row);
}

static int child_count(void)
{
	int count = 0;

	CHECK_EQ(store_each_child(store, count_child, &count), 0);
	return count;
}

static int partition_count(void)
{
	int count = 0;

	CHECK_EQ(store_each_partition(store, count_partition, &count), 0);
	return count;
}

TEST(a_partition_is_found_as_it_was_put)
{
	struct partition_record put = make_partition("web1");
	struct partition_record got;

	open_store();
	CHECK_EQ(store_put_partition(store, &put), 0);
	put.lifecycle.state = PARTITION_RUNNING;
	put.restarts = 9;
	CHECK_EQ(store_put_partition_state(store, &put), 0);
	reopen_store();

	memset(&got, 0, sizeof(got));
	CHECK_EQ(store_get_partition(store, "web1", &got), 0);
	CHECK_EQ(memcmp(&got, &put, sizeof(got)), 0);
	CHECK_EQ(store_get_partition(store, "web2", &got), -ENOENT);
	close_store();
}

TEST(the_state_of_an_unknown_partition_cannot_be_written)
{
	struct partition_record record = make_partition("web1");

	open_store();
	CHECK_EQ(store_put_partition_state(store, &record), -ENOENT);
	CHECK_EQ(store_delete_partition(store, "web1"), -ENOENT);
	close_store();
}

TEST(a_partition_with_attachments_cannot_be_forgotten)
{
	struct partition_record record = make_partition("web1");
	struct attachment_record attachment = make_attachment(5, "root");

	open_store();
	CHECK_EQ(store_put_partition(store, &record), 0);
	CHECK_EQ(store_put_attachment(store, &attachment), 0);
	CHECK_EQ(store_delete_partition(store, "web1"), -EBUSY);

	CHECK_EQ(store_delete_attachments(store, "web1"), 0);
	CHECK_EQ(store_delete_partition(store, "web1"), 0);
	CHECK_EQ(partition_count(), 0);
	close_store();
}

TEST(an_attachment_is_found_as_it_was_put)
{
	struct partition_record partition = make_partition("web1");
	struct attachment_record put = make_attachment(5, "root");
	struct attachment_record got = { 0 };

	open_store();
	CHECK_EQ(store_put_partition(store, &partition), 0);
	CHECK_EQ(store_put_attachment(store, &put), 0);

	CHECK_EQ(store_get_attachment(store, 5, &got), 0);
	CHECK_EQ(memcmp(&got, &put, sizeof(got)), 0);
	CHECK_EQ(store_get_attachment(store, 6, &got), -ENOENT);
	close_store();
}

static int sum_attachment(void *context, const struct attachment_record *record)
{
	*(uint64_t *)context += record->id;
	return 0;
}

TEST(attachments_are_walked_per_partition_or_all)
{
	struct partition_record web1 = make_partition("web1");
	struct partition_record web2 = make_partition("web2");
	struct attachment_record a = make_attachment(1, "root");
	struct attachment_record b = make_attachment(2, "data");
	struct attachment_record c = make_attachment(4, "root");
	uint64_t sum = 0;

	open_store();
	(void)text_copy(c.partition, NAME_ROOM, "web2");
	CHECK_EQ(store_put_partition(store, &web1), 0);
	CHECK_EQ(store_put_partition(store, &web2), 0);
	CHECK_EQ(store_put_attachment(store, &a), 0);
	CHECK_EQ(store_put_attachment(store, &b), 0);
	CHECK_EQ(store_put_attachment(store, &c), 0);

	CHECK_EQ(store_each_attachment(store, "web1", sum_attachment, &sum), 0);
	CHECK_EQ(sum, 3);
	CHECK_EQ(store_each_attachment(store, NULL, sum_attachment, &sum), 0);
	CHECK_EQ(sum, 10);
	close_store();
}

TEST(a_service_is_found_as_it_was_put)
{
	struct service_record put = { .name = "disk0",
				      .role = ROLE_DISK,
				      .standby_count = 1 };
	struct service_record got = { 0 };

	open_store();
	CHECK_EQ(store_put_service(store, &put), 0);
	store_defer_service_restarts(store, "disk0", 12);
	reopen_store();

	CHECK_EQ(store_get_service(store, "disk0", &got), 0);
	CHECK_EQ(got.restarts, 12);
	CHECK_EQ(got.standby_count, 1);
	CHECK_EQ(store_delete_service(store, "disk0"), 0);
	CHECK_EQ(store_get_service(store, "disk0", &got), -ENOENT);
	close_store();
}

static int take_child(void *context, const struct child_record *record)
{
	*(struct child_record *)context = *record;
	return 0;
}

TEST(a_child_is_found_as_it_was_put)
{
	struct child_record put = { .instance = 3,
				    .start_time = UINT64_MAX,
				    .generation = 17,
				    .pid = 4711,
				    .role = ROLE_DISK,
				    .uid = 70000,
				    .is_standby = 1,
				    .name = "disk0",
				    .token = { 0, 1, 255 },
				    .cgroup = "/bulkhead/disk0" };
	struct child_record got = { 0 };

	open_store();
	CHECK_EQ(store_put_child(store, &put), 0);
	reopen_store();

	CHECK_EQ(store_each_child(store, take_child, &got), 0);
	CHECK_EQ(memcmp(&got, &put, sizeof(got)), 0);
	CHECK_EQ(store_delete_child(store, 3), 0);
	CHECK_EQ(child_count(), 0);
	close_store();
}

TEST(a_rolled_back_transaction_leaves_nothing)
{
	struct partition_record record = make_partition("web1");

	open_store();
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_put_partition(store, &record), 0);
	store_rollback(store);
	CHECK_EQ(partition_count(), 0);

	{
		SCOPED(store_scope_end) struct store_scope scope = { 0 };

		CHECK_EQ(store_scope_begin(&scope, store), 0);
		CHECK_EQ(store_put_partition(store, &record), 0);
	}
	CHECK_EQ(partition_count(), 0);
	close_store();
}

TEST(what_is_deferred_is_written_in_order_by_the_next_transaction)
{
	struct child_record child = { .instance = 3, .name = "disk0" };
	struct partition_record record = make_partition("web1");

	open_store();
	store_defer_child(store, &child);
	CHECK(store_has_deferred(store));
	CHECK_EQ(child_count(), 0);
	CHECK_EQ(store_put_partition(store, &record), 0);
	CHECK_EQ(child_count(), 1);
	CHECK(!store_has_deferred(store));

	store_defer_child_gone(store, 3);
	store_defer_child(store, &child);
	store_defer_child_gone(store, 3);
	CHECK_EQ(store_flush_deferred(store), 0);
	CHECK_EQ(child_count(), 0);
	close_store();
}

TEST(what_is_deferred_survives_a_rolled_back_transaction)
{
	struct child_record child = { .instance = 3, .name = "disk0" };

	open_store();
	store_defer_child(store, &child);
	CHECK_EQ(store_begin(store), 0);
	store_rollback(store);
	CHECK_EQ(child_count(), 0);
	CHECK(store_has_deferred(store));

	CHECK_EQ(store_flush_deferred(store), 0);
	CHECK_EQ(child_count(), 1);
	close_store();
}

TEST(a_full_disk_keeps_what_is_deferred_and_is_reported)
{
	struct child_record child = { .instance = 3, .name = "disk0" };

	(void)setenv("BULKHEAD_FAILPOINT", "store.commit.full=fail@2", 1);
	open_store();
	store_defer_child(store, &child);
	CHECK_EQ(store_flush_deferred(store), -ENOSPC);
	CHECK(strstr(store_error(store), "full") != NULL);
	CHECK_EQ(child_count(), 0);

	CHECK_EQ(store_flush_deferred(store), 0);
	CHECK_EQ(child_count(), 1);
	close_store();
}

TEST(the_queue_drops_old_events_before_anything_else)
{
	struct child_record child = { .instance = 3, .name = "disk0" };
	struct event_row row = { .subject = "s", .text = "t" };
	int count = 0;

	open_store();
	store_defer_child(store, &child);
	for (row.sequence = 1; row.sequence <= STORE_DEFERRED_MAX + 10;
	     row.sequence++)
		store_defer_event(store, &row);
	CHECK_EQ(store_flush_deferred(store), 0);

	CHECK_EQ(child_count(), 1);
	CHECK_EQ(store_each_event(store, 0, 5000, count_event, &count), 0);
	CHECK_EQ(count, STORE_DEFERRED_MAX - 1);
	close_store();
}

TEST(numbers_are_never_handed_out_twice)
{
	uint64_t number, last = 0;

	open_store();
	for (int life = 0; life < 3; life++) {
		for (int i = 0; i < 1500; i++) {
			CHECK_EQ(store_next(store, STORE_GENERATION, &number),
				 0);
			CHECK(number > last);
			last = number;
		}
		reopen_store();
	}
	close_store();
}

/* Dies without closing, so that nothing more is reserved. */
static void take_numbers_and_die(void)
{
	uint64_t number;

	open_store();
	CHECK_EQ(store_begin(store), 0);
	for (int i = 0; i < 1500; i++)
		CHECK_EQ(store_next(store, STORE_INSTANCE, &number), 0);
	store_rollback(store);
	CHECK_EQ(store_next(store, STORE_INSTANCE, &number), 0);
	_exit(number == 1501 ? 0 : 1);
}

TEST(numbers_survive_a_rolled_back_reservation_and_a_crash)
{
	uint64_t number;
	pid_t child;
	int status;

	(void)strcpy(directory, "/tmp/store_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	child = fork();
	if (child == 0)
		take_numbers_and_die();
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);

	open_store();
	CHECK_EQ(store_next(store, STORE_INSTANCE, &number), 0);
	CHECK(number > 1501);
	close_store();
}

TEST(taking_numbers_writes_nothing_until_the_idle_loop_has_run)
{
	struct stat before, after;
	char wal[96];
	uint64_t number;

	open_store();
	(void)snprintf(wal, sizeof(wal), "%s/store.db-wal", directory);
	CHECK_EQ(stat(wal, &before), 0);
	for (int i = 0; i < 900; i++)
		CHECK_EQ(store_next(store, STORE_GENERATION, &number), 0);
	CHECK_EQ(stat(wal, &after), 0);

	CHECK_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	CHECK(store_has_deferred(store));
	close_store();
}

TEST(events_beyond_the_bound_are_forgotten)
{
	struct event_row row = { .subject = "s", .text = "t" };
	int count = 0;

	open_store();
	for (row.sequence = 1; row.sequence <= STORE_EVENT_ROWS + 500;
	     row.sequence++) {
		store_defer_event(store, &row);
		if (row.sequence % 500 == 0)
			CHECK_EQ(store_flush_deferred(store), 0);
	}

	CHECK_EQ(store_each_event(store, 0, 100000, count_event, &count), 0);
	CHECK_EQ(count, STORE_EVENT_ROWS);
	CHECK_EQ(store_each_event(store, UINT64_MAX, 9, count_event, &count),
		 0);
	CHECK_EQ(count, STORE_EVENT_ROWS);
	close_store();
}

TEST(a_second_supervisor_on_the_same_state_is_refused)
{
	struct store *second = NULL;
	pid_t child;
	int status;

	open_store();
	child = fork();
	if (child == 0) {
		int r = store_open(&second, directory, &refusal);

		_exit(r == -EBUSY && strstr(refusal.text, "in use") ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);

	CHECK_EQ(status, 0);
	close_store();
}

static void run_sql(const char *sql)
{
	char path[96];
	sqlite3 *database;

	(void)snprintf(path, sizeof(path), "%s/store.db", directory);
	CHECK_EQ(sqlite3_open(path, &database), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
	CHECK_EQ(sqlite3_close(database), SQLITE_OK);
}

static int read_sql(const char *sql)
{
	char path[96];
	sqlite3_stmt *statement;
	sqlite3 *database;
	int value;

	(void)snprintf(path, sizeof(path), "%s/store.db", directory);
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
	open_store();
	store_close(store);
	run_sql("PRAGMA user_version = 99; UPDATE counter SET reserved = 7");
	CHECK_EQ(store_open(&store, directory, &refusal), -EPROTO);
	CHECK(strstr(refusal.text, "version 99") != NULL);
	CHECK_EQ(read_sql("SELECT sum(reserved = 7) FROM counter"),
		 STORE_COUNTER_COUNT);

	run_sql("PRAGMA user_version = 4");
	open_store();
	close_store();
}

TEST(a_store_of_release_0_1_0_is_taken_over)
{
	struct partition_record put = make_partition("web1");
	struct partition_record got;

	open_store();
	CHECK_EQ(store_put_partition(store, &put), 0);
	store_close(store);
	/* As version 1 was. */
	run_sql("DROP TABLE mirror; DROP TABLE nic; DROP TABLE switch;"
		"ALTER TABLE partition DROP COLUMN engine;"
		"ALTER TABLE partition DROP COLUMN image_us;"
		"ALTER TABLE partition DROP COLUMN image_bytes;"
		"ALTER TABLE attachment DROP COLUMN saved_ns;"
		"PRAGMA user_version = 1");
	open_store();
	CHECK_EQ(store_get_partition(store, "web1", &got), 0);
	CHECK_EQ(got.engine, ENGINE_AUTO);
	CHECK_EQ(got.image.saved_us, 0);
	CHECK_EQ(got.restarts, put.restarts);
	store_close(store);
	CHECK_EQ(read_sql("PRAGMA user_version"), STORE_SCHEMA_VERSION);
	remove_directory();
}

static struct nic_record make_nic(uint64_t id, const char *name)
{
	struct nic_record nic = { .id = id, .partition = "web1" };

	(void)text_copy(nic.definition.name, NAME_ROOM, name);
	(void)text_copy(nic.definition.network, NAME_ROOM, "lan");
	nic.definition.pvid = 10;
	return nic;
}

struct seen_nics {
	unsigned count;
	struct nic_record last;
};

static int see_nic(void *context, const struct nic_record *record)
{
	struct seen_nics *seen = context;

	seen->count++;
	seen->last = *record;
	return 0;
}

static struct seen_nics look_at_nics(void)
{
	struct seen_nics seen = { 0 };

	CHECK_EQ(store_each_nic(store, see_nic, &seen), 0);
	return seen;
}

TEST(interfaces_are_kept_and_go_with_their_partition)
{
	struct partition_record partition = make_partition("web1");
	struct nic_record first = make_nic(3, "lan0");
	struct nic_record second = make_nic(7, "lan1");

	struct seen_nics seen;

	open_store();
	CHECK_EQ(store_put_nic(store, &first), -EBUSY);
	CHECK_EQ(store_put_partition(store, &partition), 0);
	CHECK_EQ(store_put_nic(store, &second), 0);
	CHECK_EQ(store_put_nic(store, &first), 0);
	reopen_store();

	seen = look_at_nics();
	CHECK_EQ(seen.count, 2);
	CHECK_EQ(memcmp(&seen.last, &second, sizeof(second)), 0);
	CHECK_EQ(store_delete_nic(store, 7), 0);
	CHECK_EQ(store_delete_nic(store, 7), -ENOENT);
	CHECK_EQ(look_at_nics().count, 1);
	CHECK_EQ(store_delete_partition(store, "web1"), 0);
	CHECK_EQ(look_at_nics().count, 0);
	close_store();
}

static int see_mirror(void *context, const struct mirror_record *record)
{
	struct mirror_record *seen = context;

	*seen = *record;
	return 0;
}

TEST(a_mirror_is_kept_and_goes_with_its_interface)
{
	struct partition_record partition = make_partition("web1");
	struct nic_record nic = make_nic(3, "lan0");
	struct mirror_record put = { .id = 3, .from_id = 9 };
	struct mirror_record got = { 0 };

	open_store();
	CHECK_EQ(store_put_partition(store, &partition), 0);
	CHECK_EQ(store_put_nic(store, &nic), 0);
	CHECK_EQ(store_put_mirror(store, &put), 0);
	put = (struct mirror_record){ .id = 3, .vid = 10 };
	CHECK_EQ(store_put_mirror(store, &put), 0);
	CHECK_EQ(store_put_nic(store, &nic), 0);
	reopen_store();

	CHECK_EQ(store_each_mirror(store, see_mirror, &got), 0);
	CHECK_EQ(memcmp(&put, &got, sizeof(put)), 0);
	CHECK_EQ(store_delete_nic(store, 3), 0);
	got.id = 0;
	CHECK_EQ(store_each_mirror(store, see_mirror, &got), 0);
	CHECK_EQ(got.id, 0);
	close_store();
}

static int see_switch(void *context, const struct switch_record *record)
{
	struct switch_record *seen = context;

	*seen = *record;
	return 0;
}

TEST(a_switch_is_kept_changed_and_forgotten)
{
	struct switch_record put = { .id = 5, .definition.name = "lan" };
	struct switch_record got = { 0 };

	open_store();
	CHECK_EQ(store_put_switch(store, &put), 0);
	put.definition.uplink_kind = UPLINK_PASST;
	CHECK_EQ(store_put_switch(store, &put), 0);
	reopen_store();

	CHECK_EQ(store_each_switch(store, see_switch, &got), 0);
	CHECK_EQ(memcmp(&put, &got, sizeof(put)), 0);
	CHECK_EQ(store_delete_switch(store, "lan"), 0);
	CHECK_EQ(store_delete_switch(store, "lan"), -ENOENT);
	close_store();
}

TEST(a_saved_image_is_recorded_with_the_state)
{
	struct partition_record put = make_partition("web1");
	struct partition_record got;

	open_store();
	CHECK_EQ(store_put_partition(store, &put), 0);
	put.engine = ENGINE_KVM;
	put.image.saved_us = 1ull << 50;
	put.image.bytes = 1ull << 40;
	CHECK_EQ(store_put_partition_state(store, &put), 0);
	reopen_store();

	CHECK_EQ(store_get_partition(store, "web1", &got), 0);
	CHECK_EQ(got.engine, ENGINE_KVM);
	CHECK_EQ(got.image.saved_us, put.image.saved_us);
	CHECK_EQ(got.image.bytes, put.image.bytes);
	close_store();
}

TEST(a_file_that_is_no_store_is_refused)
{
	char path[96];
	FILE *file;

	open_store();
	store_close(store);
	(void)snprintf(path, sizeof(path), "%s/store.db", directory);
	CHECK_EQ(unlink(path), 0);
	run_sql("CREATE TABLE other(x)");
	CHECK_EQ(store_open(&store, directory, &refusal), -EUCLEAN);

	file = fopen(path, "w");
	CHECK(file != NULL);
	for (int i = 0; i < 1000; i++)
		(void)fputs("not a database ", file);
	CHECK_EQ(fclose(file), 0);
	CHECK_EQ(store_open(&store, directory, &refusal), -EUCLEAN);
	remove_directory();
}

TEST(a_damaged_row_is_reported_and_not_believed)
{
	struct partition_record record = make_partition("web1");

	open_store();
	CHECK_EQ(store_put_partition(store, &record), 0);
	store_close(store);
	run_sql("UPDATE partition SET state = 77");
	open_store();
	CHECK_EQ(store_get_partition(store, "web1", &record), -EUCLEAN);
	store_close(store);

	run_sql("UPDATE partition SET state = 1, definition = x'00'");
	open_store();
	CHECK_EQ(store_get_partition(store, "web1", &record), -EUCLEAN);
	close_store();
}

TEST(a_state_directory_that_others_may_write_is_refused)
{
	open_store();
	store_close(store);
	CHECK_EQ(chmod(directory, 0777), 0);

	CHECK_EQ(store_open(&store, directory, &refusal), -EPERM);
	remove_directory();
}

TEST(a_missing_state_directory_is_made_private)
{
	char nested[96];
	struct stat status;

	open_store();
	(void)snprintf(nested, sizeof(nested), "%s/a/b", directory);
	store_close(store);
	CHECK_EQ(store_open(&store, nested, &refusal), 0);

	CHECK_EQ(stat(nested, &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0700);
	(void)strcat(nested, "/store.db");
	CHECK_EQ(stat(nested, &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0600);
	close_store();
}

/*
 * In a process of its own, as failpoints are read once: put a partition and die
 * at the point, or count the partitions with no point.
 */
static int run_elsewhere(const char *point)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct partition_record record = make_partition("web1");

		(void)setenv("BULKHEAD_FAILPOINT", point, 1);
		CHECK_EQ(store_open(&store, directory, &refusal), 0);
		if (point[0])
			CHECK_EQ(store_put_partition(store, &record), 0);
		_exit(partition_count());
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

TEST(a_kill_before_the_commit_leaves_the_old_and_one_after_it_the_new)
{
	(void)strcpy(directory, "/tmp/store_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);

	CHECK_EQ(run_elsewhere("store.commit.before=kill@2"), SIGKILL);
	CHECK_EQ(WEXITSTATUS(run_elsewhere("")), 0);
	CHECK_EQ(run_elsewhere("store.commit.after=kill@2"), SIGKILL);
	CHECK_EQ(WEXITSTATUS(run_elsewhere("")), 1);
	remove_directory();
}
