/* SPDX-License-Identifier: MIT */
/*
 * A client attached to a console.
 *
 * A reader has no output queue: it has a position in the console's ring, and
 * one frame being sent. A slow reader is overtaken by the ring, and the
 * positions in its frames say how much it lost.
 *
 * Trust      Readers are untrusted processes. The input of one that floods us
 *            is taken a little at a time; one that does not read costs nothing.
 * Threads    One owner.
 */
#ifndef CONSOLE_READER_H
#define CONSOLE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/bytes.h"
#include "control/console_stream.h"

#define READER_INPUT_SIZE  1024
#define READER_NOTICE_SIZE 128

struct reader {
	int fd; /* owned */
	bool is_writer;
	bool is_notified;     /* that its input is ignored */
	bool is_closing;      /* to be closed once the notice is sent */
	bool waits_for_room;  /* its socket is full */
	uint64_t position;    /* in the console's output */
	uint32_t input_begin; /* of input not yet taken by the console */
	uint32_t input_end;
	uint32_t frame_begin; /* of the frame not yet sent */
	uint32_t frame_end;
	uint32_t notice_kind;            /* enum console_frame_kind */
	char notice[READER_NOTICE_SIZE]; /* next to be sent; may be empty */
	uint8_t input[READER_INPUT_SIZE];
	uint8_t frame[sizeof(struct console_frame) + CONSOLE_FRAME_BYTES_MAX];
};

/*
 * Take the stream and begin with the oldest output kept.
 *
 * -ENOMEM  the caller still owns the stream
 */
int reader_new(int fd, const struct bytes *bytes, struct reader **ret_reader);
void reader_free(struct reader *reader);

/* A sentence for the user; replaces one that has not been sent yet. */
void reader_notify(struct reader *reader, enum console_frame_kind kind,
		   const char *text);

/* Send pending output, as far as the socket takes it, and a bounded amount.
 * 
 * -EPIPE    it has disconnected, or was closing and is done
 * -EBADMSG  the ring is broken */
int reader_send(struct reader *reader, const struct bytes *bytes);

/* Send the notice, but no more output, if the socket takes it. */
void reader_send_last(struct reader *reader);

/*
 * Take its input, if the last was passed on. `is_hung_up`: its end is closed,
 * and input for which there is no room is then dropped.
 *
 * -EPIPE  it has disconnected
 */
int reader_receive(struct reader *reader, bool is_hung_up);

/*
 * Pass its input to the console; *ret_wake is set when the monitor asked to be
 * woken.
 *
 * -EBADMSG  the ring is broken
 */
int reader_pass_input(struct reader *reader, struct bytes *bytes,
		      bool *ret_wake);

/* Its input is waiting for room in the ring. */
bool reader_has_input(const struct reader *reader);

#endif
