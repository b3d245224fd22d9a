/* SPDX-License-Identifier: MIT */
/*
 * A test of what is forbidden tries it. What is not refused must harm nobody:
 * whoever links this runs its tests in namespaces of their own, as a root who
 * owns nothing outside. Without the rights for that (an ordinary user, some
 * containers) they run as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"

/* Uids of nobody outside, as many as the tests name inside. */
#define MAPPED "0 1000000000 65536"

#define NAMESPACES                                                   \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWIPC | CLONE_NEWUTS)

static bool write_map(pid_t pid, const char *name)
{
	char path[64];
	SCOPED(close_fd) int fd = NO_FD;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 &&
	       write(fd, MAPPED, strlen(MAPPED)) == (ssize_t)strlen(MAPPED);
}

static bool raise_loopback(void)
{
	SCOPED(close_fd) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	return fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* In the new namespaces, once its uids are mapped. */
static bool settle(void)
{
	/* As after an exec: of a change of uid the owner of /proc/self. */
	return setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0 &&
	       prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("proc", "/proc", "proc", 0, NULL) == 0 && raise_loopback();
}

static void end_as(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		_exit(EXIT_FAILURE);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

/* The child goes on to main(); the parent reports how it ended. */
static void be_parent(pid_t pid, int link)
{
	char byte = 0;

	if (write_map(pid, "uid_map") && write_map(pid, "gid_map") &&
	    send(link, &byte, 1, MSG_NOSIGNAL) == 1 &&
	    recv(link, &byte, 1, 0) == 1)
		end_as(pid);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)fprintf(stderr, "not in namespaces of its own\n");
}

static void be_child(int link)
{
	char byte;

	if (recv(link, &byte, 1, 0) != 1 || !settle() ||
	    send(link, &byte, 1, MSG_NOSIGNAL) != 1)
		_exit(EXIT_FAILURE);
}

/* Before any other constructor. */
__attribute__((constructor(101))) static void live_apart(void)
{
	SCOPED(close_fd) int mine = NO_FD;
	SCOPED(close_fd) int theirs = NO_FD;
	int ends[2];
	pid_t pid;

	if (geteuid() != 0)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	mine = ends[0];
	theirs = ends[1];
	pid = (pid_t)syscall(SYS_clone, NAMESPACES | SIGCHLD, NULL, NULL, NULL,
			     NULL);
	if (pid == 0) {
		close_fd(&mine);
		be_child(theirs);
	} else if (pid > 0) {
		close_fd(&theirs);
		be_parent(pid, mine);
	}
}
