/* SPDX-License-Identifier: MIT */
/*
 * A folder stands for the kernel's, and a named pipe for cgroup.procs: opened
 * for writing it blocks until the test reads, like a move on a busy host.
 */
#include "supervisor/child/placer.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define QUOTED(text_)   #text_
#define TEXT_OF(macro_) QUOTED(macro_)

static char directory[64];
static struct cgroup_base base;
static struct placer *placer;

static void open_placer(void)
{
	(void)strcpy(directory, "/dev/shm/placer_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	base = (struct cgroup_base){ .version = CGROUP_V1, .tree_count = 1 };
	base.fds[0] = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(base.fds[0] >= 0);
	CHECK_EQ(placer_new(&placer, &base), 0);
}

static void close_placer(void)
{
	char command[96];

	placer_free(placer);
	close_fd(&base.fds[0]);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

/* A group that takes processes when the test says so. */
static void make_group(const char *group)
{
	char path[128];

	CHECK_EQ(mkdirat(base.fds[0], group, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	CHECK_EQ(mkfifoat(base.fds[0], path, 0600), 0);
}

/* Wait for the move into this group and let it end. Returns the pid moved. */
static pid_t let_move(const char *group)
{
	SCOPED(close_fd) int fd = NO_FD;
	char path[128], text[16];
	ssize_t bytes;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = openat(base.fds[0], path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	bytes = read(fd, text, sizeof(text) - 1);
	CHECK(bytes > 0);
	text[bytes] = '\0';
	return (pid_t)atoi(text);
}

/* From a process beside us, while we wait. */
static pid_t let_move_later(const char *group)
{
	pid_t helper = fork();

	if (helper == 0) {
		(void)usleep(50000);
		(void)let_move(group);
		_exit(0);
	}
	CHECK(helper > 0);
	return helper;
}

static bool exists(const char *group)
{
	return faccessat(base.fds[0], group, F_OK, 0) == 0;
}

static pid_t start_sleeper(int *ret_pidfd)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	CHECK(pid > 0);
	*ret_pidfd = pidfd_open(pid, 0);
	CHECK(*ret_pidfd >= 0);
	return pid;
}

static void end_sleeper(pid_t pid, int *pidfd)
{
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	close_fd(pidfd);
}

static void put(uint64_t id, const char *group, pid_t pid, int pidfd)
{
	struct placement placement = { .id = id, .pid = pid, .pidfd = pidfd };

	(void)snprintf(placement.group, sizeof(placement.group), "%s", group);
	CHECK_EQ(placer_put(placer, &placement), 0);
}

/* Does a thread of ours wait for the other end of a named pipe? */
static bool is_opening(void)
{
	static const char wanted[] = TEXT_OF(__NR_openat) " ";
	glob_t found;
	bool is_found = false;

	CHECK_EQ(glob("/proc/self/task/*/syscall", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc && !is_found; i++) {
		SCOPED(close_fd) int fd = NO_FD;
		char text[sizeof(wanted)] = "";

		fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
		is_found = fd >= 0 && read(fd, text, strlen(wanted)) > 0 &&
			   strcmp(text, wanted) == 0;
	}
	globfree(&found);
	return is_found;
}

/* The first placement: a move that goes on until let_move(). */
static void begin_move(uint64_t id, const char *group, pid_t pid, int pidfd)
{
	make_group(group);
	put(id, group, pid, pidfd);
	for (int tries = 0; !is_opening() && tries < 5000; tries++)
		(void)usleep(1000);
	CHECK(is_opening());
}

static bool has_result(int ms)
{
	struct pollfd done = { .fd = placer_fd(placer), .events = POLLIN };

	return poll(&done, 1, ms) == 1;
}

static int take(uint64_t id)
{
	struct placement placed = { .pidfd = NO_FD };

	CHECK(has_result(5000));
	CHECK(placer_take(placer, &placed));
	CHECK_EQ(placed.id, id);
	close_fd(&placed.pidfd);
	return placed.result;
}

TEST(nobody_waits_for_a_process_that_is_being_moved)
{
	struct placement placed;
	int pidfd;
	pid_t pid = start_sleeper(&pidfd);

	open_placer();
	make_group("one");

	put(1, "one", pid, pidfd);
	CHECK(!has_result(50));
	CHECK(!placer_take(placer, &placed));

	CHECK_EQ(let_move("one"), pid);
	CHECK_EQ(take(1), 0);
	CHECK(!placer_take(placer, &placed));
	close_placer();
	end_sleeper(pid, &pidfd);
}

TEST(one_that_cannot_wait_goes_before_those_that_do)
{
	struct placement urgent = { .id = 3, .group = "none" };
	int pidfd;
	pid_t pid = start_sleeper(&pidfd), helper;

	open_placer();
	begin_move(2, "two", pid, pidfd);
	make_group("one");
	put(1, "one", pid, pidfd);
	urgent.pid = pid;
	urgent.pidfd = pidfd;

	helper = let_move_later("two");
	CHECK_EQ(placer_place(placer, &urgent), -ENOENT);
	CHECK_EQ(waitpid(helper, NULL, 0), helper);
	CHECK(!exists("none"));
	CHECK_EQ(take(2), 0);
	CHECK_EQ(let_move("one"), pid);
	CHECK_EQ(take(1), 0);
	close_placer();
	end_sleeper(pid, &pidfd);
}

TEST(a_process_that_has_ended_is_not_moved)
{
	int pidfd;
	pid_t pid = start_sleeper(&pidfd);
	int mine = pidfd_open(pid, 0);

	open_placer();
	end_sleeper(pid, &pidfd);

	put(1, "one", pid, mine);
	CHECK_EQ(take(1), -ESRCH);
	CHECK(!exists("one"));
	close_placer();
	close_fd(&mine);
}

TEST(a_placement_is_dropped_only_while_it_waits)
{
	int pidfd;
	pid_t pid = start_sleeper(&pidfd);

	open_placer();
	begin_move(1, "one", pid, pidfd);
	put(2, "two", pid, pidfd);

	CHECK(placer_drop(placer, 2));
	CHECK(!placer_drop(placer, 1));
	CHECK(placer_drop(placer, 3));
	CHECK(placer_drop(NULL, 1));
	CHECK_EQ(let_move("one"), pid);
	CHECK(has_result(5000));
	CHECK(!placer_drop(placer, 1));
	CHECK_EQ(take(1), 0);
	CHECK(placer_drop(placer, 1));
	CHECK(!exists("two"));
	close_placer();
	end_sleeper(pid, &pidfd);
}

TEST(groups_are_swept_when_nobody_waits_for_a_place)
{
	int pidfd;
	pid_t pid = start_sleeper(&pidfd);

	open_placer();
	begin_move(1, "one", pid, pidfd);
	CHECK_EQ(mkdirat(base.fds[0], "left", 0700), 0);

	placer_sweep(placer);
	(void)usleep(20000);
	CHECK(exists("left"));
	CHECK_EQ(let_move("one"), pid);
	CHECK_EQ(take(1), 0);
	for (int tries = 0; exists("left") && tries < 200; tries++)
		(void)usleep(10000);
	CHECK(!exists("left"));
	CHECK(exists("one"));
	close_placer();
	end_sleeper(pid, &pidfd);
}

TEST(a_placer_ends_with_placements_that_wait)
{
	int pidfd;
	pid_t pid = start_sleeper(&pidfd);

	open_placer();
	begin_move(1, "one", pid, pidfd);
	put(2, "two", pid, pidfd);
	CHECK_EQ(let_move("one"), pid);
	close_placer();
	end_sleeper(pid, &pidfd);
}
