/* SPDX-License-Identifier: MIT */
/* bulkheadd: the supervisor, or with --keep the keeper above it. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/errand/urgency.h"
#include "supervisor/keeper.h"
#include "supervisor/store/recover.h"
#include "supervisor/supervisor.h"

#define EXIT_REFUSED 2

static int fail(const struct refusal *refusal, int r)
{
	fprintf(stderr, "bulkheadd: %s%s%s\n", refusal->field,
		refusal->field[0] ? ": " : "", refusal->text);
	return r == -EINVAL || r == -EBUSY || r == -ENOENT || r == -EPROTO ||
			       r == -ENAMETOOLONG
		       ? EXIT_REFUSED
		       : EXIT_FAILURE;
}

/* The same command line without --keep. */
static int run_kept(char **arguments)
{
	size_t kept = 0;

	for (size_t i = 0; arguments[i]; i++)
		if (strcmp(arguments[i], "--keep") != 0)
			arguments[kept++] = arguments[i];
	arguments[kept] = NULL;
	return keeper_run(arguments);
}

/* SIGTERM and SIGINT end the supervisor alone; its children live on. */
static int watch_signals(struct supervisor *supervisor)
{
	sigset_t signals;
	int r;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	r = sd_event_add_signal(supervisor->event, NULL, SIGTERM, NULL, NULL);
	if (r < 0)
		return r;
	return sd_event_add_signal(supervisor->event, NULL, SIGINT, NULL, NULL);
}

static int on_earned(sd_event_source *source, uint64_t usec, void *data)
{
	return 0;
}

/* A loop that is like everyone for a while is woken when that is over. */
static int on_turn(sd_event_source *source, void *data)
{
	uint64_t until_ns;

	urgency_end_turn();
	until_ns = urgency_spent_until_ns();
	if (until_ns == 0)
		return 0;
	(void)sd_event_source_set_time(data, until_ns / NS_PER_US + 1);
	return sd_event_source_set_enabled(data, SD_EVENT_ONESHOT);
}

/* A host that refuses it is served all the same: `bulkhead doctor` says so. */
static int make_urgent(struct supervisor *supervisor)
{
	sd_event_source *earned = NULL;
	int r;

	if (!urgency_open())
		return 0;
	r = sd_event_add_time(supervisor->event, &earned, CLOCK_MONOTONIC, 0,
			      1000, on_earned, NULL);
	if (r < 0)
		return r;
	(void)sd_event_source_set_floating(earned, true);
	r = sd_event_add_post(supervisor->event, NULL, on_turn, earned);
	(void)sd_event_source_unref(earned);
	return r;
}

static int run(struct supervisor *supervisor)
{
	struct refusal refusal = { 0 };
	int r;

	log_open("bulkheadd", NULL, supervisor->config.log_level);
	r = supervisor_open(supervisor, &refusal);
	if (r == 0)
		r = watch_signals(supervisor);
	if (r >= 0)
		r = make_urgent(supervisor);
	r = r < 0 ? fail(&refusal, r) : sd_event_loop(supervisor->event);
	supervisor_close(supervisor);
	return r < 0 ? EXIT_FAILURE : r;
}

static void say(const char *sentence)
{
	(void)printf("bulkheadd: %s\n", sentence);
}

static int recover(const struct config *config)
{
	struct refusal refusal = { 0 };
	int r;

	log_open("bulkheadd", NULL, config->log_level);
	r = store_recover(config->state_dir, say, &refusal);
	return r < 0 ? fail(&refusal, r) : EXIT_SUCCESS;
}

/* Descriptors 0 to 2 are always something, so that none of ours gets one. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

/* A partition takes half a dozen descriptors and more. Each role sets its own
 * limit in its sandbox. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argument_count, char **arguments)
{
	static struct supervisor supervisor;
	struct refusal refusal = { 0 };
	int r;

	fill_standard_descriptors();
	raise_descriptor_limit();
	(void)umask(0077);
	(void)mallopt(M_ARENA_MAX, 1);
	/* What the store's copy takes for a moment goes back at once. */
	(void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
	r = config_load(&supervisor.config, argument_count, arguments,
			&refusal);
	if (r < 0)
		return fail(&refusal, r);
	if (supervisor.config.action == CONFIG_HELP) {
		(void)fputs(config_usage, stdout);
		return EXIT_SUCCESS;
	}
	if (supervisor.config.action == CONFIG_VERSION) {
		(void)puts("bulkheadd " BULKHEAD_VERSION);
		return EXIT_SUCCESS;
	}
	if (supervisor.config.action == CONFIG_RECOVER)
		return recover(&supervisor.config);
	if (supervisor.config.is_kept)
		return run_kept(arguments);
	return run(&supervisor);
}
