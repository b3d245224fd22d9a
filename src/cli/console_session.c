/* SPDX-License-Identifier: MIT */
#include "cli/console_session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/count.h"
#include "cli/terminal.h"

#define GOES_ON (-1)

void console_session_attach(struct console_session *session, int fd)
{
	session->fd = fd;
	session->have_bytes = 0;
	session->has_received = false;
}

static int put_output(const uint8_t *bytes, size_t count)
{
	ssize_t put;

	while (count) {
		put = write(STDOUT_FILENO, bytes, count);
		if (put < 0 && errno == EINTR && !terminal_wants_end())
			continue;
		if (put < 0)
			return CONSOLE_UNWRITABLE;
		bytes += put;
		count -= (size_t)put;
	}
	return GOES_ON;
}

/* A notice, kept apart from what the guest writes. */
static void put_notice(const uint8_t *text, size_t bytes)
{
	(void)fputs("\r\n[bulkhead: ", stderr);
	for (size_t i = 0; i < bytes; i++)
		(void)fputc(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?',
			    stderr);
	(void)fputs("]\r\n", stderr);
}

static int take_output(struct console_session *session,
		       const struct console_frame *header, const uint8_t *bytes)
{
	uint64_t end = header->position + header->bytes;
	uint64_t known = 0;

	if (end < header->position)
		return CONSOLE_BROKEN;
	if (session->has_position && header->position < session->position)
		known = min_u64(session->position - header->position,
				header->bytes);
	if (session->has_position && header->position > session->position)
		(void)fprintf(stderr, "\r\n[%llu bytes lost]\r\n",
			      (unsigned long long)(header->position -
						   session->position));
	session->position =
		session->has_position ? max_u64(end, session->position) : end;
	session->has_position = true;
	return put_output(bytes + known, header->bytes - (size_t)known);
}

static int take_frame(struct console_session *session,
		      const struct console_frame *header)
{
	const uint8_t *bytes = session->frame + sizeof(*header);

	switch (header->kind) {
	case CONSOLE_FRAME_OUTPUT:
		return take_output(session, header, bytes);
	case CONSOLE_FRAME_NOTICE:
		put_notice(bytes, header->bytes);
		return GOES_ON;
	case CONSOLE_FRAME_CLOSED:
		put_notice(bytes, header->bytes);
		return CONSOLE_CLOSED;
	case CONSOLE_FRAME_REFUSED:
		(void)snprintf(session->text, sizeof(session->text), "%.*s",
			       (int)header->bytes, (const char *)bytes);
		return CONSOLE_REFUSED;
	case CONSOLE_FRAME_DEMOTED:
		session->is_reader = true;
		put_notice(bytes, header->bytes);
		return GOES_ON;
	default:
		return CONSOLE_BROKEN;
	}
}

/* How many bytes of the frame at hand are still to come. */
static uint32_t missing_bytes(const struct console_session *session,
			      const struct console_frame *header)
{
	uint32_t wanted = sizeof(*header);

	if (session->have_bytes >= sizeof(*header))
		wanted += header->bytes;
	return wanted - session->have_bytes;
}

static int read_stream(struct console_session *session)
{
	struct console_frame header = { 0 };
	ssize_t got;

	memcpy(&header, session->frame, sizeof(header));
	got = recv(session->fd, session->frame + session->have_bytes,
		   missing_bytes(session, &header), MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? GOES_ON
							 : CONSOLE_LOST;
	if (got == 0)
		return CONSOLE_LOST;
	session->have_bytes += (uint32_t)got;
	session->has_received = true;
	if (session->have_bytes < sizeof(header))
		return GOES_ON;
	memcpy(&header, session->frame, sizeof(header));
	if (header.bytes == 0 || header.bytes > CONSOLE_FRAME_BYTES_MAX)
		return CONSOLE_BROKEN;
	if (missing_bytes(session, &header))
		return GOES_ON;
	session->have_bytes = 0;
	return take_frame(session, &header);
}

static int send_input(const struct console_session *session,
		      const uint8_t *bytes, size_t count)
{
	ssize_t put;

	while (count) {
		put = send(session->fd, bytes, count, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR && !terminal_wants_end())
			continue;
		if (put < 0)
			return CONSOLE_LOST;
		bytes += put;
		count -= (size_t)put;
	}
	return GOES_ON;
}

static int read_input(struct console_session *session)
{
	uint8_t bytes[1024];
	ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
	const uint8_t *key;
	int end;

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return GOES_ON;
	if (got <= 0) {
		session->is_input_over = true;
		return GOES_ON;
	}
	key = memchr(bytes, CONSOLE_DETACH_KEY, (size_t)got);
	if (session->is_reader)
		return key ? CONSOLE_DETACHED : GOES_ON;
	end = send_input(session, bytes,
			 key ? (size_t)(key - bytes) : (size_t)got);
	return key ? CONSOLE_DETACHED : end;
}

enum console_end console_session_run(struct console_session *session)
{
	struct pollfd fds[2] = {
		{ .fd = session->fd, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	int end = GOES_ON;

	while (end == GOES_ON && !terminal_wants_end()) {
		/* A negative descriptor is left out. */
		fds[1].fd = session->is_input_over ? -1 : STDIN_FILENO;
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			end = read_stream(session);
		if (end == GOES_ON && fds[1].revents)
			end = read_input(session);
	}
	return end == GOES_ON ? CONSOLE_DETACHED : (enum console_end)end;
}
