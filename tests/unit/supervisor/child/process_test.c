/* SPDX-License-Identifier: MIT */
/* Children that misbehave: fake_child.c does what its title says. */
#include "supervisor/child/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "sandbox/core.h"
#include "sandbox/sandbox.h"
#include "supervisor/supervisor.h"

static struct supervisor host;
static char directory[64];
static char end[TEXT_SIZE];
static unsigned pongs;

static void on_ready(struct process *process)
{
}

static void on_died(struct process *process, const char *reason)
{
	(void)snprintf(end, sizeof(end), "%s", reason);
}

static void on_pong(struct process *process)
{
	pongs++;
}

static const struct process_ops ops = { .ready = on_ready,
					.died = on_died,
					.pong = on_pong };

static void open_host(void)
{
	struct refusal refusal;
	ssize_t length;

	log_open("process_test", NULL, (enum log_level)0);
	(void)strcpy(directory, "/dev/shm/process_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	CHECK_EQ(store_open(&host.store, directory, &refusal), 0);
	CHECK_EQ(events_new(&host.events, host.store), 0);
	CHECK_EQ(sd_event_new(&host.event), 0);
	host.meet_fd = open(directory, O_PATH | O_CLOEXEC);
	host.config.ready_ms = 5000;
	TAILQ_INIT(&host.processes);
	TAILQ_INIT(&host.partitions);
	TAILQ_INIT(&host.services);
	/* The fake is beside this program. */
	length = readlink("/proc/self/exe", host.config.libexec_dir,
			  sizeof(host.config.libexec_dir) - 1);
	CHECK(length > 0);
	*strrchr(host.config.libexec_dir, '/') = '\0';
}

static void close_host(void)
{
	char command[96];

	events_free(host.events);
	store_close(host.store);
	close_fd(&host.meet_fd);
	(void)sd_event_unref(host.event);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

static struct process *start(const char *behaviour)
{
	struct process *process = NULL;

	CHECK_EQ(process_spawn(&host, ROLE_DISK, behaviour, &ops, NULL,
			       &process),
		 0);
	return process;
}

/* Turn the loop until every child has ended; how often it turned. */
static unsigned run_ms(uint64_t most_ms)
{
	uint64_t until_ns = clock_now_ns() + most_ms * NS_PER_MS;
	unsigned turns = 0;

	while (!TAILQ_EMPTY(&host.processes) && clock_now_ns() < until_ns) {
		CHECK(sd_event_run(host.event, 10000) >= 0);
		turns++;
	}
	return turns;
}

TEST(a_child_without_its_link_is_killed_and_costs_no_time_until_then)
{
	unsigned turns;

	open_host();
	(void)start("closer");

	turns = run_ms(5000);

	CHECK(strstr(end, "closed its control link") != NULL);
	CHECK(turns < 2000);
	close_host();
}

TEST(a_hostile_peer_cannot_escape_its_end_by_what_it_says)
{
	uint64_t began_ns = clock_now_ns();

	open_host();
	process_quit(start("clinger"), 300);

	(void)run_ms(5000);

	CHECK(strstr(end, "did not exit when asked to") != NULL);
	CHECK(clock_now_ns() - began_ns < 3 * NS_PER_S);
	close_host();
}

static int on_bell(sd_event_source *source, uint64_t usec, void *data)
{
	*(bool *)data = true;
	return 0;
}

TEST(a_hostile_peer_cannot_keep_the_loop_to_itself)
{
	sd_event_source *bell = NULL;
	struct process *talker;
	bool has_rung = false;

	open_host();
	talker = start("talker");
	CHECK_EQ(sd_event_add_time_relative(host.event, &bell, CLOCK_MONOTONIC,
					    200000, 1, on_bell, &has_rung),
		 0);

	(void)run_ms(1000);

	CHECK(has_rung);
	CHECK(pongs > 0);
	/* 32 messages in each of 50 turns per 20 ms, and some to spare. */
	CHECK(pongs < 100000);
	process_kill(talker, "enough");
	(void)run_ms(2000);
	CHECK(strcmp(end, "enough") == 0);
	(void)sd_event_source_disable_unref(bell);
	close_host();
}

TEST(a_dead_child_is_told_with_its_signal)
{
	struct process *process;

	open_host();
	process = start("mute");

	CHECK_EQ(kill(process->pid, SIGKILL), 0);
	process_send(process, MSG_CHILD_PING, 0, NULL, 0, NULL, 0);
	(void)run_ms(2000);

	CHECK(strstr(end, "signal 9") != NULL);
	close_host();
}

TEST(a_number_of_another_boot_is_not_taken_for_a_child)
{
	struct process_record record = { .id = 1,
					 .pid = getpid(),
					 .start_time = 0,
					 .role = ROLE_DISK,
					 .name = "disk0" };
	struct process *process;

	open_host();

	CHECK_EQ(process_expect(&host, &record, &ops, NULL, &process), -ESRCH);
	record.start_time = process_birth(getpid()) + 1;
	CHECK_EQ(process_expect(&host, &record, &ops, NULL, &process), -ESRCH);

	CHECK_EQ(process_birth(1 << 30), 0);
	close_host();
}

TEST(what_a_dead_supervisor_had_lent_to_a_child_is_taken_back)
{
	struct process_record record = { .id = 1,
					 .role = ROLE_DISK,
					 .name = "disk0" };
	struct process *process;

	open_host();
	record.pid = fork();
	if (record.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	record.start_time = process_birth(record.pid);
	if (urgency_lend(record.pid) < 0) {
		CHECK_EQ(kill(record.pid, SIGKILL), 0);
		test_skip("no right to the real-time class");
	}

	CHECK_EQ(process_expect(&host, &record, &ops, NULL, &process), 0);

	CHECK_EQ(sched_getscheduler(record.pid), SCHED_OTHER);
	process_kill(process, "enough");
	(void)run_ms(2000);
	close_host();
}

/* Where the kernel and the processors have it. */
static bool can_own_core(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(core_create_cookie(0) == 0 && core_has_cookie(0) ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status == 0;
}

TEST(a_child_has_a_core_of_its_own_where_that_is_asked_for_and_can_be_had)
{
	bool can = can_own_core();
	struct process *asked, *other;

	open_host();
	host.config.core_scheduling = 1;
	asked = start("clinger");
	host.config.core_scheduling = 0;
	other = start("clinger");

	CHECK_EQ(core_has_cookie(asked->pid), can);
	CHECK_EQ(!!(asked->layers & SANDBOX_CORE), can);
	CHECK_EQ(!!(asked->missing & SANDBOX_CORE), !can);
	CHECK(!core_has_cookie(other->pid));
	CHECK_EQ((other->layers | other->missing) & SANDBOX_CORE, 0);

	process_kill(asked, "the test is over");
	process_kill(other, "the test is over");
	(void)run_ms(5000);
	close_host();
}

TEST(a_dead_child_leaves_no_zombie)
{
	struct process *process;
	pid_t pid;

	open_host();
	process = start("mute");
	pid = process->pid;

	process_kill(process, "enough");
	(void)run_ms(2000);

	CHECK_EQ(waitpid(pid, NULL, WNOHANG), -1);
	CHECK_EQ(errno, ECHILD);
	close_host();
}

TEST(two_living_children_never_have_the_same_uid)
{
	struct process *process;

	open_host();
	process = start("mute");

	/* Uids come again after 65,536 ids. */
	for (unsigned i = 0; i < 66000; i++)
		CHECK((supervisor_next_id(&host) - process->id) % 65536 != 0);

	process_kill(process, "enough");
	(void)run_ms(2000);
	close_host();
}
