/* SPDX-License-Identifier: MIT */
#include "supervisor/child/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/scope.h"
#include "supervisor/errand/errand.h"

#define ANSWER_FD 3

struct engine_probe {
	pid_t pid; /* 0: has answered */
	int answer_fd;
	sd_event_source *source;
	void (*answered)(void *context);
	void *context;
	struct probe_engine engine;
};

static void probe_and_exit(int fd, const char *qemu)
{
	static struct probe_table table;
	struct probe_engine engine = { 0 };

	/* The store's lock above all: it must end with the supervisor. */
	if (dup2(fd, ANSWER_FD) < 0 || close_range(ANSWER_FD + 1, ~0u, 0) < 0)
		_exit(EXIT_FAILURE);
	probe_engines(&table);
	(void)probe_engine(&table, &engine);
	(void)probe_userns(engine.userns_refusal,
			   sizeof(engine.userns_refusal));
	if (qemu[0])
		(void)text_copy(engine.qemu, sizeof(engine.qemu), qemu);
	_exit(write(ANSWER_FD, &engine, sizeof(engine)) == sizeof(engine)
		      ? EXIT_SUCCESS
		      : EXIT_FAILURE);
}

int engine_probe_start(struct engine_probe **ret_probe, const char *qemu)
{
	struct engine_probe *probe = calloc(1, sizeof(*probe));
	int ends[2];

	if (!probe || pipe2(ends, O_CLOEXEC) < 0) {
		free(probe);
		return -ENOMEM;
	}
	probe->pid = fork();
	if (probe->pid == 0)
		probe_and_exit(ends[1], qemu);
	close_fd(&ends[1]);
	probe->answer_fd = ends[0];
	*ret_probe = probe;
	return 0;
}

static void tell_answer(struct engine_probe *probe)
{
	void (*answered)(void *context) = probe->answered;

	probe->answered = NULL;
	if (answered)
		answered(probe->context);
}

/* An errand lets the loop go on, which may take the answer meanwhile. */
static void wait_aside(const struct engine_probe *probe)
{
	SCOPED(close_fd) int fd = fcntl(probe->answer_fd, F_DUPFD_CLOEXEC, 0);
	struct pollfd answer = { .fd = fd, .events = POLLIN };

	errand_step_aside();
	while (poll(&answer, 1, -1) < 0 && errno == EINTR)
		;
	errand_step_back();
}

bool engine_probe_has_answered(const struct engine_probe *probe)
{
	return probe->pid == 0;
}

const struct probe_engine *engine_probe_wait(struct engine_probe *probe)
{
	if (probe->pid > 0 && errand_is_current())
		wait_aside(probe);
	if (probe->pid == 0)
		return &probe->engine;
	/* Less than PIPE_BUF, so it comes whole or not at all. */
	if (probe->pid < 0 ||
	    read(probe->answer_fd, &probe->engine, sizeof(probe->engine)) !=
		    sizeof(probe->engine)) {
		memset(&probe->engine, 0, sizeof(probe->engine));
		(void)snprintf(probe->engine.reason,
			       sizeof(probe->engine.reason),
			       "the probe of this host failed");
	}
	if (probe->pid > 0)
		(void)waitpid(probe->pid, NULL, 0);
	probe->source = sd_event_source_disable_unref(probe->source);
	close_fd(&probe->answer_fd);
	probe->pid = 0;
	tell_answer(probe);
	return &probe->engine;
}

static int on_answer(sd_event_source *source, int fd, uint32_t events,
		     void *data)
{
	(void)engine_probe_wait(data);
	return 0;
}

int engine_probe_watch(struct engine_probe *probe, sd_event *event,
		       void (*answered)(void *context), void *context)
{
	if (probe->pid == 0) {
		answered(context);
		return 0;
	}
	probe->answered = answered;
	probe->context = context;
	return sd_event_add_io(event, &probe->source, probe->answer_fd, EPOLLIN,
			       on_answer, probe);
}

void engine_probe_free(struct engine_probe *probe)
{
	if (!probe)
		return;
	sd_event_source_disable_unref(probe->source);
	close_fd(&probe->answer_fd);
	free(probe);
}

int engine_notify_ready(void)
{
	return sd_notify(0, "READY=1");
}
