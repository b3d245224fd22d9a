/* SPDX-License-Identifier: MIT */
/* What the supervisor may ask of a console service, and what it is told. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "console/service.h"
#include "control/dispatch.h"

void service_report(struct service *service, enum event_level level,
		    const char *format, ...)
{
	struct child_event event = { .level = level };
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(event.text, sizeof(event.text), format, arguments);
	va_end(arguments);
	log_warn("%s", event.text);
	(void)child_send(&service->child, MSG_CHILD_EVENT, 0, &event,
			 sizeof(event));
}

/* Its index; console_count when there is none. */
static uint32_t find_console(const struct service *service,
			     const struct attachment *attachment)
{
	uint32_t i = 0;

	while (i < service->console_count &&
	       memcmp(&service->consoles[i]->attachment, attachment,
		      sizeof(*attachment)) != 0)
		i++;
	return i;
}

static int attach(void *process, struct message *message)
{
	const struct console_ring *ring = (const void *)message->body;
	struct service *service = process;
	struct console *console;
	int r;

	if (find_console(service, &ring->attachment) != service->console_count)
		return -EBADMSG;
	r = service->console_count == CONSOLE_SERVICE_MAX
		    ? -ENOSPC
		    : console_new(ring, message->fds, &console);
	if (r < 0) {
		service_report(service, EVENT_ERROR,
			       "cannot serve the console of %s (%s)",
			       ring->partition, strerrorname_np(-r));
		return 0;
	}
	service->consoles[service->console_count++] = console;
	return 0;
}

static int set(void *process, struct message *message)
{
	const struct console_settings *settings = (const void *)message->body;
	struct service *service = process;
	uint32_t index = find_console(service, &settings->attachment);
	int r;

	if (index == service->console_count)
		return 0;
	r = console_set_log(service->consoles[index], settings->log_bytes);
	if (r < 0)
		service_report(service, EVENT_ERROR,
			       "the log of %s cannot be cut (%s)",
			       service->consoles[index]->partition,
			       strerrorname_np(-r));
	return 0;
}

static int detach(void *process, struct message *message)
{
	const struct attachment *asked = (const void *)message->body;
	struct service *service = process;
	uint32_t index = find_console(service, asked);
	struct console *console;

	if (index == service->console_count)
		return 0;
	console = service->consoles[index];
	service->consoles[index] = service->consoles[--service->console_count];
	console_end(console, "the console is closed");
	return 0;
}

static int attach_client(void *process, struct message *message)
{
	const struct console_client *client = (const void *)message->body;
	struct service *service = process;
	uint32_t index = find_console(service, &client->attachment);
	int r;

	/* Closed with the message: he will ask again. */
	if (index == service->console_count)
		return 0;
	r = console_attach(service->consoles[index], take_fd(&message->fds[0]),
			   (enum console_mode)client->mode);
	if (r < 0)
		log_debug("a client was not attached error=%s",
			  strerrorname_np(-r));
	return 0;
}

static int welcome(void *process, struct message *message)
{
	struct service *service = process;

	for (uint32_t i = 0; i < service->console_count; i++)
		(void)child_send(&service->child, MSG_CONSOLE_HELD, 0,
				 &service->consoles[i]->attachment,
				 sizeof(struct attachment));
	return 0;
}

static const struct message_rule from_supervisor[] = {
	{ MSG_CONSOLE_ATTACH, IN_ANY_STATE, attach },
	{ MSG_CONSOLE_SET, IN_ANY_STATE, set },
	{ MSG_CONSOLE_DETACH, IN_ANY_STATE, detach },
	{ MSG_CONSOLE_CLIENT, IN_ANY_STATE, attach_client },
	{ MSG_CHILD_WELCOME, IN_ANY_STATE, welcome },
};

void service_receive(struct service *service)
{
	child_serve(&service->child, from_supervisor,
		    ARRAY_COUNT(from_supervisor), service);
}
