/* SPDX-License-Identifier: MIT */
/* Who comes to the rendezvous: children, orphans, and those who only say so. */
#include "supervisor/child/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "supervisor/adopt.h"
#include "supervisor/child/quarantine.h"
#include "supervisor/supervisor.h"

static struct supervisor host;
static char directory[64];
static char end[TEXT_SIZE];
static unsigned returned, ended;

static void on_ready(struct process *process)
{
	returned++;
}

static void on_died(struct process *process, const char *reason)
{
	(void)snprintf(end, sizeof(end), "%s", reason);
	ended++;
}

static const struct process_ops ops = { .ready = on_ready, .died = on_died };

static void make_directory(void)
{
	(void)strcpy(directory, "/dev/shm/rendezvous_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
}

static void open_here(void)
{
	struct refusal refusal;

	log_open("rendezvous_test", NULL, (enum log_level)0);
	CHECK_EQ(store_open(&host.store, directory, &refusal), 0);
	CHECK_EQ(events_new(&host.events, host.store), 0);
	CHECK_EQ(sd_event_new(&host.event), 0);
	(void)snprintf(host.config.meet_dir, sizeof(host.config.meet_dir),
		       "%s/children/meet", directory);
	host.meet_fd = NO_FD;
	host.config.ready_ms = 8000;
	host.adopt_unrecorded = adopt_unrecorded;
	TAILQ_INIT(&host.processes);
	TAILQ_INIT(&host.quarantine);
	TAILQ_INIT(&host.partitions);
	TAILQ_INIT(&host.services);
	CHECK_EQ(rendezvous_open(&host, &refusal), 0);
}

static void open_host(void)
{
	make_directory();
	open_here();
}

static void close_here(void)
{
	rendezvous_close(&host);
	quarantine_free(&host);
	events_free(host.events);
	store_close(host.store);
	(void)sd_event_unref(host.event);
}

static void remove_directory(void)
{
	char command[96];

	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

static void close_host(void)
{
	close_here();
	remove_directory();
}

/* Run the loop until `count` has this value. */
static void run_until(const unsigned *count, unsigned value)
{
	uint64_t until_ns = clock_now_ns() + 8 * NS_PER_S;

	while (*count != value && clock_now_ns() < until_ns)
		CHECK(sd_event_run(host.event, 10000) >= 0);
	CHECK_EQ(*count, value);
}

static int connect_here(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	SCOPED(close_fd) int fd = NO_FD;

	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       "/proc/self/fd/%d/supervisor", host.meet_fd);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Keep the queue of those who wait full, for ever. */
static void flood(void)
{
	static int links[512];
	size_t next = 0;

	memset(links, NO_FD, sizeof(links));
	for (;;) {
		close_fd(&links[next]);
		links[next] = connect_here();
		next = (next + 1) % (sizeof(links) / sizeof(links[0]));
	}
}

static void wait_connected(struct control *control)
{
	for (;;) {
		control->fd = connect_here();
		if (control->fd >= 0)
			return;
		(void)usleep(10000);
	}
}

/* As a real child does: try until there is room, say hello, report. */
static void come_back(const uint8_t *token)
{
	struct child_hello hello = { .protocol_version = PROTOCOL_VERSION,
				     .role = ROLE_MONITOR,
				     .name = "one" };
	struct message message;
	struct control control;

	memcpy(hello.token, token, TOKEN_BYTES);
	for (;;) {
		int r;

		wait_connected(&control);
		(void)control_send(&control, MSG_CHILD_HELLO, 0, &hello,
				   sizeof(hello), NULL, 0);
		while ((r = control_receive(&control, &message)) == -EAGAIN)
			(void)usleep(1000);
		if (r == 0)
			break;
		control_close(&control);
	}
	(void)control_send(&control, MSG_CHILD_REPORTED, 0, NULL, 0, NULL, 0);
	(void)pause();
}

enum behaviour { FLOODS, COMES_BACK, LIES };

/* A child of an earlier supervisor that is expected back. */
static struct process *expect(uint64_t id, enum behaviour behaviour)
{
	struct process_record record = { .id = id,
					 .role = ROLE_MONITOR,
					 .name = "one",
					 .token = { 1, 2, 3 } };
	struct process *process = NULL;
	uint8_t token[TOKEN_BYTES] = { 1, 2, behaviour == LIES ? 4 : 3 };

	record.pid = fork();
	if (record.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (behaviour == FLOODS)
			flood();
		come_back(token);
	}
	record.start_time = process_birth(record.pid);
	CHECK_EQ(process_expect(&host, &record, &ops, NULL, &process), 0);
	return process;
}

static void end_all(void)
{
	struct process *process;

	TAILQ_FOREACH(process, &host.processes, link)
		process_kill(process, "enough");
	while (!TAILQ_EMPTY(&host.processes))
		CHECK(sd_event_run(host.event, 10000) >= 0);
}

TEST(a_hostile_child_cannot_keep_others_from_coming_back)
{
	open_host();
	(void)expect(1, FLOODS);
	(void)usleep(100000);
	(void)expect(2, COMES_BACK);

	run_until(&returned, 1);
	run_until(&ended, 1);

	CHECK(strcmp(end, "it reconnects endlessly") == 0);
	CHECK_EQ(TAILQ_FIRST(&host.processes)->id, 2);
	end_all();
	close_host();
}

TEST(a_hostile_child_cannot_come_back_as_another)
{
	open_host();
	(void)expect(1, LIES);
	while (!TAILQ_EMPTY(&host.processes))
		CHECK(sd_event_run(host.event, 10000) >= 0);

	CHECK(strcmp(end, "it reconnected under another name") == 0);
	CHECK_EQ(returned, 0);
	close_host();
}

TEST(a_child_that_says_nothing_has_one_link_that_waits)
{
	struct process *process;
	int first, second;
	char byte;

	open_host();
	process = expect(1, COMES_BACK);
	(void)kill(process->pid, SIGSTOP);
	/* What it would do, done in its name. */
	process->pid = getpid();

	first = connect_here();
	second = connect_here();
	CHECK(first >= 0 && second >= 0);
	for (int i = 0; i < 100; i++)
		CHECK(sd_event_run(host.event, 10000) >= 0);

	CHECK_EQ(recv(second, &byte, 1, 0), 0);
	CHECK_EQ(recv(first, &byte, 1, 0), -1);
	CHECK_EQ(errno, EAGAIN);
	close_fd(&first);
	close_fd(&second);
	end_all();
	close_host();
}

static uint64_t ticks_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 100 + (uint64_t)now.tv_nsec / 10000000;
}

/* Of the uid that a child would have. */
static void visit_often(void)
{
	struct control links[3];
	struct message message;

	if (geteuid() == 0)
		CHECK_EQ(setresuid(0x42480005, 0x42480005, 0x42480005), 0);
	(void)prctl(PR_SET_DUMPABLE, 1);
	for (int i = 0; i < 3; i++)
		wait_connected(&links[i]);
	for (int i = 0; i < 3; i++)
		while (control_receive(&links[i], &message) == -EAGAIN)
			(void)usleep(1000);
	_exit(0);
}

TEST(a_process_younger_than_the_supervisor_is_sent_away_unharmed)
{
	int status;
	pid_t pid;

	open_host();
	while (process_started_ticks(getpid()) == ticks_now())
		(void)usleep(1000);
	pid = fork();
	if (pid == 0)
		visit_often();
	while (waitpid(pid, &status, WNOHANG) == 0)
		CHECK(sd_event_run(host.event, 10000) >= 0);

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close_host();
}

/* Of another store: holds the directory, and is older than the supervisor. */
static pid_t fork_unknown(void (*behave)(void))
{
	char meet[96];
	pid_t pid;

	make_directory();
	(void)snprintf(meet, sizeof(meet), "%s/children", directory);
	CHECK_EQ(mkdir(meet, 0700), 0);
	(void)strcat(meet, "/meet");
	CHECK_EQ(mkdir(meet, 0711), 0);
	CHECK_EQ(chmod(meet, 0711), 0);
	host.meet_fd = open(meet, O_PATH | O_DIRECTORY);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0)
			CHECK_EQ(setresuid(0x42480005, 0x42480005, 0x42480005),
				 0);
		(void)prctl(PR_SET_DUMPABLE, 1);
		behave();
	}
	close_fd(&host.meet_fd);
	while (process_started_ticks(pid) == ticks_now())
		(void)usleep(1000);
	return pid;
}

