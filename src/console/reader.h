/* SPDX-License-Identifier: MIT */
/*
 * Someone attached to a console.
 *
 * There is no queue of output per reader: each has a position in the console's
 * ring, and one frame under way. Who is slow finds that the ring went on
 * without him, and the positions in his frames say how much he lost.
 *
 * Trust      Readers are foreign processes. One that floods us has its input
 *            taken a little at a time; one that does not read costs nothing.
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
	bool is_told;         /* that his input is ignored */
	bool is_closing;      /* to be closed when the notice is out */
	bool waits_for_room;  /* his socket is full */
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
 * Take over the stream and begin with the oldest output kept.
 *
 * -ENOMEM  the stream stays the caller's
 */
int reader_new(int fd, const struct bytes *bytes, struct reader **ret_reader);
void reader_free(struct reader *reader);

/* A sentence for the person; replaces one that was not sent yet. */
void reader_notify(struct reader *reader, enum console_frame_kind kind,
		   const char *text);

/* Send what there is, as far as the socket takes it and not for ever.
 *
 * -EPIPE    he is gone, or was to be closed and is done
 * -EBADMSG  the ring is broken
 */
int reader_send(struct reader *reader, const struct bytes *bytes);

/* Send the notice without what the ring may hold, if the socket takes it. */
void reader_send_last(struct reader *reader);

/*
 * Take his input, if the last was passed on. `is_hung_up`: his end is closed,
 * and input that found no room is then given up.
 *
 * -EPIPE  he is gone
 */
int reader_receive(struct reader *reader, bool is_hung_up);

/*
 * Pass input on to the console; *ret_wake is set when the monitor asked to be
 * woken.
 *
 * -EBADMSG  the ring is broken
 */
int reader_pass_input(struct reader *reader, struct bytes *bytes,
		      bool *ret_wake);

/* Input waits for room in the ring. */
bool reader_has_input(const struct reader *reader);

#endif
