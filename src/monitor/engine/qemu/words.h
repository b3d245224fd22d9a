/* SPDX-License-Identifier: MIT */
/*
 * QEMU's standard error, for the log and for the reason of its end. A few lines
 * per process are logged; the rest is read and dropped, so that QEMU never
 * blocks on it and a guest cannot fill the log.
 *
 * Trust      QEMU is hostile: bytes are escaped and bounded.
 * Threads    The main thread.
 */
#ifndef MONITOR_ENGINE_QEMU_WORDS_H
#define MONITOR_ENGINE_QEMU_WORDS_H

#include <stddef.h>
#include <systemd/sd-event.h>

#define WORDS_LINE_SIZE 128
#define WORDS_LINES_MAX 20

struct words {
	int fd; /* owned: the reading end; NO_FD once closed */
	sd_event_source *source;
	char line[WORDS_LINE_SIZE]; /* being collected */
	size_t line_bytes;
	unsigned line_count;
	char last[WORDS_LINE_SIZE]; /* the last whole line, printable */
};

/* Make the pipe; the caller owns *ret_their_fd, the writing end. */
int words_open(struct words *words, int *ret_their_fd);
int words_watch(struct words *words, sd_event *event);

/* Read what is left; words->last is final afterwards. */
void words_drain(struct words *words);

/* Safe twice, and on one with fd NO_FD. */
void words_close(struct words *words);

#endif
