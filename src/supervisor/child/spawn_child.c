/* SPDX-License-Identifier: MIT */
#include "supervisor/child/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

/* What the new process is made of. It shares our memory until its program runs,
 * so this is how it tells why that does not. */
struct birth {
	const char *program;
	char *const *arguments;
	char *const *environment;
	const struct spawn *spawn;
	int error;
};

/* Room for a path on the way to the program, twice. */
#define STACK_BYTES (32u << 10)

/* Also when it is that number already, and would be closed. */
static int place_fd(int fd, int number)
{
	return fd == number ? fcntl(fd, F_SETFD, 0) : dup2(fd, number);
}

/* The control link and standard error; the rest is nothing. */
static int choose_files(const struct spawn *spawn)
{
	int nothing;

	if (place_fd(spawn->control_fd, CONTROL_CHILD_FD) < 0)
		return -errno;
	nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing < 0 || place_fd(nothing, STDIN_FILENO) < 0 ||
	    place_fd(nothing, STDOUT_FILENO) < 0 ||
	    place_fd(spawn->log_fd == NO_FD ? nothing : spawn->log_fd,
		     STDERR_FILENO) < 0)
		return -errno;
	return 0;
}

static void choose_signals(void)
{
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* SIGPIPE stays ignored: a closed standard error must not end it. */
	for (int number = 1; number < NSIG; number++)
		if (number != SIGPIPE)
			(void)sigaction(number, &usual, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The new process, on a stack that ends with it. */
static int begin(void *context)
{
	struct birth *birth = context;

	birth->error = choose_files(birth->spawn);
	/* A session of its own: a terminal's signals are not for it. */
	if (birth->error == 0 && setsid() < 0)
		birth->error = -errno;
	if (birth->error == 0) {
		choose_signals();
		(void)execvpe(birth->program, birth->arguments,
			      birth->environment);
		birth->error = -errno;
	}
	_exit(127);
}

/*
 * The C library has no clone3(). Both processes return from the system call with
 * the same registers; the new one has an empty stack, and never comes back.
 */
static pid_t clone_into_group(struct clone_args *arguments, struct birth *birth)
{
	register int (*function)(void *) __asm__("r8") = begin;
	register void *context __asm__("r9") = birth;
	long result = SYS_clone3;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "ud2\n"
			 "1:"
			 : "+a"(result)
			 : "D"(arguments), "S"(sizeof(*arguments)),
			   "r"(function), "r"(context)
			 : "rcx", "r11", "cc", "memory");
	return (pid_t)result;
}

/* Nor do the filters of some containers let it pass. */
static pid_t clone_process(struct birth *birth, int *ret_pidfd,
			   bool *ret_is_in_group)
{
	const uint64_t flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
	_Alignas(16) char stack[STACK_BYTES];
	struct clone_args arguments = {
		.flags = flags | CLONE_INTO_CGROUP,
		.pidfd = (uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = sizeof(stack),
		.cgroup = (uint64_t)birth->spawn->group_fd,
	};
	pid_t pid = -1;

	if (birth->spawn->group_fd != NO_FD)
		pid = clone_into_group(&arguments, birth);
	*ret_is_in_group = pid > 0;
	if (pid < 0)
		pid = clone(begin, stack + sizeof(stack), (int)flags | SIGCHLD,
			    birth, ret_pidfd);
	return pid;
}

/* No handler of ours runs in a process that shares our memory. */
static int give_birth(struct birth *birth, struct spawned *ret_spawned)
{
	struct spawned spawned = { .pidfd = NO_FD };
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	spawned.pid =
		clone_process(birth, &spawned.pidfd, &spawned.is_in_group);
	r = spawned.pid < 0 ? -errno : birth->error;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* Of a process that was not made the kernel may have left a number that
	 * is somebody else's by now. */
	if (r == 0) {
		*ret_spawned = spawned;
	} else if (spawned.pid > 0) {
		(void)waitpid(spawned.pid, NULL, 0);
		close_fd(&spawned.pidfd);
	}
	return r;
}

int spawn_child(const char *directory, const char *program, const char *name,
		const struct spawn *spawn, struct spawned *ret_spawned)
{
	char *kept[ARRAY_COUNT(kept_variables) + 1];
	char path[PATH_MAX], title[NAME_SIZE + 2];
	char *arguments[] = { (char *)program, title, NULL };
	struct birth birth = { path, arguments, kept, spawn, 0 };
	int r;

	r = find_program(directory, program, path, sizeof(path));
	if (r < 0)
		return r;
	(void)snprintf(title, sizeof(title), "[%s]", name);
	keep_variables(kept);
	return give_birth(&birth, ret_spawned);
}

int spawn_program(const char *const *arguments, const struct spawn *spawn,
		  struct spawned *ret_spawned)
{
	static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin";
	char *environment[] = { path, NULL };
	struct birth birth = { arguments[0], (char *const *)arguments,
			       environment, spawn, 0 };
	int r;

	urgency_begin_birth(false);
	r = give_birth(&birth, ret_spawned);
	urgency_end_birth();
	return r;
}
