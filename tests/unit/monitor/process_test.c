/* SPDX-License-Identifier: MIT */
/* The real monitor and the real disk service, with a guest that verifies. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fakeguest.h"
#include "lib/harness.h"
#include "lib/monitor_rig.h"
#include "workload.h"

/* A guest that goes on until end_guest(). */
#define LONG_MS 8000

static struct monitor_rig rig;
static volatile int stop_asked;

static void ask_stop(int number)
{
	stop_asked = 1;
}

static void fail(const struct workload_result *result)
{
	(void)fprintf(stderr,
		      "errors=%llu unanswered=%llu lost=%llu dup=%llu "
		      "corrupt=%llu\n",
		      (unsigned long long)result->errors,
		      (unsigned long long)result->unanswered,
		      (unsigned long long)result->lost,
		      (unsigned long long)result->duplicated,
		      (unsigned long long)result->corrupt);
	_exit(1);
}

/* A guest in a process of its own; it ends with 0 if all was well. */
static pid_t start_guest_with(enum workload_op op, uint32_t depth,
			      uint32_t block, uint64_t ms)
{
	const struct workload_settings settings = {
		.path = rig.socket_path,
		.op = op,
		.block_bytes = block,
		.depth = depth,
		.queue_count = 2,
		.connect_ms = 3000,
		.span_bytes = 16u << 20,
		.duration_ns = ms * NS_PER_MS,
		.drain_ns = 4 * NS_PER_S,
		.seed = 1,
		.is_verifying = true,
		.stop = &stop_asked,
	};
	static struct workload_result result;
	pid_t pid = fork();
	int error;

	if (pid != 0)
		return pid;
	(void)signal(SIGTERM, ask_stop);
	error = workload_run(&settings, &result);
	if (error < 0) {
		(void)fprintf(stderr, "guest: %s\n", strerror(-error));
		_exit(2);
	}
	if (result.errors || result.unanswered || result.lost ||
	    result.duplicated || result.corrupt || result.checked == 0)
		fail(&result);
	_exit(0);
}

static pid_t start_guest(uint32_t depth, uint32_t block, uint64_t ms)
{
	return start_guest_with(WORKLOAD_MIXED, depth, block, ms);
}

static void expect_well(pid_t guest)
{
	int status;

	CHECK_EQ(waitpid(guest, &status, 0), guest);
	CHECK_EQ(status, 0);
}

static void end_guest(pid_t guest)
{
	CHECK_EQ(kill(guest, SIGTERM), 0);
	expect_well(guest);
}

static void pause_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

static struct disk_counters count(void)
{
	struct message message;
	struct disk_counters counters;

	monitor_rig_send(&rig, MSG_MONITOR_COUNT, 9, NULL, 0);
	monitor_rig_expect(&rig, MSG_MONITOR_COUNTERS, &message);
	memcpy(&counters, message.body, sizeof(counters));
	message_release(&message);
	monitor_rig_expect(&rig, MSG_MONITOR_DONE, &message);
	message_release(&message);
	return counters;
}

/* Until the service has answered this many more requests: one killed before
 * it got anywhere would make every request a suspect. */
static void await_answers(uint64_t answers)
{
	struct disk_counters counters = count();
	uint64_t wanted = counters.reads + counters.writes + answers;

	while (counters.reads + counters.writes < wanted) {
		pause_ms(5);
		counters = count();
	}
}

static void kill_and_replace(int times, uint64_t answers)
{
	for (int i = 0; i < times; i++) {
		await_answers(answers);
		pause_ms(i);
		monitor_rig_kill_service(&rig);
		monitor_rig_up(&rig);
	}
}

TEST(a_guest_loses_nothing_when_its_service_is_killed_again_and_again)
{
	struct disk_counters counters;
	pid_t guest;

	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	guest = start_guest(32, 4096, LONG_MS);
	kill_and_replace(20, 200);
	end_guest(guest);
	counters = count();

	CHECK_EQ(counters.outages, 20);
	CHECK(counters.replayed > 0);
	CHECK_EQ(counters.errors, 0);
	CHECK_EQ(counters.violations, 0);
	monitor_rig_stop(&rig);
}

