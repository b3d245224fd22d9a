/* SPDX-License-Identifier: MIT */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static char name[NAME_SIZE];

/* False where this host gives us none: an optional layer. */
static void open_base(struct cgroup_base *base)
{
	int error;

	(void)snprintf(name, sizeof(name), "bulkhead-test-%d", (int)getpid());
	error = cgroup_base_open(name, base);
	if (error == -EOPNOTSUPP)
		test_skip("no control groups are ours to make");
	CHECK_EQ(error, 0);
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	CHECK(pid > 0);
	return pid;
}

static void end_sleeper(pid_t pid)
{
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static bool contains(int folder, const char *path, const char *wanted)
{
	SCOPED(close_fd) int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t bytes;

	CHECK(fd >= 0);
	bytes = read(fd, text, sizeof(text) - 1);
	CHECK(bytes >= 0);
	text[bytes] = '\0';
	return strstr(text, wanted);
}

static bool exists(const struct cgroup_base *base, const char *group)
{
	struct stat info;

	return fstatat(base->fds[0], group, &info, 0) == 0;
}

/* A group goes a moment after its last process. */
static bool is_swept(const struct cgroup_base *base, const char *group)
{
	for (int tries = 0; exists(base, group) && tries < 200; tries++) {
		cgroup_sweep(base);
		(void)usleep(10000);
	}
	return !exists(base, group);
}

TEST(a_process_is_placed_and_its_group_goes_with_it)
{
	struct cgroup_limits limits = { .memory_bytes = 64 << 20,
					.process_count = 8,
					.cpu_weight = 200 };
	struct cgroup_base base;
	char pid_text[16];
	pid_t pid;

	open_base(&base);
	pid = start_sleeper();
	(void)snprintf(pid_text, sizeof(pid_text), "%d\n", (int)pid);

	CHECK_EQ(cgroup_place(&base, "child", pid, &limits), 0);
	for (uint32_t i = 0; i < base.tree_count; i++)
		CHECK(contains(base.fds[i], "child/cgroup.procs", pid_text));
	if (base.version == CGROUP_V1 && (base.kinds[0] & CGROUP_MEMORY))
		CHECK(contains(base.fds[0], "child/memory.limit_in_bytes",
			       "67108864"));
	cgroup_sweep(&base);
	CHECK(exists(&base, "child"));

	end_sleeper(pid);
	CHECK(is_swept(&base, "child"));
	cgroup_base_close(&base);
	cgroup_base_close(&base);
}

TEST(a_group_left_by_an_earlier_supervisor_is_taken_over)
{
	struct cgroup_limits limits = { 0 };
	struct cgroup_base base;
	pid_t pid;

	open_base(&base);
	pid = start_sleeper();
	CHECK_EQ(cgroup_place(&base, "child", pid, &limits), 0);
	CHECK_EQ(cgroup_place(&base, "child", pid, &limits), 0);

	end_sleeper(pid);
	CHECK(is_swept(&base, "child"));
	cgroup_base_close(&base);
}

TEST(what_a_process_left_behind_in_its_group_is_ended)
{
	struct cgroup_limits limits = { 0 };
	struct cgroup_base base;
	pid_t left[3];
	int status;

	open_base(&base);
	for (int i = 0; i < 3; i++) {
		left[i] = start_sleeper();
		CHECK_EQ(cgroup_place(&base, "child", left[i], &limits), 0);
	}

	cgroup_kill(&base, "child", 0);
	cgroup_kill(&base, "nobody", 0);

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(waitpid(left[i], &status, 0), left[i]);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	CHECK(is_swept(&base, "child"));
	cgroup_base_close(&base);
}

TEST(a_group_is_gone_as_soon_as_what_was_left_in_it_has_ended)
{
	struct cgroup_limits limits = { 0 };
	struct cgroup_base base;
	pid_t left;

	open_base(&base);
	/* Reaped by nobody but the kernel. */
	CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	left = start_sleeper();
	CHECK_EQ(cgroup_place(&base, "child", left, &limits), 0);

	cgroup_kill(&base, "child", 5000);

	CHECK(!exists(&base, "child"));
	CHECK_EQ(kill(left, 0), -1);
	cgroup_base_close(&base);
}

TEST(a_process_that_is_gone_leaves_no_group)
{
	struct cgroup_limits limits = { 0 };
	struct cgroup_base base;
	pid_t pid;

	open_base(&base);
	pid = start_sleeper();
	end_sleeper(pid);

	CHECK_EQ(cgroup_place(&base, "child", pid, &limits), -ESRCH);
	CHECK(!exists(&base, "child"));
	cgroup_base_close(&base);
}

TEST(a_group_that_is_not_a_name_is_refused)
{
	struct cgroup_limits limits = { 0 };
	struct cgroup_base none = { 0 };

	CHECK_EQ(cgroup_place(&none, "../up", getpid(), &limits), -EINVAL);
	CHECK_EQ(cgroup_place(&none, "", getpid(), &limits), -EINVAL);
	CHECK_EQ(cgroup_place(&none, "a", getpid(), &limits), -EOPNOTSUPP);
	CHECK_EQ(cgroup_create(&none, "..", &limits), -EINVAL);
	CHECK_EQ(cgroup_create(&none, "a", &limits), -EOPNOTSUPP);
	CHECK_EQ(cgroup_base_open("a/b", &none), -EINVAL);
}
