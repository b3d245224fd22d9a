/* SPDX-License-Identifier: MIT */
#include "supervisor/child/spawn_child.h"

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

#include "base/scope.h"
#include "lib/harness.h"

static const char *const sleeper[] = { "sleep", "600", NULL };

static void end(struct spawned *spawned)
{
	CHECK_EQ(pidfd_send_signal(spawned->pidfd, SIGKILL, NULL, 0), 0);
	CHECK_EQ(waitpid(spawned->pid, NULL, 0), spawned->pid);
	close_fd(&spawned->pidfd);
}

/* A hierarchy of version 2 that only we see, wherever the host has its own. */
static void mount_groups(char *directory)
{
	CHECK(mkdtemp(directory) != NULL);
	if (geteuid() != 0)
		test_skip("mounting is root's");
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("none", directory, "cgroup2", 0, NULL), 0);
}

static void unmount_groups(const char *directory)
{
	CHECK_EQ(umount2(directory, MNT_DETACH), 0);
	CHECK_EQ(rmdir(directory), 0);
}

/* Its only member, or 0. */
static pid_t member_of(int group)
{
	SCOPED(close_fd)
	int fd = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) >= 0);
	return (pid_t)strtol(text, NULL, 10);
}

TEST(a_process_is_born_in_its_group)
{
	char directory[] = "/tmp/spawn_child_test_XXXXXX", group[64];
	struct spawn spawn = { .control_fd = STDIN_FILENO, .log_fd = NO_FD };
	struct spawned spawned;

	mount_groups(directory);
	(void)snprintf(group, sizeof(group), "%s/bulkhead-test-%d", directory,
		       (int)getpid());
	CHECK_EQ(mkdir(group, 0755), 0);
	spawn.group_fd = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_EQ(spawn_program(sleeper, &spawn, &spawned), 0);

	CHECK(spawned.is_in_group);
	CHECK_EQ(member_of(spawn.group_fd), spawned.pid);
	end(&spawned);
	close_fd(&spawn.group_fd);
	CHECK_EQ(rmdir(group), 0);
	unmount_groups(directory);
}

TEST(a_process_whose_group_does_not_take_it_is_born_outside)
{
	SCOPED(close_fd) int none = open("/", O_RDONLY | O_CLOEXEC);
	struct spawn spawn = { STDIN_FILENO, NO_FD, none };
	struct spawned spawned;

	CHECK_EQ(spawn_program(sleeper, &spawn, &spawned), 0);

	CHECK(!spawned.is_in_group);
	end(&spawned);
}

TEST(a_program_that_is_not_there_leaves_no_process)
{
	const char *const arguments[] = { "bulkhead-no-such-program", NULL };
	struct spawn spawn = { STDIN_FILENO, NO_FD, NO_FD };
	struct spawned spawned;

	CHECK_EQ(spawn_program(arguments, &spawn, &spawned), -ENOENT);

	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
	CHECK_EQ(errno, ECHILD);
}

static const char tell[] =
	"awk '/^SigBlk|^SigIgn/ { print $2 }' /proc/self/status >&3;"
	"cd /proc/$$/fd && echo \"$(readlink 0 1 2)\" >&3; "
	"[ $(cut -d' ' -f6 ../stat) = $$ ] && echo leader >&3";

TEST(a_program_begins_with_nothing_but_its_link_and_usual_signals)
{
	const char *const arguments[] = { "sh", "-c", tell, NULL };
	struct spawn spawn = { NO_FD, NO_FD, NO_FD };
	struct spawned spawned;
	char said[256] = "", wanted[256];
	sigset_t all;
	int fds[2];
	FILE *from;

	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	spawn.control_fd = fds[1];
	(void)sigfillset(&all);
	CHECK_EQ(sigprocmask(SIG_SETMASK, &all, NULL), 0);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);

	CHECK_EQ(spawn_program(arguments, &spawn, &spawned), 0);

	close_fd(&fds[1]);
	from = fdopen(fds[0], "r");
	CHECK(fread(said, 1, sizeof(said) - 1, from) > 0);
	(void)fclose(from);
	(void)snprintf(
		wanted, sizeof(wanted),
		"%016u\n%016x\n/dev/null\n/dev/null\n/dev/null\nleader\n", 0u,
		1u << (SIGPIPE - 1));
	CHECK_EQ(strcmp(said, wanted), 0);
	CHECK_EQ(waitpid(spawned.pid, NULL, 0), spawned.pid);
	close_fd(&spawned.pidfd);
}
