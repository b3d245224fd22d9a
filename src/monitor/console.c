/* SPDX-License-Identifier: MIT */
#include "monitor/console.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/event.h"
#include "base/scope.h"

/* Read per event, so that a chattering guest does not starve the rest. */
#define OUTPUT_PIECE 4096

void console_init(struct console *console)
{
	memset(console, 0, sizeof(*console));
	console->memory_fd = NO_FD;
	console->kick_fd = NO_FD;
	console->call_fd = NO_FD;
	console->serial_fd = NO_FD;
}

int console_open(struct console *console, const struct console_ring *settings,
		 int fds[3])
{
	int r;

	console->settings = *settings;
	console->memory_fd = take_fd(&fds[0]);
	console->kick_fd = take_fd(&fds[1]);
	console->call_fd = take_fd(&fds[2]);
	r = bytes_open(&console->bytes, console->memory_fd);
	console->is_open = r == 0;
	if (r < 0)
		console_close(console);
	return r;
}

static void hang_up(struct console *console)
{
	console->serial_source = sd_event_source_unref(console->serial_source);
	close_fd(&console->serial_fd);
}

/* True when there may be more. */
static bool drain(struct console *console)
{
	uint8_t piece[OUTPUT_PIECE];
	ssize_t got = read(console->serial_fd, piece, sizeof(piece));

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		hang_up(console);
		return false;
	}
	if (got > 0 && console->is_open &&
	    bytes_write_output(&console->bytes, piece, (size_t)got))
		event_signal(console->kick_fd);
	return got > 0;
}

void console_finish(struct console *console)
{
	while (console->serial_fd != NO_FD && drain(console))
		;
	hang_up(console);
}

/* Give the engine what is left of the input. True when all of it went. */
static bool pour(struct console *console)
{
	ssize_t put;

	if (console->input_bytes == 0)
		return true;
	put = write(console->serial_fd, console->input, console->input_bytes);
	if (put > 0) {
		console->input_bytes -= (size_t)put;
		memmove(console->input, console->input + put,
			console->input_bytes);
	}
	return console->input_bytes == 0;
}

static void feed(struct console *console)
{
	uint32_t wanted = EPOLLIN;

	while (console->serial_fd != NO_FD && !console->is_input_dead) {
		if (!pour(console)) {
			wanted |= EPOLLOUT;
			break;
		}
		if (bytes_read_input(&console->bytes, console->input,
				     sizeof(console->input),
				     &console->input_bytes) < 0)
			console->is_input_dead = true;
		else if (console->input_bytes == 0 &&
			 bytes_prepare_input_sleep(&console->bytes))
			break;
	}
	if (console->serial_source)
		(void)sd_event_source_set_io_events(console->serial_source,
						    wanted);
}

static int on_serial(sd_event_source *source, int fd, uint32_t events,
		     void *context)
{
	struct console *console = context;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		(void)drain(console);
	if ((events & EPOLLOUT) && console->serial_fd != NO_FD)
		feed(console);
	return 0;
}

static int on_call(sd_event_source *source, int fd, uint32_t events,
		   void *context)
{
	struct console *console = context;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return 0;
	feed(console);
	return 0;
}

int console_connect(struct console *console, sd_event *event, int serial_fd)
{
	int r;

	console->serial_fd = serial_fd;
	r = sd_event_add_io(event, &console->serial_source, serial_fd, EPOLLIN,
			    on_serial, console);
	if (r < 0 || !console->is_open)
		return r;
	r = sd_event_add_io(event, &console->call_source, console->call_fd,
			    EPOLLIN, on_call, console);
	if (r >= 0)
		feed(console);
	return r;
}

void console_close(struct console *console)
{
	hang_up(console);
	console->call_source = sd_event_source_unref(console->call_source);
	if (console->is_open)
		bytes_close(&console->bytes);
	console->is_open = false;
	close_fd(&console->memory_fd);
	close_fd(&console->kick_fd);
	close_fd(&console->call_fd);
}
