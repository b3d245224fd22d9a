/* SPDX-License-Identifier: MIT */
/*
 * The guest's serial line, between the engine's socket and the byte ring that
 * the console service reads. The engine is always drained, whether or not
 * anyone reads: old output is overwritten. Input waits for the engine, at most
 * one buffer of it.
 *
 * Trust      The engine (its guest) may write anything; bytes are not
 *            interpreted. A service that violates the ring's protocol loses its
 *            input.
 * Threads    The main thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_CONSOLE_H
#define MONITOR_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "channel/bytes.h"
#include "control/protocol.h"

struct console {
	struct console_ring settings;
	struct bytes bytes;
	int memory_fd; /* owned, kept for a new supervisor */
	int kick_fd;   /* owned: wakes the service */
	int call_fd;   /* owned: wakes us */
	int serial_fd; /* owned: the engine's line; NO_FD when it is gone */
	sd_event_source *serial_source;
	sd_event_source *call_source;
	uint8_t input[512]; /* taken from the ring, not yet by the engine */
	size_t input_bytes;
	bool is_open;
	bool is_input_dead;
};

void console_init(struct console *console);

/*
 * Take over the ring and its three descriptors (memory, to wake the service,
 * to wake us), on failure too.
 *
 * -EBADMSG  no such ring
 */
int console_open(struct console *console, const struct console_ring *settings,
		 int fds[3]);

/* Connect the engine's line; takes the descriptor. */
int console_connect(struct console *console, sd_event *event, int serial_fd);

/* The engine has ended: keep its last output. */
void console_finish(struct console *console);

/* Safe twice. */
void console_close(struct console *console);

#endif
