/* SPDX-License-Identifier: MIT */
#include "target/workers.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/harness.h"

#define JOBS 500

struct job {
	struct work work; /* first */
	useconds_t pause_us;
	int runs;
};

static struct workers workers;
static struct job jobs[JOBS];
static int done_fd;

static void run(struct work *work)
{
	struct job *job = (struct job *)work;

	if (job->pause_us)
		(void)usleep(job->pause_us);
	job->runs++;
}

static void start(void)
{
	done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	workers_init(&workers, done_fd);
}

static void submit(struct job *job)
{
	job->work.run = run;
	CHECK_EQ(workers_submit(&workers, &job->work), 0);
}

/* As the service does it: take what is done, else sleep until something is. */
static int collect(void)
{
	struct pollfd wait = { .fd = done_fd, .events = POLLIN };
	struct work *work;
	uint64_t wakes;
	int count = 0;

	if (workers_prepare_sleep(&workers))
		CHECK_EQ(poll(&wait, 1, 5000), 1);
	workers_woken(&workers);
	(void)!read(done_fd, &wakes, sizeof(wakes));
	for (work = workers_take_done(&workers); work; work = work->next)
		count++;
	return count;
}

static int thread_count(void)
{
	char line[128];
	int threads = 0;
	FILE *in = fopen("/proc/self/status", "re");

	while (in && fgets(line, sizeof(line), in))
		(void)sscanf(line, "Threads: %d", &threads);
	(void)fclose(in);
	return threads;
}

TEST(every_work_is_run_once_and_comes_back)
{
	int finished = 0;

	start();
	for (int i = 0; i < JOBS; i++) {
		jobs[i].pause_us = i % 50 ? 0 : 1000;
		submit(&jobs[i]);
	}
	while (finished < JOBS)
		finished += collect();

	CHECK_EQ(finished, JOBS);
	for (int i = 0; i < JOBS; i++)
		CHECK_EQ(jobs[i].runs, 1);
	(void)close(done_fd);
}

TEST(work_that_waits_does_not_hold_up_the_rest)
{
	start();
	for (int i = 0; i < 4; i++) {
		jobs[i].pause_us = 300000;
		submit(&jobs[i]);
	}
	submit(&jobs[4]);

	CHECK_EQ(collect(), 1);
	CHECK_EQ(jobs[4].runs, 1);
	for (int finished = 0; finished < 4;)
		finished += collect();
	(void)close(done_fd);
}

TEST(there_are_never_more_threads_than_the_bound)
{
	int before = thread_count();

	start();
	for (int i = 0; i < WORKERS_MAX + 20; i++) {
		jobs[i].pause_us = 20000;
		submit(&jobs[i]);
	}

	CHECK(thread_count() <= before + WORKERS_MAX);
	for (int finished = 0; finished < WORKERS_MAX + 20;)
		finished += collect();
	(void)close(done_fd);
}

TEST(idle_threads_end)
{
	int before = thread_count(), working;

	start();
	submit(&jobs[0]);
	CHECK_EQ(collect(), 1);
	working = thread_count();
	CHECK(working > before);

	for (int i = 0; i < 60 && thread_count() == working; i++)
		(void)usleep(100000);

	CHECK_EQ(thread_count(), working - 1);
	(void)close(done_fd);
}
