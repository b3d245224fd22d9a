/* SPDX-License-Identifier: MIT */
#include "sandbox/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "sandbox/jail_filter.h"
#include "sandbox/jail_root.h"
#include "sandbox/layers.h"

/* What the child tells before exec, and again if exec fails. */
struct progress {
	struct sandbox_layers layers;
	int error;
};

#define ARGUMENT_MAX 256

static bool is_boot_path(const char *path)
{
	const char *name = path + strlen("/boot/");

	return strncmp(path, "/boot/", strlen("/boot/")) == 0 && *name &&
	       *name != '.' && !strchr(name, '/');
}

static int check(const struct jail *jail)
{
	if (jail->file_count > JAIL_FILE_MAX || jail->fd_count > JAIL_FD_MAX)
		return -EINVAL;
	for (size_t i = 0; i < jail->file_count; i++)
		if (!is_boot_path(jail->files[i].path))
			return -EINVAL;
	for (size_t i = 0; i < jail->socket_count; i++)
		if (!is_boot_path(jail->sockets[i].path))
			return -EINVAL;
	for (size_t i = 0; i < jail->fd_count; i++)
		if (jail->fds[i].number < 0 ||
		    jail->fds[i].number >= JAIL_FD_MAX)
			return -EINVAL;
	return 0;
}

/* ---- in the child ---- */

/* Above every number the program is to find something at. */
static int raise_fd(int fd)
{
	int raised = fcntl(fd, F_DUPFD_CLOEXEC, JAIL_FD_MAX);

	return raised < 0 ? -errno : raised;
}

static int fill_standard(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	null = raise_fd(null);
	for (int number = 0; number < 3; number++)
		if (null < 0 || dup2(null, number) < 0)
			return -EBADF;
	return 0;
}

/* Everything is marked to be closed by exec, then what is listed is put at
 * its number, which clears the mark there. */
static int arrange_fds(const struct jail *jail)
{
	int raised[JAIL_FD_MAX];

	for (size_t i = 0; i < jail->fd_count; i++) {
		raised[i] = raise_fd(jail->fds[i].fd);
		if (raised[i] < 0)
			return raised[i];
	}
	if (fill_standard() < 0)
		return -EBADF;
	if (syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < jail->fd_count; i++)
		if (dup2(raised[i], jail->fds[i].number) < 0)
			return -errno;
	return 0;
}

/* The signal state of our event loop is not the program's. */
static void reset_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
}

static int take_layers(const struct jail *jail, struct sandbox_layers *layers)
{
	int r;

	layers_unshare(layers);
	layers_record(layers, SANDBOX_ROOT,
		      layers->in_place & SANDBOX_MOUNT_NAMESPACE
			      ? jail_root_enter(jail)
			      : -EPERM);
	/* 1 is "none"; see sandbox.c. */
	layers_record(layers, SANDBOX_LIMITS, layers_limit(RLIMIT_CORE, 1));
	layers_drop_bounding();
	layers_record(layers, SANDBOX_UID, layers_become(jail->uid, jail->gid));
	layers_record(layers, SANDBOX_CAPABILITIES, layers_drop_capabilities());
	layers_record(layers, SANDBOX_NO_NEW_PRIVS,
		      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0);
	/* After the last change of uid, which takes it back; before the filter,
	 * which refuses it. */
	r = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
	layers_record(layers, SANDBOX_SECCOMP, jail_seal());
	return r;
}

/* Without a root of its own the program reaches its files by descriptor. */
static void name_files(const struct jail *jail, char **arguments)
{
	static char names[JAIL_FILE_MAX][24];

	for (size_t i = 0; i < jail->file_count; i++) {
		int fd = fcntl(jail->files[i].fd, F_DUPFD, JAIL_FD_MAX);

		(void)snprintf(names[i], sizeof(names[i]), "/dev/fd/%d", fd);
		for (char **at = arguments; *at; at++)
			if (strcmp(*at, jail->files[i].path) == 0)
				*at = names[i];
	}
}

static int copy_arguments(const struct jail *jail, char **copy)
{
	size_t count = 0;

	while (jail->arguments[count]) {
		copy[count] = jail->arguments[count];
		if (++count == ARGUMENT_MAX)
			return -E2BIG;
	}
	copy[count] = NULL;
	return 0;
}

