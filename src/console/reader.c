/* SPDX-License-Identifier: MIT */
#include "console/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"

/* Frames sent at a time; then the others have their turn. */
#define FRAMES_AT_ONCE 64

int reader_new(int fd, const struct bytes *bytes, struct reader **ret_reader)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	reader->fd = fd;
	reader->position = bytes_output_begin(bytes);
	*ret_reader = reader;
	return 0;
}

void reader_free(struct reader *reader)
{
	if (!reader)
		return;
	close_fd(&reader->fd);
	free(reader);
}

void reader_notify(struct reader *reader, enum console_frame_kind kind,
		   const char *text)
{
	reader->notice_kind = kind;
	(void)strncpy(reader->notice, text, sizeof(reader->notice) - 1);
}

bool reader_has_input(const struct reader *reader)
{
	return reader->input_begin != reader->input_end;
}

static void set_frame(struct reader *reader, uint32_t kind, uint32_t bytes,
		      uint64_t position)
{
	const struct console_frame header = { .kind = kind,
					      .bytes = bytes,
					      .position = position };

	memcpy(reader->frame, &header, sizeof(header));
	reader->frame_begin = 0;
	reader->frame_end = (uint32_t)sizeof(header) + bytes;
}

static void fill_notice(struct reader *reader)
{
	size_t bytes = strlen(reader->notice);

	memcpy(reader->frame + sizeof(struct console_frame), reader->notice,
	       bytes);
	set_frame(reader, reader->notice_kind, (uint32_t)bytes, 0);
	reader->notice[0] = '\0';
}

/* 1: a frame is there; 0: nothing to say. */
static int fill_frame(struct reader *reader, const struct bytes *bytes)
{
	uint64_t lost;
	size_t count;
	int r;

	/* Before the end come the last words of the guest. */
	if (reader->notice[0] && !reader->is_closing) {
		fill_notice(reader);
		return 1;
	}
	r = bytes_read_output(bytes, &reader->position,
			      reader->frame + sizeof(struct console_frame),
			      CONSOLE_FRAME_BYTES_MAX, &count, &lost);
	if (r < 0)
		return r;
	if (count) {
		set_frame(reader, CONSOLE_FRAME_OUTPUT, (uint32_t)count,
			  reader->position - count);
		return 1;
	}
	if (!reader->is_closing)
		return 0;
	if (!reader->notice[0])
		return -EPIPE;
	fill_notice(reader);
	return 1;
}

/* 1: the frame is out; 0: the socket is full. */
static int send_frame(struct reader *reader)
{
	ssize_t put;

	while (reader->frame_begin < reader->frame_end) {
		put = send(reader->fd, reader->frame + reader->frame_begin,
			   reader->frame_end - reader->frame_begin,
			   MSG_DONTWAIT | MSG_NOSIGNAL);
		if (put < 0)
			return errno == EAGAIN ? 0 : -EPIPE;
		reader->frame_begin += (uint32_t)put;
	}
	return 1;
}

int reader_send(struct reader *reader, const struct bytes *bytes)
{
	int r = 1;

	for (int i = 0; r == 1 && i < FRAMES_AT_ONCE; i++) {
		r = send_frame(reader);
		if (r == 0) {
			reader->waits_for_room = true;
			return 0;
		}
		if (r == 1)
			r = fill_frame(reader, bytes);
	}
	/* After many frames the socket has room, and he is served again. */
	reader->waits_for_room = r == 1;
	return r < 0 ? r : 0;
}

void reader_send_last(struct reader *reader)
{
	if (send_frame(reader) != 1 || !reader->notice[0])
		return;
	fill_notice(reader);
	(void)send_frame(reader);
}

static void ignore_input(struct reader *reader)
{
	if (!reader->is_notified)
		reader_notify(reader, CONSOLE_FRAME_NOTICE,
			      "you are read-only and your input is ignored: "
			      "attach with --take-over");
	reader->is_notified = true;
}

int reader_receive(struct reader *reader, bool is_hung_up)
{
	ssize_t got;

	if (reader_has_input(reader))
		return is_hung_up ? -EPIPE : 0;
	got = recv(reader->fd, reader->input, sizeof(reader->input),
		   MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN ? 0 : -EPIPE;
	if (got == 0)
		return -EPIPE;
	if (!reader->is_writer) {
		ignore_input(reader);
		return 0;
	}
	reader->input_begin = 0;
	reader->input_end = (uint32_t)got;
	return 0;
}

int reader_pass_input(struct reader *reader, struct bytes *bytes,
		      bool *ret_wake)
{
	size_t taken;
	int r;

	*ret_wake = false;
	if (!reader_has_input(reader))
		return 0;
	r = bytes_write_input(bytes, reader->input + reader->input_begin,
			      reader->input_end - reader->input_begin, &taken,
			      ret_wake);
	if (r == 0)
		reader->input_begin += (uint32_t)taken;
	return r;
}