TEST(reads_by_the_monitor_itself_are_right_while_services_come_and_go)
{
	struct disk_counters counters;
	pid_t guest;

	rig.local_reads = true;
	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	guest = start_guest(32, 4096, LONG_MS);
	kill_and_replace(20, 200);
	end_guest(guest);
	counters = count();

	CHECK_EQ(counters.outages, 20);
	CHECK(counters.local_reads > 0);
	CHECK_EQ(counters.errors, 0);
	CHECK_EQ(counters.violations, 0);
	monitor_rig_stop(&rig);
}

TEST(reads_of_what_is_cached_go_on_without_a_service)
{
	struct disk_counters counters;
	pid_t guest;

	rig.local_reads = true;
	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	guest = start_guest_with(WORKLOAD_RANDREAD, 4, 65536, LONG_MS);
	await_answers(100);
	monitor_rig_kill_service(&rig);
	await_answers(1000);
	counters = count();
	monitor_rig_up(&rig);
	end_guest(guest);

	CHECK_EQ(counters.is_up, 0);
	CHECK(counters.local_reads >= 1000);
	monitor_rig_stop(&rig);
}

TEST(large_requests_survive_as_well)
{
	pid_t guest;

	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	guest = start_guest(4, 1u << 20, LONG_MS);
	kill_and_replace(10, 40);
	end_guest(guest);
	monitor_rig_stop(&rig);
}

TEST(a_replaced_monitor_goes_on_from_the_record_in_the_front_ends_memory)
{
	pid_t guest;

	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	guest = start_guest(32, 4096, LONG_MS);
	for (int i = 0; i < 8; i++) {
		await_answers(100);
		monitor_rig_replace(&rig);
		monitor_rig_up(&rig);
	}

	end_guest(guest);
	CHECK_EQ(count().violations, 0);
	monitor_rig_stop(&rig);
}

TEST(without_its_supervisor_a_monitor_serves_on_and_reports_to_the_next)
{
	struct message message;
	struct disk_channel held;
	pid_t guest;

	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	guest = start_guest(8, 4096, 600);
	pause_ms(100);
	monitor_rig_lose_supervisor(&rig);
	expect_well(guest);
	monitor_rig_adopt(&rig);
	monitor_rig_expect(&rig, MSG_MONITOR_GUEST, &message);
	message_release(&message);
	monitor_rig_expect(&rig, MSG_MONITOR_DISK_HELD, &message);
	memcpy(&held, message.body, sizeof(held));
	CHECK_EQ(message.fd_count, 1);
	message_release(&message);
	monitor_rig_expect(&rig, MSG_CHILD_REPORTED, &message);
	message_release(&message);

	CHECK_EQ(held.generation, 1);
	monitor_rig_stop(&rig);
}

TEST(a_silent_service_is_reported_to_the_supervisor)
{
	struct message message;
	pid_t guest;

	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	guest = start_guest(8, 4096, 500);
	pause_ms(100);
	CHECK_EQ(kill(rig.service.pid, SIGSTOP), 0);
	monitor_rig_expect(&rig, MSG_MONITOR_SUSPECT, &message);
	message_release(&message);
	monitor_rig_kill_service(&rig);
	monitor_rig_up(&rig);

	expect_well(guest);
	monitor_rig_stop(&rig);
}

/* Room for a message, none for a channel. */
static void leave_no_room(struct rlimit *ret_before)
{
	struct rlimit limit;
	char path[32], line[64];
	unsigned long pages;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)rig.pid);
	file = fopen(path, "re");
	CHECK(file && fgets(line, sizeof(line), file));
	(void)fclose(file);
	pages = strtoul(line, NULL, 10);
	CHECK_EQ(prlimit(rig.pid, RLIMIT_AS, NULL, ret_before), 0);
	limit = *ret_before;
	limit.rlim_cur = (pages + 256) * (unsigned long)getpagesize();
	CHECK_EQ(prlimit(rig.pid, RLIMIT_AS, &limit, NULL), 0);
}