/* The supervisor that it finds. */
static void run_next(void (*check)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		open_here();
		check();
		close_here();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void come_back_unknown(void)
{
	come_back((const uint8_t[TOKEN_BYTES]){ 0 });
}

static void check_kept(void)
{
	run_until(&host.quarantine_count, 1);
	for (int i = 0; i < 20; i++)
		CHECK(sd_event_run(host.event, 10000) >= 0);
	CHECK_EQ(host.quarantine_count, 1);
}

TEST(a_child_of_another_store_is_kept_and_not_welcomed)
{
	pid_t pid = fork_unknown(come_back_unknown);

	run_next(check_kept);

	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	remove_directory();
}

static void flood_once_known(void)
{
	const struct child_hello hello = { .protocol_version = PROTOCOL_VERSION,
					   .role = ROLE_DISK,
					   .name = "disk0" };
	struct control control;
	int unread = 1;

	wait_connected(&control);
	(void)control_send(&control, MSG_CHILD_HELLO, 0, &hello, sizeof(hello),
			   NULL, 0);
	while (unread)
		(void)ioctl(control.fd, TIOCOUTQ, &unread);
	flood();
}

static void check_ended(void)
{
	run_until(&host.quarantine_count, 1);
	run_until(&host.quarantine_count, 0);
}

TEST(a_hostile_child_in_quarantine_cannot_connect_without_end)
{
	pid_t pid = fork_unknown(flood_once_known);
	int status;

	run_next(check_ended);

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	remove_directory();
}

TEST(nobody_else_reaches_the_rendezvous_by_its_path)
{
	char outer[96];
	struct stat status;

	open_host();
	(void)snprintf(outer, sizeof(outer), "%s/children", directory);

	CHECK_EQ(stat(outer, &status), 0);

	CHECK_EQ(status.st_mode & 07777, 0700);
	CHECK_EQ(status.st_uid, geteuid());
	CHECK_EQ(stat(host.config.meet_dir, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0711);
	close_host();
}
