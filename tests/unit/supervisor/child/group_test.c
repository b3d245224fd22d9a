/* SPDX-License-Identifier: MIT */
/*
 * How children come into their control groups. A folder stands for the kernel's
 * of version 1, and a named pipe for cgroup.procs: opened for writing it blocks
 * until the test reads, like a move on a busy host.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "sandbox/sandbox.h"
#include "supervisor/child/child_record.h"
#include "supervisor/child/process.h"
#include "supervisor/errand/errand.h"
#include "supervisor/supervisor.h"

#define GROUP "c1"

static struct supervisor host;
static char directory[64];
static unsigned ends;

static void on_ready(struct process *process)
{
}

static void on_died(struct process *process, const char *reason)
{
	ends++;
}

static const struct process_ops ops = { .ready = on_ready, .died = on_died };

static void open_host(enum cgroup_version version)
{
	struct refusal refusal;
	ssize_t length;

	log_open("group_test", NULL, (enum log_level)0);
	(void)strcpy(directory, "/dev/shm/group_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	CHECK_EQ(store_open(&host.store, directory, &refusal), 0);
	CHECK_EQ(events_new(&host.events, host.store), 0);
	CHECK_EQ(sd_event_new(&host.event), 0);
	CHECK_EQ(errands_new(&host.errands, host.event), 0);
	host.meet_fd = open(directory, O_PATH | O_CLOEXEC);
	host.config.ready_ms = 5000;
	TAILQ_INIT(&host.processes);
	TAILQ_INIT(&host.partitions);
	TAILQ_INIT(&host.services);
	length = readlink("/proc/self/exe", host.config.libexec_dir,
			  sizeof(host.config.libexec_dir) - 1);
	CHECK(length > 0);
	*strrchr(host.config.libexec_dir, '/') = '\0';
	host.cgroups.version = version;
	host.cgroups.tree_count = 1;
	(void)strcpy(host.cgroups.name, "bulkhead-group-test");
}

static void use_groups(const char *path)
{
	host.cgroups.fds[0] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(host.cgroups.fds[0] >= 0);
}

static void close_host(void)
{
	char command[96];

	CHECK(errands_settle(host.errands));
	errands_free(host.errands);
	events_free(host.events);
	store_close(host.store);
	close_fd(&host.meet_fd);
	close_fd(&host.cgroups.fds[0]);
	(void)sd_event_unref(host.event);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

static void make_pipe(void)
{
	CHECK_EQ(mkdirat(host.cgroups.fds[0], GROUP, 0700), 0);
	CHECK_EQ(mkfifoat(host.cgroups.fds[0], GROUP "/cgroup.procs", 0600), 0);
}

/* Let the move into the group end. Returns the pid moved. Nobody is in it. */
static pid_t let_move(void)
{
	SCOPED(close_fd) int fd = NO_FD;
	char text[16];
	ssize_t bytes;

	fd = openat(host.cgroups.fds[0], GROUP "/cgroup.procs",
		    O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(unlinkat(host.cgroups.fds[0], GROUP "/cgroup.procs", 0), 0);
	bytes = read(fd, text, sizeof(text) - 1);
	CHECK(bytes > 0);
	text[bytes] = '\0';
	return (pid_t)atoi(text);
}

static bool exists(void)
{
	return faccessat(host.cgroups.fds[0], GROUP, F_OK, 0) == 0;
}

static struct process *start(const char *name)
{
	struct process *process = NULL;

	CHECK_EQ(process_spawn(&host, ROLE_DISK, name, &ops, NULL, &process),
		 0);
	process->id = 1;
	while (process->pidfd == NO_FD)
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	return process;
}

/* By itself, as if it had stopped being a service. */
static pid_t kill_child(const struct process *process)
{
	CHECK_EQ(pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0), 0);
	return process->pid;
}

static bool is_reaped(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) < 0 && errno == ECHILD;
}

/* Is there a zombie still? */
static bool has_a_body(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
		       0 &&
	       info.si_pid == pid;
}

TEST(nobody_waits_for_a_process_that_is_being_moved)
{
	struct process *process;

	open_host(CGROUP_V1);
	use_groups(directory);
	make_pipe();

	process = start("sleeper");
	CHECK(process->is_moving);
	CHECK(process->missing & SANDBOX_CGROUP);

	CHECK_EQ(let_move(), process->pid);
	while (process->is_moving)
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	CHECK(process->layers & SANDBOX_CGROUP);
	CHECK(!(process->missing & SANDBOX_CGROUP));
	(void)kill_child(process);
	while (!TAILQ_EMPTY(&host.processes))
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	close_host();
}

