/* SPDX-License-Identifier: MIT */
/* What the store writes later: deferred rows, events, and numbers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/harness.h"
#include "store_rig.h"

static struct store_rig rig;

TEST(what_is_deferred_is_written_in_order_by_the_next_transaction)
{
	struct child_record child = { .instance = 3, .name = "disk0" };
	struct partition_record record = store_rig_partition("web1");

	store_rig_open(&rig);
	store_defer_child(rig.store, &child);
	CHECK(store_has_deferred(rig.store));
	CHECK_EQ(store_rig_children(&rig), 0);
	CHECK_EQ(store_put_partition(rig.store, &record), 0);
	CHECK_EQ(store_rig_children(&rig), 1);
	CHECK(!store_has_deferred(rig.store));

	store_defer_child_gone(rig.store, 3);
	store_defer_child(rig.store, &child);
	store_defer_child_gone(rig.store, 3);
	CHECK_EQ(store_flush_deferred(rig.store), 0);
	CHECK_EQ(store_rig_children(&rig), 0);
	store_rig_close(&rig);
}

TEST(the_rest_is_written_without_the_states_and_those_with_everything)
{
	struct child_record child = { .instance = 3, .name = "disk0" };
	struct partition_record record = store_rig_partition("web1");

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &record), 0);
	CHECK_EQ(store_defer_state(rig.store, &record), 0);
	store_defer_child(rig.store, &child);
	CHECK_EQ(store_flush_but_states(rig.store), 0);
	CHECK_EQ(store_rig_children(&rig), 1);
	CHECK(!store_is_written(rig.store, store_last_state(rig.store)));
	CHECK(store_has_state(rig.store) && !store_has_deferred(rig.store));

	CHECK_EQ(store_put_service(rig.store,
				   &(struct service_record){ .name = "x" }),
		 0);
	CHECK(store_is_written(rig.store, store_last_state(rig.store)));
	CHECK(!store_has_state(rig.store));
	store_rig_close(&rig);
}

TEST(what_is_deferred_survives_a_rolled_back_transaction)
{
	struct child_record child = { .instance = 3, .name = "disk0" };

	store_rig_open(&rig);
	store_defer_child(rig.store, &child);
	CHECK_EQ(store_begin(rig.store), 0);
	store_rollback(rig.store);
	CHECK_EQ(store_rig_children(&rig), 0);
	CHECK(store_has_deferred(rig.store));

	CHECK_EQ(store_flush_deferred(rig.store), 0);
	CHECK_EQ(store_rig_children(&rig), 1);
	store_rig_close(&rig);
}

TEST(a_full_disk_keeps_what_is_deferred_and_is_reported)
{
	struct child_record child = { .instance = 3, .name = "disk0" };

	(void)setenv("BULKHEAD_FAILPOINT", "store.commit.full=fail@2", 1);
	store_rig_open(&rig);
	store_defer_child(rig.store, &child);
	CHECK_EQ(store_flush_deferred(rig.store), -ENOSPC);
	CHECK(strstr(store_error(rig.store), "full") != NULL);
	CHECK_EQ(store_rig_children(&rig), 0);

	CHECK_EQ(store_flush_deferred(rig.store), 0);
	CHECK_EQ(store_rig_children(&rig), 1);
	store_rig_close(&rig);
}

static int count_event(void *context, const struct event_row *row)
{
	++*(int *)context;
	return 0;
}

TEST(the_queue_drops_old_events_before_anything_else)
{
	struct child_record child = { .instance = 3, .name = "disk0" };
	struct event_row row = { .subject = "s", .text = "t" };
	int count = 0;

	store_rig_open(&rig);
	store_defer_child(rig.store, &child);
	for (row.sequence = 1; row.sequence <= STORE_DEFERRED_MAX + 10;
	     row.sequence++)
		store_defer_event(rig.store, &row);
	CHECK_EQ(store_flush_deferred(rig.store), 0);

	CHECK_EQ(store_rig_children(&rig), 1);
	CHECK_EQ(store_each_event(rig.store, 0, 5000, count_event, &count), 0);
	CHECK_EQ(count, STORE_DEFERRED_MAX - 1);
	store_rig_close(&rig);
}

TEST(events_beyond_the_bound_are_forgotten)
{
	struct event_row row = { .subject = "s", .text = "t" };
	int count = 0;

	store_rig_open(&rig);
	for (row.sequence = 1; row.sequence <= STORE_EVENT_ROWS + 500;
	     row.sequence++) {
		store_defer_event(rig.store, &row);
		if (row.sequence % 500 == 0)
			CHECK_EQ(store_flush_deferred(rig.store), 0);
	}

	CHECK_EQ(store_each_event(rig.store, 0, 100000, count_event, &count),
		 0);
	CHECK_EQ(count, STORE_EVENT_ROWS);
	CHECK_EQ(
		store_each_event(rig.store, UINT64_MAX, 9, count_event, &count),
		0);
	CHECK_EQ(count, STORE_EVENT_ROWS);
	store_rig_close(&rig);
}

TEST(numbers_that_were_skipped_forget_no_event)
{
	struct event_row row = { .subject = "s", .text = "t" };
	int count = 0;

	store_rig_open(&rig);
	for (int life = 0; life < 20; life++) {
		row.sequence += 1000;
		store_defer_event(rig.store, &row);
		store_rig_reopen(&rig);
	}

	CHECK_EQ(store_each_event(rig.store, 0, 100, count_event, &count), 0);
	CHECK_EQ(count, 20);
	store_rig_close(&rig);
}

TEST(numbers_are_never_handed_out_twice)
{
	uint64_t number, last = 0;

	store_rig_open(&rig);
	for (int life = 0; life < 3; life++) {
		for (int i = 0; i < 1500; i++) {
			CHECK_EQ(store_next(rig.store, STORE_GENERATION,
					    &number),
				 0);
			CHECK(number > last);
			last = number;
		}
		store_rig_reopen(&rig);
	}
	store_rig_close(&rig);
}

/* Dies without closing, so that nothing more is reserved. */
static void take_numbers_and_die(void)
{
	uint64_t number;

	store_rig_open(&rig);
	CHECK_EQ(store_begin(rig.store), 0);
	for (int i = 0; i < 1500; i++)
		CHECK_EQ(store_next(rig.store, STORE_INTENT, &number), 0);
	store_rollback(rig.store);
	CHECK_EQ(store_next(rig.store, STORE_INTENT, &number), 0);
	_exit(number == 1501 ? 0 : 1);
}

TEST(numbers_survive_a_rolled_back_reservation_and_a_crash)
{
	uint64_t number;
	pid_t child;
	int status;

	store_rig_make_directory(&rig);
	child = fork();
	if (child == 0)
		take_numbers_and_die();
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);

	store_rig_open(&rig);
	CHECK_EQ(store_next(rig.store, STORE_INTENT, &number), 0);
	CHECK(number > 1501);
	store_rig_close(&rig);
}

TEST(taking_numbers_writes_nothing_until_the_idle_loop_has_run)
{
	struct stat before, after;
	char wal[96];
	uint64_t number;

	store_rig_open(&rig);
	(void)snprintf(wal, sizeof(wal), "%s/store.db-wal", rig.directory);
	CHECK_EQ(stat(wal, &before), 0);
	for (int i = 0; i < 900; i++)
		CHECK_EQ(store_next(rig.store, STORE_GENERATION, &number), 0);
	CHECK_EQ(stat(wal, &after), 0);

	CHECK_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	CHECK(store_has_deferred(rig.store));
	store_rig_close(&rig);
}
