/* SPDX-License-Identifier: MIT */
/*
 * What the console service sends to someone attached to a console, over the
 * stream socket that CONSOLE_OPEN handed in: frames, each a header and its
 * bytes. In the other direction go plain bytes of input.
 *
 * Output carries its position in the console's output, so that a client that
 * attaches again (the service was replaced) goes on exactly where it was and
 * sees what a slow reader lost. Notices are frames of their own, so that no
 * guest can forge one.
 */
#ifndef CONTROL_CONSOLE_STREAM_H
#define CONTROL_CONSOLE_STREAM_H

#include <stdint.h>

enum console_frame_kind {
	CONSOLE_FRAME_OUTPUT = 1,
	CONSOLE_FRAME_NOTICE,  /* a sentence for the person */
	CONSOLE_FRAME_CLOSED,  /* the console has ended; a sentence */
	CONSOLE_FRAME_REFUSED, /* not attached; a sentence */
	CONSOLE_FRAME_DEMOTED, /* the reader types no more; a sentence */
};

/* Host byte order: it never leaves the host. */
struct console_frame {
	uint32_t kind;     /* enum console_frame_kind */
	uint32_t bytes;    /* that follow, at most CONSOLE_FRAME_BYTES_MAX */
	uint64_t position; /* of the first byte; CONSOLE_FRAME_OUTPUT only */
};

#define CONSOLE_FRAME_BYTES_MAX 4096

_Static_assert(sizeof(struct console_frame) == 16, "no padding");

#endif