static int run(const struct jail *jail, struct progress *progress, int report)
{
	static char *const environment[] = { NULL };
	char *arguments[ARGUMENT_MAX];
	int r = layers_check(&progress->layers, jail->required);

	if (r == 0 && jail->socket_count &&
	    !(progress->layers.in_place & SANDBOX_ROOT))
		r = -EPERM;
	if (r == 0)
		r = copy_arguments(jail, arguments);
	if (r == 0)
		r = arrange_fds(jail);
	if (r < 0)
		return r;
	if (!(progress->layers.in_place & SANDBOX_ROOT))
		name_files(jail, arguments);
	reset_signals();
	/* Fails, fatally, if the starter died before its death was to be told. */
	if (write(report, progress, sizeof(*progress)) < 0)
		return -errno;
	(void)execve(jail->program, arguments, environment);
	return -errno;
}

static void child_main(const struct jail *jail, struct progress *progress,
		       int report_fd)
{
	int report = raise_fd(report_fd);

	if (report < 0)
		_exit(1);
	progress->layers.required = jail->required;
	progress->error = take_layers(jail, &progress->layers);
	if (progress->error == 0)
		progress->error = run(jail, progress, report);
	(void)!write(report, progress, sizeof(*progress));
	_exit(1);
}

/* ---- in the starter ---- */

/* Not clone3(), which the filters of containers refuse. */
static pid_t clone_child(unsigned long flags, int *ret_pidfd)
{
	int pidfd = NO_FD;
	pid_t pid = (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD,
				   NULL, &pidfd, NULL, NULL);

	*ret_pidfd = pidfd;
	return pid;
}

/*
 * Fork into new pid (and, for an ordinary user, user) namespaces: a process
 * cannot enter the first one itself. Returns 0 in the child, as fork() does.
 */
static pid_t fork_child(struct sandbox_layers *layers, int *ret_pidfd)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	unsigned long flags = CLONE_NEWPID | (uid ? CLONE_NEWUSER : 0);
	pid_t pid = clone_child(flags, ret_pidfd);
	int r = pid < 0 ? -errno : 0;

	if (r < 0)
		pid = clone_child(0, ret_pidfd);
	if (pid != 0)
		return pid < 0 ? -errno : pid;
	if (uid && r == 0)
		r = layers_map_user(uid, gid);
	if (uid)
		layers_record(layers, SANDBOX_USER_NAMESPACE, r);
	layers_record(layers, SANDBOX_PID_NAMESPACE, r);
	return 0;
}

/* The last report before exec or exit counts; end of file is success. */
static int await_exec(int report, struct progress *progress)
{
	progress->error = -EIO; /* died without a word */
	while (read(report, progress, sizeof(*progress)) ==
	       (ssize_t)sizeof(*progress))
		;
	return progress->error;
}

int jail_start(const struct jail *jail, struct jailed *ret_jailed,
	       struct sandbox_layers *ret_layers)
{
	struct progress progress = { 0 };
	struct jailed jailed = { .pid = -1, .pidfd = NO_FD };
	SCOPED(close_fd) int report = NO_FD;
	SCOPED(close_fd) int child_report = NO_FD;
	int ends[2], r = check(jail);

	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	report = ends[0];
	child_report = ends[1];
	jailed.pid = fork_child(&progress.layers, &jailed.pidfd);
	if (jailed.pid < 0)
		return jailed.pid;
	if (jailed.pid == 0)
		child_main(jail, &progress, child_report);
	close_fd(&child_report);
	r = await_exec(report, &progress);
	*ret_layers = progress.layers;
	if (r < 0) {
		jail_close(&jailed);
		return r;
	}
	*ret_jailed = jailed;
	return 0;
}

void jail_close(struct jailed *jailed)
{
	if (jailed->pidfd == NO_FD)
		return;
	(void)syscall(SYS_pidfd_send_signal, jailed->pidfd, SIGKILL, NULL, 0);
	(void)waitpid(jailed->pid, NULL, 0);
	close_fd(&jailed->pidfd);
	jailed->pid = -1;
}
