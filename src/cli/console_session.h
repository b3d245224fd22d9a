/* SPDX-License-Identifier: MIT */
/*
 * One attachment to a console: frames from the service to standard output,
 * standard input to the service.
 *
 * Trust      The service's frames are checked: a wrong one ends the session.
 */
#ifndef CLI_CONSOLE_SESSION_H
#define CLI_CONSOLE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "control/console_stream.h"

enum console_end {
	CONSOLE_DETACHED,   /* by the key, or a signal */
	CONSOLE_CLOSED,     /* the service says the console has ended */
	CONSOLE_REFUSED,    /* the service did not attach us */
	CONSOLE_LOST,       /* the service went away: attach again */
	CONSOLE_BROKEN,     /* it broke the format */
	CONSOLE_UNWRITABLE, /* our own output cannot be written */
};

#define CONSOLE_DETACH_KEY 0x1d /* Ctrl-] */

struct console_session {
	int fd;             /* borrowed: our end of the stream */
	uint64_t position;  /* up to where output was printed */
	bool has_position;  /* false until the first output came */
	bool is_input_over; /* standard input has ended */
	bool has_received;  /* anything since it was attached */
	bool is_reader;     /* what is typed goes nowhere */
	char text[128];     /* of the refusal */
	uint64_t lost_bytes;
	/* Of the frame at hand: */
	uint32_t have_bytes;
	uint8_t frame[sizeof(struct console_frame) + CONSOLE_FRAME_BYTES_MAX];
};

/* Begin on a new stream; keeps the position of the one before. */
void console_session_attach(struct console_session *session, int fd);

/* Serve it until it ends. */
enum console_end console_session_run(struct console_session *session);

#endif
