/* SPDX-License-Identifier: MIT */
#include "console/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/event.h"
#include "base/scope.h"

/* How much output is logged at a time. */
#define LOG_STEP_BYTES 4096

/* Steps per turn, so that a ring that never stops cannot keep us. */
#define LOG_STEPS_MAX 128

static void free_console(struct console *console)
{
	while (console->reader_count)
		reader_free(console->readers[--console->reader_count]);
	textlog_close(&console->log);
	close_fd(&console->call_fd);
	close_fd(&console->kick_fd);
	bytes_close(&console->bytes);
	free(console);
}

/* The supervisor makes the eventfds so, and no child of ours may change it: a
 * hostile monitor must not be able to stop us in read() or write(). */
static bool never_blocks(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

static uint64_t ring_identity(int fd)
{
	struct stat status;

	return fstat(fd, &status) < 0 ? 0 : (uint64_t)status.st_ino;
}

/*
 * The log's header was written before the ring's record of it and may be one
 * step ahead; a header of another ring, or one further away, is not about
 * this ring.
 */
static uint64_t find_logged(const struct console *console)
{
	uint64_t recorded = bytes_logged(&console->bytes);
	uint64_t end = bytes_output_end(&console->bytes);
	uint64_t headed = console->log.source_position;

	if (console->log.source == console->source && headed <= end &&
	    headed - recorded <= LOG_STEP_BYTES)
		return headed;
	return recorded <= end ? recorded : end;
}

static int fill(struct console *console, const struct console_ring *ring,
		int *fds)
{
	int r;

	if (!never_blocks(fds[CONSOLE_FD_CALL]) ||
	    !never_blocks(fds[CONSOLE_FD_KICK]))
		return -EBADMSG;
	r = bytes_open(&console->bytes, fds[CONSOLE_FD_RING]);
	if (r < 0)
		return r;
	r = textlog_open(&console->log, fds[CONSOLE_FD_LOG], ring->log_bytes);
	if (r < 0) {
		/* The file stays the caller's; the console works without. */
		console->log.fd = NO_FD;
		console->log.capacity = 0;
	} else {
		(void)take_fd(&fds[CONSOLE_FD_LOG]);
	}
	console->attachment = ring->attachment;
	memcpy(console->partition, ring->partition, sizeof(ring->partition));
	console->source = ring_identity(fds[CONSOLE_FD_RING]);
	console->logged = find_logged(console);
	console->call_fd = take_fd(&fds[CONSOLE_FD_CALL]);
	console->kick_fd = take_fd(&fds[CONSOLE_FD_KICK]);
	return 0;
}

int console_new(const struct console_ring *ring, int *fds,
		struct console **ret_console)
{
	struct console *console = calloc(1, sizeof(*console));
	int r;

	if (!console)
		return -ENOMEM;
	console->call_fd = NO_FD;
	console->kick_fd = NO_FD;
	console->log.fd = NO_FD;
	r = fill(console, ring, fds);
	if (r < 0) {
		free_console(console);
		return r;
	}
	*ret_console = console;
	return 0;
}

int console_set_log(struct console *console, uint64_t log_bytes)
{
	return textlog_set_bound(&console->log, log_bytes);
}

void console_end(struct console *console, const char *why)
{
	bool may_sleep = false;

	for (uint32_t i = 0; i < console->reader_count; i++) {
		console->readers[i]->is_closing = true;
		reader_notify(console->readers[i], CONSOLE_FRAME_CLOSED, why);
	}
	(void)console_turn(console, &may_sleep);
	/* Who is still there is slow, or the ring is broken. */
	for (uint32_t i = 0; i < console->reader_count; i++)
		reader_send_last(console->readers[i]);
	free_console(console);
}

static struct reader *find_writer(const struct console *console)
{
	for (uint32_t i = 0; i < console->reader_count; i++)
		if (console->readers[i]->is_writer)
			return console->readers[i];
	return NULL;
}

static void demote(struct reader *writer)
{
	writer->is_writer = false;
	writer->is_notified = true;
	writer->input_begin = writer->input_end;
	reader_notify(writer, CONSOLE_FRAME_DEMOTED,
		      "another client took over; you are now read-only");
}

/* Say why and hang up, so that he does not ask again. */
static void turn_away(int fd, const char *why)
{
	const struct console_frame header = {
		.kind = CONSOLE_FRAME_REFUSED,
		.bytes = (uint32_t)strlen(why),
	};
	uint8_t frame[sizeof(header) + READER_NOTICE_SIZE];

	memcpy(frame, &header, sizeof(header));
	memcpy(frame + sizeof(header), why, header.bytes);
	(void)send(fd, frame, sizeof(header) + header.bytes,
		   MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fd);
}

static void give_role(const struct console *console, struct reader *reader,
		      enum console_mode mode)
{
	struct reader *writer = find_writer(console);

	if (mode == CONSOLE_READ)
		return;
	if (writer)
		demote(writer);
	reader->is_writer = true;
}

int console_attach(struct console *console, int fd, enum console_mode mode)
{
	struct reader *reader;
	int r;

	if (console->reader_count == CONSOLE_READERS_MAX) {
		turn_away(fd, "too many clients are attached");
		return -EUSERS;
	}
	if (mode == CONSOLE_WRITE && find_writer(console)) {
		turn_away(fd,
			  "another client has control: attach with --read-only "
			  "or --take-over");
		return -EBUSY;
	}
	r = reader_new(fd, &console->bytes, &reader);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	give_role(console, reader, mode);
	console->readers[console->reader_count++] = reader;
	return 0;
}

static int log_gap(struct console *console, uint64_t lost, uint64_t position)
{
	char text[48];
	int length = snprintf(text, sizeof(text), "\n[%llu bytes lost]\n",
			      (unsigned long long)lost);

	return textlog_append(&console->log, text, (size_t)length,
			      console->source, position);
}

/* 1: logged a step; 0: nothing to log. */
static int log_step(struct console *console)
{
	uint64_t position = console->logged;
	uint8_t text[LOG_STEP_BYTES];
	uint64_t lost;
	size_t count;
	int r;

	r = bytes_read_output(&console->bytes, &position, text, sizeof(text),
			      &count, &lost);
	if (r < 0)
		return r;
	if (lost)
		r = log_gap(console, lost, position - count);
	if (r == 0 && count)
		r = textlog_append(&console->log, text, count, console->source,
				   position);
	console->log_is_failing = r < 0;
	/* What could not be logged stays in the ring for the next turn. */
	if (r < 0 || position == console->logged)
		return 0;
	console->logged = position;
	bytes_set_logged(&console->bytes, position);
	return 1;
}

static int write_log(struct console *console)
{
	int r = 1;

	if (console->log.capacity == 0)
		return 0;
	for (int i = 0; r == 1 && i < LOG_STEPS_MAX; i++)
		r = log_step(console);
	return r < 0 ? r : 0;
}

static void remove_reader(struct console *console, uint32_t index)
{
	reader_free(console->readers[index]);
	console->readers[index] = console->readers[--console->reader_count];
}

static int serve_reader(struct console *console, struct reader *reader)
{
	bool must_wake;
	int r = reader_pass_input(reader, &console->bytes, &must_wake);

	if (must_wake)
		event_signal(console->kick_fd);
	return r < 0 ? r : reader_send(reader, &console->bytes);
}

static int serve_readers(struct console *console)
{
	int r;

	for (uint32_t i = console->reader_count; i-- > 0;) {
		r = serve_reader(console, console->readers[i]);
		if (r == -EBADMSG)
			return r;
		if (r < 0)
			remove_reader(console, i);
	}
	return 0;
}

int console_turn(struct console *console, bool *ret_may_sleep)
{
	/* Whatever comes after this is for the next turn. */
	uint64_t end = bytes_output_end(&console->bytes);
	int r = write_log(console);

	if (r == 0)
		r = serve_readers(console);
	*ret_may_sleep = bytes_prepare_output_sleep(&console->bytes, end);
	return r;
}

void console_woken(struct console *console)
{
	uint64_t count;

	/* Nothing there (-EAGAIN) is as good. */
	if (read(console->call_fd, &count, sizeof(count)) < 0)
		return;
}

void console_reader_ready(struct console *console, uint32_t index,
			  bool is_hung_up)
{
	if (reader_receive(console->readers[index], is_hung_up) < 0)
		remove_reader(console, index);
}

bool console_waits_for_room(const struct console *console)
{
	const struct reader *writer = find_writer(console);

	return writer && reader_has_input(writer);
}