TEST(a_child_that_dies_while_it_is_moved_keeps_its_number_until_then)
{
	struct process *process;
	pid_t pid;

	open_host(CGROUP_V1);
	use_groups(directory);
	make_pipe();
	process = start("sleeper");

	pid = kill_child(process);
	while (!ends)
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	CHECK(TAILQ_EMPTY(&host.processes));
	CHECK(has_a_body(pid));

	CHECK_EQ(let_move(), pid);
	while (exists())
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	CHECK(is_reaped(pid));
	close_host();
}

static void take_event(void *context, const struct event_row *row)
{
	struct event_row *last = context;

	if (row->level == EVENT_WARNING)
		*last = *row;
}

TEST(a_child_that_cannot_be_moved_into_its_group_is_told_of)
{
	struct event_row told = { 0 };
	struct process *process;

	open_host(CGROUP_V1);
	use_groups(directory);
	CHECK_EQ(mkdirat(host.cgroups.fds[0], GROUP, 0700), 0);
	CHECK_EQ(mkdirat(host.cgroups.fds[0], GROUP "/cgroup.procs", 0700), 0);
	CHECK_EQ(events_follow(host.events, take_event, &told), 0);

	process = start("sleeper");
	while (!told.sequence)
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	CHECK(process->missing & SANDBOX_CGROUP);
	CHECK_EQ(strcmp(told.text, "a disk process cannot be moved into its "
				   "control group and runs without limits: "
				   "Is a directory"),
		 0);
	(void)kill_child(process);
	while (!TAILQ_EMPTY(&host.processes))
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	events_unfollow(host.events, take_event, &told);
	close_host();
}

struct newcomer {
	struct process process;
	bool is_done;
};

static void remember(void *context)
{
	struct newcomer *newcomer = context;

	child_remember(&host, &newcomer->process, false);
	newcomer->is_done = true;
}

static pid_t fork_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	CHECK(pid > 0);
	return pid;
}

TEST(a_new_monitor_waits_until_it_is_in_its_group)
{
	struct newcomer newcomer = { .process = { .supervisor = &host,
						  .role = ROLE_MONITOR,
						  .id = 1 } };
	pid_t pid = fork_sleeper();

	open_host(CGROUP_V1);
	use_groups(directory);
	make_pipe();
	newcomer.process.pid = pid;
	newcomer.process.pidfd = pidfd_open(pid, 0);

	errand_run(host.errands, remember, &newcomer);
	CHECK(!newcomer.is_done);

	CHECK_EQ(let_move(), pid);
	while (!newcomer.is_done)
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	CHECK(newcomer.process.layers & SANDBOX_CGROUP);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	close_fd(&newcomer.process.pidfd);
	close_host();
}

TEST(a_process_that_others_have_reaped_is_not_moved)
{
	struct process process = { .supervisor = &host,
				   .role = ROLE_MONITOR,
				   .id = 1 };
	pid_t pid = fork_sleeper();

	open_host(CGROUP_V1);
	use_groups(directory);
	process.pid = pid;
	process.pidfd = pidfd_open(pid, 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);

	child_place(&process);

	CHECK(!exists());
	CHECK(process.missing & SANDBOX_CGROUP);
	close_fd(&process.pidfd);
	close_host();
}

/* A hierarchy of version 2 that only we see, wherever the host has its own. */
static void mount_groups(char *path)
{
	if (geteuid() != 0)
		test_skip("mounting is root's");
	CHECK(mkdtemp(path) != NULL);
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("none", path, "cgroup2", 0, NULL), 0);
}

TEST(a_child_is_born_in_its_group_and_leaves_none)
{
	char mounted[] = "/tmp/group_test_XXXXXX", group[64], name[NAME_SIZE];
	struct process *process = NULL;

	mount_groups(mounted);
	open_host(CGROUP_V2);
	(void)snprintf(group, sizeof(group), "%s/bulkhead-test-%d", mounted,
		       (int)getpid());
	CHECK_EQ(mkdir(group, 0700), 0);
	use_groups(group);

	CHECK_EQ(process_spawn(&host, ROLE_DISK, "sleeper", &ops, NULL,
			       &process),
		 0);
	(void)snprintf(name, sizeof(name), "c%llu",
		       (unsigned long long)process->id);
	while (process->pidfd == NO_FD)
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	CHECK(process->layers & SANDBOX_CGROUP);
	CHECK(!process->is_moving);
	CHECK_EQ(unlinkat(host.cgroups.fds[0], name, AT_REMOVEDIR), -1);
	CHECK_EQ(errno, EBUSY);

	(void)kill_child(process);
	while (faccessat(host.cgroups.fds[0], name, F_OK, 0) == 0)
		CHECK(sd_event_run(host.event, UINT64_MAX) >= 0);
	close_host();
	CHECK_EQ(rmdir(group), 0);
	CHECK_EQ(umount2(mounted, MNT_DETACH), 0);
	CHECK_EQ(rmdir(mounted), 0);
}
