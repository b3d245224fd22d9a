/* SPDX-License-Identifier: MIT */
/* Work that waits: the loop goes on, and one of them runs at a time. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/harness.h"
#include "supervisor/errand/errand.h"
#include "supervisor/store/store.h"

#include "store_rig.h"

static sd_event *event;
static struct errands *errands;

static void open_loop(void)
{
	CHECK_EQ(sd_event_new(&event), 0);
	CHECK_EQ(errands_new(&errands, event), 0);
}

static void close_loop(void)
{
	CHECK(errands_settle(errands));
	errands_free(errands);
	errands = NULL;
	sd_event_unref(event);
}

/* Turns of the loop, until the errands have got what they wait for. */
static void turn_until(const bool *is_done)
{
	while (!*is_done)
		CHECK(sd_event_run(event, UINT64_MAX) >= 0);
}

static void note(void *context)
{
	*(bool *)context = true;
}

TEST(one_that_waits_for_nothing_is_over_at_once)
{
	bool is_done = false;

	open_loop();
	errand_run(errands, note, &is_done);

	CHECK(is_done);
	close_loop();
}

struct reader {
	int pipe[2];
	bool was_errand;
	bool is_done;
	int error;
};

static void read_pipe(void *context)
{
	struct reader *reader = context;
	char byte;

	reader->was_errand = errand_is_current();
	errand_step_aside();
	CHECK_EQ(read(reader->pipe[0], &byte, 1), 1);
	errno = ELOOP;
	errand_step_back();
	reader->error = errno;
	reader->is_done = true;
}

TEST(the_supervisor_goes_on_while_an_errand_waits)
{
	struct reader reader = { 0 };
	bool is_done = false;

	open_loop();
	CHECK_EQ(pipe2(reader.pipe, O_CLOEXEC), 0);
	errand_run(errands, read_pipe, &reader);
	CHECK(reader.was_errand);
	CHECK(!errand_is_current());
	errand_run(errands, note, &is_done);
	CHECK(is_done);
	CHECK(!reader.is_done);

	CHECK_EQ(write(reader.pipe[1], "x", 1), 1);
	turn_until(&reader.is_done);
	CHECK_EQ(reader.error, ELOOP);
	close_loop();
	(void)close(reader.pipe[0]);
	(void)close(reader.pipe[1]);
}

TEST(without_errands_the_caller_does_the_work_itself)
{
	struct reader reader = { 0 };

	CHECK_EQ(pipe2(reader.pipe, O_CLOEXEC), 0);
	CHECK_EQ(write(reader.pipe[1], "x", 1), 1);
	errand_run(NULL, read_pipe, &reader);

	CHECK(reader.is_done);
	CHECK(!reader.was_errand);
	(void)close(reader.pipe[0]);
	(void)close(reader.pipe[1]);
}

#define WORKERS 50
#define STEPS   100

static unsigned turns, at_work, ended;

/* Any two that ran together would lose a count, or see each other. */
static void count_turns(void *context)
{
	for (int i = 0; i < STEPS; i++) {
		CHECK_EQ(at_work++, 0);
		turns++;
		at_work--;
		errand_step_aside();
		errand_step_back();
	}
	ended++;
}

TEST(exactly_one_runs_at_any_time)
{
	open_loop();
	for (int i = 0; i < WORKERS; i++)
		errand_run(errands, count_turns, NULL);
	while (ended < WORKERS)
		CHECK(sd_event_run(event, UINT64_MAX) >= 0);

	CHECK_EQ(turns, WORKERS * STEPS);
	close_loop();
}

TEST(more_than_there_may_be_are_carried_out_by_the_caller)
{
	struct reader readers[ERRANDS_MAX] = { 0 };
	struct reader last = { 0 };

	open_loop();
	for (int i = 0; i < ERRANDS_MAX; i++) {
		CHECK_EQ(pipe2(readers[i].pipe, O_CLOEXEC), 0);
		errand_run(errands, read_pipe, &readers[i]);
	}
	CHECK_EQ(pipe2(last.pipe, O_CLOEXEC), 0);
	CHECK_EQ(write(last.pipe[1], "x", 1), 1);
	errand_run(errands, read_pipe, &last);
	CHECK(last.is_done);
	CHECK(!last.was_errand);

	for (int i = 0; i < ERRANDS_MAX; i++) {
		CHECK_EQ(write(readers[i].pipe[1], "x", 1), 1);
		turn_until(&readers[i].is_done);
		(void)close(readers[i].pipe[0]);
		(void)close(readers[i].pipe[1]);
	}
	(void)close(last.pipe[0]);
	(void)close(last.pipe[1]);
	close_loop();
}

