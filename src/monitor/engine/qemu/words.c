/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/words.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "base/text.h"

int words_open(struct words *words, int *ret_their_fd)
{
	int ends[2];

	memset(words, 0, sizeof(*words));
	words->fd = NO_FD;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	words->fd = ends[0];
	*ret_their_fd = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static void end_line(struct words *words)
{
	if (words->line_bytes == 0)
		return;
	text_escape(words->last, sizeof(words->last), words->line,
		    words->line_bytes);
	words->line_bytes = 0;
	if (++words->line_count <= WORDS_LINES_MAX)
		log_warn("engine says \"%s\"", words->last);
}

/* A line that is too long is cut. */
static void take(struct words *words, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n')
			end_line(words);
		else if (words->line_bytes < sizeof(words->line))
			words->line[words->line_bytes++] = bytes[i];
	}
}

/* False when nothing waits, or the other end is closed. */
static bool read_some(struct words *words)
{
	char bytes[1024];
	ssize_t got = read(words->fd, bytes, sizeof(bytes));

	if (got > 0) {
		take(words, bytes, (size_t)got);
		return true;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR))
		words_close(words);
	return false;
}

static int on_words(sd_event_source *source, int fd, uint32_t events,
		    void *context)
{
	(void)read_some(context);
	return 0;
}

int words_watch(struct words *words, sd_event *event)
{
	return sd_event_add_io(event, &words->source, words->fd, EPOLLIN,
			       on_words, words);
}

void words_drain(struct words *words)
{
	while (words->fd != NO_FD && read_some(words))
		;
	end_line(words);
}

void words_close(struct words *words)
{
	words->source = sd_event_source_unref(words->source);
	close_fd(&words->fd);
}
