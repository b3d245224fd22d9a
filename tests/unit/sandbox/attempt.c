/* SPDX-License-Identifier: MIT */
#include "sandbox/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define NOBODY 65534

/* A uid nothing else runs under, unlike the ordinary user's. */
#define FOREIGN 64001

static char meet_path[32];
static int meet_fd = NO_FD;
static int listener = NO_FD;
static pid_t maker;

static void forget(void)
{
	char path[64];

	if (getpid() != maker)
		return;
	(void)snprintf(path, sizeof(path), "%s/supervisor", meet_path);
	(void)unlink(path);
	(void)rmdir(meet_path);
}

/* Descriptors stay open, so they are made before the harness counts. */
__attribute__((constructor)) static void make_meet(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)strcpy(meet_path, "/tmp/meetXXXXXX");
	if (!mkdtemp(meet_path) || chmod(meet_path, 0755) < 0)
		abort();
	meet_fd = open(meet_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       "%s/supervisor", meet_path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 4) < 0 || chmod(address.sun_path, 0666) < 0)
		abort();
	maker = getpid();
	(void)atexit(forget);
}

bool attempt_can_be(enum who who)
{
	return who == AS_USER || geteuid() == 0;
}

struct sandbox attempt_config(void)
{
	return (struct sandbox){
		.root_fd = meet_fd,
		.uid = FOREIGN,
		.gid = FOREIGN,
		.file_count = 256,
	};
}

int attempt_listener(void)
{
	return listener;
}

void attempt_become_user(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		abort();
	/* As after an exec; a change of uid alone hides /proc/self. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void run_attempt(enum who who, enum depth depth, int (*try)(void),
			struct sandbox_layers *layers)
{
	struct sandbox config = attempt_config();

	if (who == AS_USER)
		attempt_become_user();
	if (sandbox_enter(&config, layers) < 0)
		_exit(255);
	(void)close(meet_fd);
	if (depth == SEALED && role_seal(layers) < 0)
		_exit(254);
	_exit(try());
}

int attempt(enum who who, enum depth depth, int (*try)(void),
	    struct sandbox_layers *ret_layers)
{
	struct sandbox_layers *layers =
		mmap(NULL, sizeof(*layers), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	CHECK(layers != MAP_FAILED);
	pid = fork();
	if (pid == 0)
		run_attempt(who, depth, try, layers);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (ret_layers)
		*ret_layers = *layers;
	(void)munmap(layers, sizeof(*layers));
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int ended_as(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		_exit(253);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int call_sealed(long number)
{
	struct sandbox_layers layers = { 0 };
	pid_t pid = fork();

	if (pid != 0)
		return ended_as(pid);
	(void)alarm(1); /* of those that are allowed, some wait */
	/* rt_sigreturn() may crash, and a sanitizer would make calls then. */
	(void)signal(SIGSEGV, SIG_DFL);
	(void)signal(SIGBUS, SIG_DFL);
	if (role_seal(&layers) < 0)
		_exit(254);
	_exit(syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) < 0 ? errno : 0);
}

void attempt_each_call(enum who who, size_t count, int *ret_ended)
{
	size_t bytes = count * sizeof(*ret_ended);
	int *ended = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sandbox config = attempt_config();
	struct sandbox_layers layers;
	pid_t pid;

	CHECK(ended != MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		if (who == AS_USER)
			attempt_become_user();
		if (sandbox_enter(&config, &layers) < 0)
			_exit(255);
		for (size_t i = 0; i < count; i++)
			ended[i] = call_sealed((long)i);
		_exit(0);
	}
	CHECK_EQ(ended_as(pid), 0);
	memcpy(ret_ended, ended, bytes);
	(void)munmap(ended, bytes);
}
