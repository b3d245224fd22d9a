/* SPDX-License-Identifier: MIT */
#include "supervisor/child/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "base/text.h"
#include "control/control.h"
#include "supervisor/errand/urgency.h"

/* Of our environment a child sees what tests and sanitizers need, no more. */
static const char *const kept_variables[] = {
	"BULKHEAD_FAILPOINT=", "BULKHEAD_POISON_OFFSET=", "ASAN_OPTIONS=",
	"UBSAN_OPTIONS=",      "LSAN_OPTIONS=",
};

static int find_program(const char *directory, const char *program, char *path,
			size_t room)
{
	const char *folder = strchr(program, '-') + 1;

	(void)snprintf(path, room, "%s/%s", directory, program);
	if (access(path, X_OK) == 0)
		return 0;
	(void)snprintf(path, room, "%s/%s/%s", directory, folder, program);
	return access(path, X_OK) == 0 ? 0 : -ENOENT;
}

static void keep_variables(char **kept)
{
	size_t count = 0;

	for (char **item = environ; *item; item++)
		for (size_t i = 0; i < ARRAY_COUNT(kept_variables); i++)
			if (count < ARRAY_COUNT(kept_variables) &&
			    strncmp(*item, kept_variables[i],
				    strlen(kept_variables[i])) == 0)
				kept[count++] = *item;
	kept[count] = NULL;
}

static void choose_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, defaults;

	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(attributes, &none);
	/* SIGPIPE stays ignored: a closed standard error must not end it. */
	(void)sigfillset(&defaults);
	(void)sigdelset(&defaults, SIGPIPE);
	(void)sigdelset(&defaults, SIGKILL);
	(void)sigdelset(&defaults, SIGSTOP);
	(void)posix_spawnattr_setsigdefault(attributes, &defaults);
	/* A session of its own: a terminal's signals are not for it. */
	(void)posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
				    POSIX_SPAWN_SETSID);
}

/* The control link and standard error; the rest is nothing. */
static void choose_files(posix_spawn_file_actions_t *actions, int fd,
			 int log_fd)
{
	(void)posix_spawn_file_actions_init(actions);
	(void)posix_spawn_file_actions_adddup2(actions, fd, CONTROL_CHILD_FD);
	(void)posix_spawn_file_actions_addopen(actions, STDIN_FILENO,
					       "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(actions, STDOUT_FILENO,
					       "/dev/null", O_WRONLY, 0);
	if (log_fd == NO_FD)
		(void)posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO,
						       STDERR_FILENO);
	else
		(void)posix_spawn_file_actions_adddup2(actions, log_fd,
						       STDERR_FILENO);
}

int spawn_child(const char *directory, const char *program, const char *name,
		int control_fd, int log_fd, pid_t *ret_pid)
{
	char *kept[ARRAY_COUNT(kept_variables) + 1];
	char path[PATH_MAX], title[NAME_SIZE + 2];
	char *arguments[] = { (char *)program, title, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	r = find_program(directory, program, path, sizeof(path));
	if (r < 0)
		return r;
	(void)snprintf(title, sizeof(title), "[%s]", name);
	keep_variables(kept);
	choose_files(&actions, control_fd, log_fd);
	(void)posix_spawnattr_init(&attributes);
	choose_signals(&attributes);
	r = -posix_spawn(ret_pid, path, &actions, &attributes, arguments, kept);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

int spawn_program(const char *const *arguments, int fd, pid_t *ret_pid)
{
	static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin";
	char *environment[] = { path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	choose_files(&actions, fd, NO_FD);
	(void)posix_spawnattr_init(&attributes);
	choose_signals(&attributes);
	urgency_begin_birth(false);
	r = -posix_spawnp(ret_pid, arguments[0], &actions, &attributes,
			  (char *const *)arguments, environment);
	urgency_end_birth();
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}