TEST(a_descriptor_is_closed_without_its_owner)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	int number = fd;

	open_loop();
	errand_close(errands, &fd);
	CHECK_EQ(fd, -1);
	while (fcntl(number, F_GETFD) >= 0)
		(void)usleep(100);
	errand_close(errands, &fd);
	close_loop();
}

static void close_here(void *context)
{
	int number = *(int *)context;

	errand_close(errands, context);
	CHECK_EQ(fcntl(number, F_GETFD), -1);
}

TEST(an_errand_waits_until_a_descriptor_is_closed)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	open_loop();
	errand_run(errands, close_here, &fd);
	CHECK(errands_settle(errands));

	CHECK_EQ(fd, -1);
	close_loop();
}

/* -- the store, with a commit that stands still -- */

static struct store_rig rig;

struct write {
	struct partition_record record;
	int result;
	bool is_done;
};

static void put_partition(void *context)
{
	struct write *write = context;

	write->result = store_put_partition(rig.store, &write->record);
	write->is_done = true;
}

TEST(a_commit_keeps_nobody_and_what_is_deferred_meanwhile_is_not_lost)
{
	struct write first = { .record = store_rig_partition("web1") };
	struct write second = { .record = store_rig_partition("web2") };
	struct child_record child = { .instance = 3, .name = "disk0" };
	uint64_t number;

	store_rig_open(&rig);
	open_loop();
	errand_run(errands, put_partition, &first);
	errand_run(errands, put_partition, &second);
	/* Whether they are still at it or have ended, the loop is told. */
	store_defer_child(rig.store, &child);
	CHECK_EQ(store_next(rig.store, STORE_INSTANCE, &number), 0);
	turn_until(&first.is_done);
	turn_until(&second.is_done);

	CHECK_EQ(first.result, 0);
	CHECK_EQ(second.result, 0);
	CHECK_EQ(store_rig_partitions(&rig), 2);
	CHECK_EQ(store_flush_deferred(rig.store), 0);
	CHECK_EQ(store_rig_children(&rig), 1);
	close_loop();
	store_rig_close(&rig);
}

static void flush(void *context)
{
	bool *is_done = context;

	CHECK_EQ(store_flush_deferred(rig.store), 0);
	*is_done = true;
}

static int read_state(void)
{
	struct partition_record record;

	CHECK_EQ(store_get_partition(rig.store, "web1", &record), 0);
	return (int)record.lifecycle.state;
}

TEST(the_last_of_several_deferred_states_is_the_one_that_stays)
{
	struct partition_record record = store_rig_partition("web1");
	bool is_done = false;

	store_rig_open(&rig);
	open_loop();
	CHECK_EQ(store_put_partition(rig.store, &record), 0);
	record.lifecycle.state = PARTITION_STARTING;
	CHECK_EQ(store_defer_state(rig.store, &record), 0);
	errand_run(errands, flush, &is_done);
	record.lifecycle.state = PARTITION_RUNNING;
	CHECK_EQ(store_defer_state(rig.store, &record), 0);
	CHECK(!store_is_written(rig.store, store_last_state(rig.store)));
	turn_until(&is_done);
	is_done = false;
	errand_run(errands, flush, &is_done);
	turn_until(&is_done);

	CHECK(store_is_written(rig.store, store_last_state(rig.store)));
	CHECK_EQ(read_state(), PARTITION_RUNNING);
	close_loop();
	store_rig_close(&rig);
}

TEST(a_state_that_could_not_be_written_does_not_replace_a_newer_one)
{
	struct partition_record record = store_rig_partition("web1");

	(void)setenv("BULKHEAD_FAILPOINT", "store.commit.full=fail@3", 1);
	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &record), 0);
	record.lifecycle.state = PARTITION_STARTING;
	CHECK_EQ(store_defer_state(rig.store, &record), 0);
	CHECK_EQ(store_flush_deferred(rig.store), -ENOSPC);
	CHECK(!store_is_written(rig.store, store_last_state(rig.store)));
	record.lifecycle.state = PARTITION_STOPPED;
	CHECK_EQ(store_defer_state(rig.store, &record), 0);
	CHECK_EQ(store_flush_deferred(rig.store), 0);

	CHECK(store_is_written(rig.store, store_last_state(rig.store)));
	CHECK_EQ(read_state(), PARTITION_STOPPED);
	store_rig_close(&rig);
}
