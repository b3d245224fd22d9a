/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "console/service.h"

/* How soon waiting input is tried again: the monitor does not say when it has
 * made room. */
#define ROOM_RETRY_MS 50

static uint32_t watch(struct service *service, uint32_t at, int fd,
		      short events)
{
	service->polled[at] = (struct pollfd){ .fd = fd, .events = events };
	return at + 1;
}

static short reader_events(const struct reader *reader)
{
	short events = 0;

	if (!reader_has_input(reader))
		events |= POLLIN;
	if (reader->waits_for_room)
		events |= POLLOUT;
	return events;
}

static uint32_t watch_all(struct service *service)
{
	uint32_t at = watch(service, 0, child_fd(&service->child), POLLIN);

	for (uint32_t i = 0; i < service->console_count; i++) {
		const struct console *console = service->consoles[i];

		at = watch(service, at, console->call_fd, POLLIN);
		for (uint32_t j = 0; j < console->reader_count; j++)
			at = watch(service, at, console->readers[j]->fd,
				   reader_events(console->readers[j]));
	}
	return at;
}

static int sooner(int a, int b)
{
	if (a < 0)
		return b;
	return b < 0 || a < b ? a : b;
}

static void drop_console(struct service *service, uint32_t index)
{
	struct console *console = service->consoles[index];

	service_report(service, EVENT_ERROR,
		       "the monitor of %s violated the console protocol; the "
		       "console was closed",
		       console->partition);
	service->consoles[index] = service->consoles[--service->console_count];
	console_end(console, "the console is broken");
}

static void report_log(struct service *service, const struct console *console,
		       bool was_failing)
{
	if (console->log_is_failing && !was_failing)
		service_report(service, EVENT_WARNING,
			       "the console log of %s cannot be written, "
			       "keeping the newest output in memory",
			       console->partition);
}

/* Give every console a turn; returns how long nothing is to be done. */
static int turn_all(struct service *service)
{
	int timeout_ms = -1;

	for (uint32_t i = service->console_count; i-- > 0;) {
		struct console *console = service->consoles[i];
		bool was_failing = console->log_is_failing;
		bool may_sleep = true;

		if (console_turn(console, &may_sleep) < 0) {
			drop_console(service, i);
			continue;
		}
		report_log(service, console, was_failing);
		if (!may_sleep)
			timeout_ms = 0;
		else if (console_waits_for_room(console))
			timeout_ms = sooner(timeout_ms, ROOM_RETRY_MS);
	}
	return timeout_ms;
}

/* Backwards, as a reader that is gone is replaced by the last one. */
static void take_ready(struct console *console, const struct pollfd *polled)
{
	for (uint32_t j = console->reader_count; j-- > 0;)
		if (polled[1 + j].revents & ~POLLOUT)
			console_reader_ready(console, j,
					     polled[1 + j].revents &
						     (POLLHUP | POLLERR));
	if (polled[0].revents)
		console_woken(console);
}

static void dispatch(struct service *service)
{
	const struct pollfd *polled = service->polled + 1;

	for (uint32_t i = 0; i < service->console_count; i++) {
		uint32_t readers = service->consoles[i]->reader_count;

		take_ready(service->consoles[i], polled);
		polled += 1 + readers;
	}
	/* Last: it may change the list of consoles. */
	if (service->polled[0].revents)
		service_receive(service);
	child_turn(&service->child);
}

void service_run(struct service *service)
{
	int timeout_ms;

	while (!service->child.is_quitting) {
		timeout_ms = sooner(turn_all(service),
				    child_timeout_ms(&service->child));
		if (poll(service->polled, watch_all(service), timeout_ms) < 0 &&
		    errno != EINTR)
			return;
		dispatch(service);
	}
}
