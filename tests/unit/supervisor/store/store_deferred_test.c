/* SPDX-License-Identifier: MIT */
/* What the store writes later: deferred rows, events, and numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

/* All that are left; the last one. */
static uint64_t take_numbers(enum store_counter which)
{
	uint64_t number = 0, last = 0;

	while (store_next(rig.store, which, &number) == 0) {
		CHECK(last == 0 || number == last + 1);
		last = number;
	}
	return last;
}

TEST(numbers_are_never_handed_out_twice)
{
	uint64_t number, last = 0;

	store_rig_open(&rig);
	for (int life = 0; life < 3; life++) {
		for (int flush = 0; flush < 3; flush++) {
			CHECK_EQ(store_next(rig.store, STORE_GENERATION,
					    &number),
				 0);
			CHECK(number > last);
			last = take_numbers(STORE_GENERATION);
			CHECK(store_has_deferred(rig.store));
			CHECK_EQ(store_flush_deferred(rig.store), 0);
		}
		store_rig_reopen(&rig);
	}
	store_rig_close(&rig);
}

/* Dies without closing, so that nothing more is reserved. */
static int run_and_die(void (*run)(void))
{
	pid_t child;
	int status;

	store_rig_make_directory(&rig);
	child = fork();
	if (child == 0) {
		run();
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

static void roll_back_and_take_numbers(void)
{
	uint64_t number;

	store_rig_open(&rig);
	while (!store_has_deferred(rig.store))
		CHECK_EQ(store_next(rig.store, STORE_INTENT, &number), 0);
	CHECK_EQ(store_begin(rig.store), 0);
	store_rollback(rig.store);
	CHECK_EQ(take_numbers(STORE_INTENT), 1000);
}

TEST(numbers_survive_a_rolled_back_reservation_and_a_crash)
{
	uint64_t number;

	CHECK_EQ(run_and_die(roll_back_and_take_numbers), 0);

	store_rig_open(&rig);
	CHECK_EQ(store_next(rig.store, STORE_INTENT, &number), 0);
	CHECK_EQ(number, 1001);
	store_rig_close(&rig);
}

/* The first commit is that of opening it. */
static void take_numbers_before_a_commit(void)
{
	(void)setenv("BULKHEAD_FAILPOINT", "store.commit.before=kill@2", 1);
	store_rig_open(&rig);
	CHECK(take_numbers(STORE_GENERATION) >= 20000);
	CHECK(store_has_deferred(rig.store));
	CHECK(strstr(store_error(rig.store), "no numbers") != NULL);
}

TEST(numbers_wait_for_no_commit)
{
	CHECK_EQ(run_and_die(take_numbers_before_a_commit), 0);

	store_rig_remove(&rig);
}