TEST(a_channel_that_cannot_be_opened_is_refused_and_another_one_taken)
{
	struct message message;
	struct rlimit before;
	pid_t guest;

	monitor_rig_start(&rig);
	guest = start_guest(8, 4096, 500);
	leave_no_room(&before);
	monitor_rig_up(&rig);
	monitor_rig_expect(&rig, MSG_MONITOR_DISK_REFUSED, &message);
	message_release(&message);
	CHECK_EQ(prlimit(rig.pid, RLIMIT_AS, &before, NULL), 0);
	monitor_rig_kill_service(&rig);
	monitor_rig_up(&rig);

	expect_well(guest);
	monitor_rig_stop(&rig);
}

/* There is nothing that the monitor could do about it, and nobody else that
 * is harmed. */
TEST(a_hostile_front_end_that_cuts_its_memory_ends_its_own_monitor_alone)
{
	const struct fakeguest_settings settings = {
		.path = rig.socket_path,
		.queue_count = 1,
		.queue_size = 64,
		.slot_count = 8,
		.slot_bytes = 4096,
		.connect_ms = 3000,
	};
	static const uint64_t one = 1;
	struct fakeguest guest;
	int status;

	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	CHECK_EQ(fakeguest_open(&guest, &settings), 0);
	await_answers(0);
	CHECK_EQ(ftruncate(guest.memory_fd, 0), 0);
	CHECK_EQ(write(guest.queues[0].kick_fd, &one, sizeof(one)),
		 (long long)sizeof(one));

	CHECK_EQ(waitpid(rig.pid, &status, 0), rig.pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	disk_rig_send(&rig.service, MSG_CHILD_PING, NULL, 0);
	disk_rig_expect(&rig.service, MSG_CHILD_PONG, NULL, 0);
	rig.pid = fork();
	if (rig.pid == 0)
		_exit(0);
	fakeguest_close(&guest);
	monitor_rig_stop(&rig);
}

TEST(a_front_end_that_breaks_the_rules_is_dropped_and_named)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct child_event event;
	struct message message;
	char garbage[64];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	monitor_rig_start(&rig);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       rig.socket_path);
	memset(garbage, 0xff, sizeof(garbage));
	CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CHECK_EQ(write(fd, garbage, sizeof(garbage)),
		 (long long)sizeof(garbage));

	monitor_rig_expect(&rig, MSG_CHILD_EVENT, &message);
	memcpy(&event, message.body, sizeof(event));
	message_release(&message);
	CHECK(strstr(event.text, "vhost-user") != NULL);
	CHECK(read(fd, garbage, sizeof(garbage)) <= 0);
	(void)close(fd);
	monitor_rig_stop(&rig);
}

TEST(an_error_that_an_earlier_monitor_died_with_fails_every_flush)
{
	const struct fakeguest_settings settings = {
		.path = rig.socket_path,
		.queue_count = 1,
		.queue_size = 16,
		.slot_count = 4,
		.slot_bytes = 4096,
		.connect_ms = 3000,
	};
	struct fakeguest guest;
	uint32_t slot;
	uint8_t status;

	rig.owes_error = true;
	monitor_rig_start(&rig);
	monitor_rig_up(&rig);
	CHECK_EQ(fakeguest_open(&guest, &settings), 0);

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(fakeguest_take_slot(&guest, &slot), 0);
		fakeguest_submit(&guest, slot, VIRTIO_BLK_T_FLUSH, 0, 0);
		fakeguest_publish(&guest);
		CHECK_EQ(fakeguest_wait(&guest, clock_now_ns() + 5 * NS_PER_S),
			 0);
		CHECK_EQ(fakeguest_reap(&guest, &slot, &status), 0);
		CHECK_EQ(status, VIRTIO_BLK_S_IOERR);
		fakeguest_return_slot(&guest, slot);
	}
	fakeguest_close(&guest);
	monitor_rig_stop(&rig);
}
