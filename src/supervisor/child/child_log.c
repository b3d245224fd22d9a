/* SPDX-License-Identifier: MIT */
#include "supervisor/child/child_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"

#define LINE_BYTES 512
#define READ_BYTES 4096
/* Reads in an interval; a child that says more loses the rest. */
#define TURN_USEC  1000000
#define TURN_BURST 20
/* Reads after its end: what a pipe holds. */
#define LAST_READS 16

struct child_log {
	int fd; /* owned */
	sd_event_source *source;
	char title[96];
	char line[LINE_BYTES];
	size_t used;
};

/* "<4>bulkhead-disk [disk0]: text" is what a child of ours writes. */
static void say(const struct child_log *log)
{
	size_t title = strlen(log->title);
	enum log_level level = LOG_WARN;
	const char *text = log->line;

	if (text[0] == '<' && text[1] >= '3' && text[1] <= '7' &&
	    text[2] == '>') {
		level = (enum log_level)(text[1] - '0');
		text += 3;
	}
	if (strncmp(text, log->title, title) == 0 && text[title] == ':' &&
	    text[title + 1] == ' ')
		text += title + 2;
	log_of_child(level, log->title, text);
}

static void end_line(struct child_log *log)
{
	log->line[log->used] = '\0';
	if (log->used)
		say(log);
	log->used = 0;
}

static void take(struct child_log *log, char byte)
{
	if (byte == '\n') {
		end_line(log);
		return;
	}
	if (log->used == sizeof(log->line) - 1)
		end_line(log);
	log->line[log->used++] = byte >= ' ' && byte <= '~' ? byte : '?';
}

/* False at the end, and when nothing waits. */
static bool read_some(struct child_log *log)
{
	char bytes[READ_BYTES];
	ssize_t got = read(log->fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < got; i++)
		take(log, bytes[i]);
	return got > 0 || (got < 0 && errno == EAGAIN);
}

static int on_text(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct child_log *log = data;

	if (!read_some(log))
		log->source = sd_event_source_disable_unref(log->source);
	return 0;
}

static int watch(struct child_log *log, sd_event *event)
{
	int r = sd_event_add_io(event, &log->source, log->fd, EPOLLIN, on_text,
				log);

	if (r == 0)
		r = sd_event_source_set_priority(log->source,
						 SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_ratelimit(log->source, TURN_USEC,
						  TURN_BURST);
	return r;
}

int child_log_new(struct child_log **ret_log, sd_event *event,
		  const char *title, int *ret_fd)
{
	struct child_log *log = calloc(1, sizeof(*log));
	SCOPED(close_fd) int theirs = NO_FD;
	int ends[2], r;

	/* Neither end waits: not we for a child, nor a child for us. */
	if (!log || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = log ? -errno : -ENOMEM;
		free(log);
		return r;
	}
	log->fd = ends[0];
	theirs = ends[1];
	(void)snprintf(log->title, sizeof(log->title), "%s", title);
	r = watch(log, event);
	if (r < 0) {
		child_log_free(log);
		return r;
	}
	*ret_fd = take_fd(&theirs);
	*ret_log = log;
	return 0;
}

void child_log_free(struct child_log *log)
{
	if (!log)
		return;
	for (int i = 0; i < LAST_READS && read_some(log); i++)
		;
	end_line(log);
	sd_event_source_disable_unref(log->source);
	close_fd(&log->fd);
	free(log);
}
