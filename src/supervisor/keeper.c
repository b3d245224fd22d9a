/* SPDX-License-Identifier: MIT */
#include "supervisor/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MOST_MS  5000

struct keeper {
	char **argv;
	sigset_t signals;
	pid_t supervisor;
	uint64_t started_ns;
	unsigned backoff_ms;
	bool is_ending;  /* it was told to end, and passed that on */
	int exit_status; /* negative while the supervisor is wanted */
};

static void become_supervisor(struct keeper *keeper)
{
	sigset_t none;
	char pid[24];

	(void)snprintf(pid, sizeof(pid), "%d", (int)getppid());
	(void)setenv(KEEPER_VARIABLE, pid, 1);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execv("/proc/self/exe", keeper->argv);
	_exit(EXIT_FAILURE);
}

/* Wait before the next start, longer each time it exits early. */
static void back_off(struct keeper *keeper)
{
	uint64_t lived_ns = clock_now_ns() - keeper->started_ns;
	struct timespec pause;

	if (lived_ns > NS_PER_S) {
		keeper->backoff_ms = 0;
		return;
	}
	keeper->backoff_ms =
		keeper->backoff_ms ? keeper->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (keeper->backoff_ms > BACKOFF_MOST_MS)
		keeper->backoff_ms = BACKOFF_MOST_MS;
	pause.tv_sec = keeper->backoff_ms / 1000;
	pause.tv_nsec = (long)(keeper->backoff_ms % 1000) * 1000000;
	(void)nanosleep(&pause, NULL);
}

/* Its children live on; a host short of processes must not end all that. */
static void start_supervisor(struct keeper *keeper)
{
	for (;;) {
		keeper->started_ns = clock_now_ns();
		keeper->supervisor = fork();
		if (keeper->supervisor == 0)
			become_supervisor(keeper);
		if (keeper->supervisor > 0)
			return;
		log_error("cannot start the supervisor: %s", strerror(errno));
		back_off(keeper);
	}
}

static bool has_children(void)
{
	siginfo_t info = { 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* A supervisor that cannot go on has guests that can: what is in its way may
 * be mended. Without any it says so to whoever starts it. */
static bool is_wanted(const struct keeper *keeper, int status)
{
	if (keeper->is_ending)
		return false;
	return WIFSIGNALED(status) ||
	       (WEXITSTATUS(status) != EXIT_SUCCESS && has_children());
}

static void supervisor_ended(struct keeper *keeper, int status)
{
	if (!is_wanted(keeper, status)) {
		keeper->exit_status =
			WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SUCCESS;
		return;
	}
	log_warn("supervisor %s, starting it again %s=%d",
		 WIFSIGNALED(status) ? "died" : "failed",
		 WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	back_off(keeper);
	start_supervisor(keeper);
}

static void reap(struct keeper *keeper)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == keeper->supervisor)
			supervisor_ended(keeper, status);
		else
			log_info("process ended pid=%d %s=%d", (int)pid,
				 WIFSIGNALED(status) ? "signal" : "status",
				 WIFSIGNALED(status) ? WTERMSIG(status)
						     : WEXITSTATUS(status));
	}
}

int keeper_run(char **argv)
{
	struct keeper keeper = { .argv = argv, .exit_status = -1 };
	siginfo_t info;

	log_open("bulkheadd", "keeper", LOG_INFO);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)sigemptyset(&keeper.signals);
	(void)sigaddset(&keeper.signals, SIGCHLD);
	(void)sigaddset(&keeper.signals, SIGTERM);
	(void)sigaddset(&keeper.signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &keeper.signals, NULL);
	start_supervisor(&keeper);
	while (keeper.exit_status < 0) {
		int number = sigwaitinfo(&keeper.signals, &info);

		if (number == SIGCHLD)
			reap(&keeper);
		else if (number > 0 && kill(keeper.supervisor, number) == 0)
			/* Too early for it to know better, it dies of it. */
			keeper.is_ending = true;
	}
	return keeper.exit_status;
}
