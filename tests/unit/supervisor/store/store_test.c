/* SPDX-License-Identifier: MIT */
/* Rows of the store, and its transactions. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "store_rig.h"

static struct store_rig rig;

static struct attachment_record make_attachment(uint64_t id, const char *name)
{
	struct attachment_record record = { .id = id,
					    .device = UINT64_MAX,
					    .inode = 1ull << 63,
					    .size_bytes = 4096,
					    .is_created = 1 };

	(void)text_copy(record.partition, NAME_SIZE, "web1");
	(void)text_copy(record.name, NAME_SIZE, name);
	(void)text_copy(record.file, PATH_SIZE, "/srv/a.img");
	return record;
}

TEST(a_partition_is_found_as_it_was_put)
{
	struct partition_record put = store_rig_partition("web1");
	struct partition_record got;

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &put), 0);
	put.lifecycle.state = PARTITION_RUNNING;
	put.restarts = 9;
	put.stop_by_ns = 1ull << 50;
	put.is_autostart_due = true;
	CHECK_EQ(store_put_partition_state(rig.store, &put), 0);
	store_rig_reopen(&rig);

	memset(&got, 0, sizeof(got));
	CHECK_EQ(store_get_partition(rig.store, "web1", &got), 0);
	CHECK_EQ(memcmp(&got, &put, sizeof(got)), 0);
	CHECK_EQ(store_get_partition(rig.store, "web2", &got), -ENOENT);
	store_rig_close(&rig);
}

TEST(the_state_of_an_unknown_partition_cannot_be_written)
{
	struct partition_record record = store_rig_partition("web1");

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition_state(rig.store, &record), -ENOENT);
	CHECK_EQ(store_delete_partition(rig.store, "web1"), -ENOENT);
	store_rig_close(&rig);
}

TEST(a_partition_with_attachments_cannot_be_forgotten)
{
	struct partition_record record = store_rig_partition("web1");
	struct attachment_record attachment = make_attachment(5, "root");

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &record), 0);
	CHECK_EQ(store_put_attachment(rig.store, &attachment), 0);
	CHECK_EQ(store_delete_partition(rig.store, "web1"), -EBUSY);

	CHECK_EQ(store_delete_attachments(rig.store, "web1"), 0);
	CHECK_EQ(store_delete_partition(rig.store, "web1"), 0);
	CHECK_EQ(store_rig_partitions(&rig), 0);
	store_rig_close(&rig);
}

TEST(an_attachment_is_found_as_it_was_put)
{
	struct partition_record partition = store_rig_partition("web1");
	struct attachment_record put = make_attachment(5, "root");
	struct attachment_record got = { 0 };

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &partition), 0);
	CHECK_EQ(store_put_attachment(rig.store, &put), 0);

	CHECK_EQ(store_get_attachment(rig.store, 5, &got), 0);
	CHECK_EQ(memcmp(&got, &put, sizeof(got)), 0);
	CHECK_EQ(store_get_attachment(rig.store, 6, &got), -ENOENT);
	store_rig_close(&rig);
}

static int sum_attachment(void *context, const struct attachment_record *record)
{
	*(uint64_t *)context += record->id;
	return 0;
}

TEST(attachments_are_walked_per_partition_or_all)
{
	struct partition_record web1 = store_rig_partition("web1");
	struct partition_record web2 = store_rig_partition("web2");
	struct attachment_record a = make_attachment(1, "root");
	struct attachment_record b = make_attachment(2, "data");
	struct attachment_record c = make_attachment(4, "root");
	uint64_t sum = 0;

	store_rig_open(&rig);
	(void)text_copy(c.partition, NAME_SIZE, "web2");
	CHECK_EQ(store_put_partition(rig.store, &web1), 0);
	CHECK_EQ(store_put_partition(rig.store, &web2), 0);
	CHECK_EQ(store_put_attachment(rig.store, &a), 0);
	CHECK_EQ(store_put_attachment(rig.store, &b), 0);
	CHECK_EQ(store_put_attachment(rig.store, &c), 0);

	CHECK_EQ(store_each_attachment(rig.store, "web1", sum_attachment, &sum),
		 0);
	CHECK_EQ(sum, 3);
	CHECK_EQ(store_each_attachment(rig.store, NULL, sum_attachment, &sum),
		 0);
	CHECK_EQ(sum, 10);
	store_rig_close(&rig);
}

static int take_service(void *context, const struct service_record *record)
{
	*(struct service_record *)context = *record;
	return 0;
}

TEST(a_service_is_found_as_it_was_put)
{
	struct service_record put = { .name = "disk0",
				      .role = ROLE_DISK,
				      .standby_count = 1 };
	struct service_record got = { 0 }, none = { 0 };

	store_rig_open(&rig);
	CHECK_EQ(store_put_service(rig.store, &put), 0);
	store_defer_service_restarts(rig.store, "disk0", 12);
	store_rig_reopen(&rig);

	CHECK_EQ(store_each_service(rig.store, take_service, &got), 0);
	CHECK_EQ(got.restarts, 12);
	CHECK_EQ(got.standby_count, 1);
	CHECK_EQ(store_delete_service(rig.store, "disk0"), 0);
	CHECK_EQ(store_each_service(rig.store, take_service, &none), 0);
	CHECK_EQ(none.role, 0);
	store_rig_close(&rig);
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

	store_rig_open(&rig);
	CHECK_EQ(store_put_child(rig.store, &put), 0);
	store_rig_reopen(&rig);

	CHECK_EQ(store_each_child(rig.store, take_child, &got), 0);
	CHECK_EQ(memcmp(&got, &put, sizeof(got)), 0);
	store_rig_close(&rig);
}

TEST(a_rolled_back_transaction_leaves_nothing)
{
	struct partition_record record = store_rig_partition("web1");

	store_rig_open(&rig);
	CHECK_EQ(store_begin(rig.store), 0);
	CHECK_EQ(store_put_partition(rig.store, &record), 0);
	store_rollback(rig.store);
	CHECK_EQ(store_rig_partitions(&rig), 0);

	{
		SCOPED(store_scope_end) struct store_scope scope = { 0 };

		CHECK_EQ(store_scope_begin(&scope, rig.store), 0);
		CHECK_EQ(store_put_partition(rig.store, &record), 0);
	}
	CHECK_EQ(store_rig_partitions(&rig), 0);
	store_rig_close(&rig);
}

TEST(a_saved_image_is_recorded_with_the_state)
{
	struct partition_record put = store_rig_partition("web1");
	struct partition_record got;

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &put), 0);
	put.engine = ENGINE_KVM;
	put.image.saved_us = 1ull << 50;
	put.image.bytes = 1ull << 40;
	CHECK_EQ(store_put_partition_state(rig.store, &put), 0);
	store_rig_reopen(&rig);

	CHECK_EQ(store_get_partition(rig.store, "web1", &got), 0);
	CHECK_EQ(got.engine, ENGINE_KVM);
	CHECK_EQ(got.image.saved_us, put.image.saved_us);
	CHECK_EQ(got.image.bytes, put.image.bytes);
	store_rig_close(&rig);
}

TEST(a_damaged_row_is_reported_and_not_believed)
{
	struct partition_record record = store_rig_partition("web1");

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &record), 0);
	store_close(rig.store);
	store_rig_sql(&rig, "UPDATE partition SET state = 77");
	store_rig_open(&rig);
	CHECK_EQ(store_get_partition(rig.store, "web1", &record), -EUCLEAN);
	store_close(rig.store);

	store_rig_sql(&rig,
		      "UPDATE partition SET state = 1, definition = x'00'");
	store_rig_open(&rig);
	CHECK_EQ(store_get_partition(rig.store, "web1", &record), -EUCLEAN);
	store_rig_close(&rig);
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
		struct partition_record record = store_rig_partition("web1");

		(void)setenv("BULKHEAD_FAILPOINT", point, 1);
		CHECK_EQ(store_open(&rig.store, rig.directory, &rig.refusal),
			 0);
		if (point[0])
			CHECK_EQ(store_put_partition(rig.store, &record), 0);
		_exit(store_rig_partitions(&rig));
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

TEST(a_kill_before_the_commit_leaves_the_old_and_one_after_it_the_new)
{
	store_rig_make_directory(&rig);

	CHECK_EQ(run_elsewhere("store.commit.before=kill@2"), SIGKILL);
	CHECK_EQ(WEXITSTATUS(run_elsewhere("")), 0);
	CHECK_EQ(run_elsewhere("store.commit.after=kill@2"), SIGKILL);
	CHECK_EQ(WEXITSTATUS(run_elsewhere("")), 1);
	store_rig_remove(&rig);
}
