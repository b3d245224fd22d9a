/* SPDX-License-Identifier: MIT */
#include "control/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/log.h"
#include "base/rendezvous.h"
#include "base/scope.h"
#include "control/fields.h"

static int wait_for_message(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	while (poll(&wait, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static bool settings_are_valid(const struct message *message, enum role role)
{
	const struct child_settings *settings = (const void *)message->body;

	return message->type == MSG_CHILD_SETTINGS &&
	       message_is_valid(message) && settings->role == role;
}

static int receive_settings(struct child *child, enum role role)
{
	SCOPED(message_release) struct message message;
	int r;

	for (size_t i = 0; i < CONTROL_FD_MAX; i++)
		message.fds[i] = NO_FD;
	r = wait_for_message(child->link.fd);
	if (!r)
		r = control_receive(&child->link, &message);
	if (r)
		return r;
	if (!settings_are_valid(&message, role))
		return -EBADMSG;
	memcpy(&child->settings, message.body, sizeof(child->settings));
	child->meet_fd = take_fd(&message.fds[0]);
	return 0;
}

int child_open(struct child *child, enum role role)
{
	int r;

	*child = (struct child){ .meet_fd = NO_FD, .link = { NO_FD } };
	/* It came through exec, so it was not close-on-exec until now. */
	if (fcntl(CONTROL_CHILD_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(CONTROL_CHILD_FD, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	child->link.fd = CONTROL_CHILD_FD;
	r = receive_settings(child, role);
	if (r)
		child_close(child);
	return r;
}

void child_close(struct child *child)
{
	control_close(&child->link);
	child_close_meet(child);
}

void child_close_meet(struct child *child)
{
	close_fd(&child->meet_fd);
}

int child_ready(struct child *child, uint32_t layers, uint32_t missing)
{
	child->ready.layers = layers;
	child->ready.missing = missing;
	child->is_ready = true;
	return child_send(child, MSG_CHILD_READY, 0, &child->ready,
			  sizeof(child->ready));
}

void child_say(struct child *child, uint32_t level, const char *text)
{
	struct child_event event = { .level = level };

	(void)snprintf(event.text, sizeof(event.text), "%s", text);
	(void)child_send(child, MSG_CHILD_EVENT, 0, &event, sizeof(event));
}

int child_fd(const struct child *child)
{
	return child->link.fd;
}

int child_timeout_ms(const struct child *child)
{
	uint64_t now_ns;

	if (child->link.fd != NO_FD)
		return -1;
	now_ns = clock_now_ns();
	if (now_ns >= child->retry_at_ns)
		return 0;
	return (int)((child->retry_at_ns - now_ns) / NS_PER_MS) + 1;
}

void child_drop(struct child *child)
{
	control_close(&child->link);
	child->retry_at_ns = clock_now_ns() + CHILD_RETRY_MS * NS_PER_MS;
}

/* A listener's queue that is full refuses at once: nothing here blocks. */
static int connect_supervisor(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = RENDEZVOUS_NAME };
	SCOPED(close_fd) int fd = NO_FD;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, RENDEZVOUS_ADDRESS_BYTES) <
	    0)
		return -errno;
	return take_fd(&fd);
}

static void say_hello(struct child *child)
{
	struct child_hello hello = {
		.protocol_version = PROTOCOL_VERSION,
		.role = child->settings.role,
	};

	memcpy(hello.name, child->settings.name, sizeof(hello.name));
	memcpy(hello.token, child->settings.token, sizeof(hello.token));
	(void)child_send(child, MSG_CHILD_HELLO, 0, &hello, sizeof(hello));
	/* The new supervisor has not seen how it is isolated. */
	if (child->is_ready)
		(void)child_send(child, MSG_CHILD_READY, 0, &child->ready,
				 sizeof(child->ready));
}

void child_turn(struct child *child)
{
	int fd;

	if (child->link.fd != NO_FD || clock_now_ns() < child->retry_at_ns)
		return;
	fd = connect_supervisor();
	if (fd < 0) {
		child_drop(child);
		return;
	}
	child->link.fd = fd;
	say_hello(child);
}

int child_receive(struct child *child, struct message *ret_message)
{
	int r;

	if (child->link.fd == NO_FD)
		return -EAGAIN;
	r = control_receive(&child->link, ret_message);
	if (!r || r == -EAGAIN)
		return r;
	child_drop(child);
	return r == -EBADMSG ? r : -EAGAIN;
}

int child_send_fds(struct child *child, uint32_t type, uint32_t request_id,
		   const void *body, size_t body_bytes, const int *fds,
		   size_t fd_count)
{
	const struct body_field *fault;

	if (child->link.fd == NO_FD)
		return -EPIPE;
	fault = body_fault(message_shape(type)->fields, body);
	if (fault) {
		log_error("a message with a field at fault, not sent type=%u "
			  "field=%s",
			  type, fault->name);
		return -EBADMSG;
	}
	if (control_send(&child->link, type, request_id, body, body_bytes, fds,
			 fd_count)) {
		child_drop(child);
		return -EPIPE;
	}
	return 0;
}

int child_send(struct child *child, uint32_t type, uint32_t request_id,
	       const void *body, size_t body_bytes)
{
	return child_send_fds(child, type, request_id, body, body_bytes, NULL,
			      0);
}

static int answer_ping(void *process, struct message *message)
{
	(void)child_send(process, MSG_CHILD_PONG, message->request_id, NULL, 0);
	return 0;
}

static int note_quit(void *process, struct message *message)
{
	struct child *child = process;

	child->is_quitting = true;
	return 0;
}

static const struct message_rule of_every_service[] = {
	{ MSG_CHILD_PING, IN_ANY_STATE, answer_ping },
	{ MSG_CHILD_QUIT, IN_ANY_STATE, note_quit },
};

static int serve_one(struct child *child, const struct message_rule *rules,
		     size_t rule_count, void *process)
{
	SCOPED(message_release) struct message message;
	int r;

	for (size_t i = 0; i < CONTROL_FD_MAX; i++)
		message.fds[i] = NO_FD;
	r = child_receive(child, &message);
	if (r < 0)
		return r;
	if (message.type == MSG_CHILD_PING || message.type == MSG_CHILD_QUIT)
		return message_dispatch(of_every_service,
					ARRAY_COUNT(of_every_service), 0, child,
					&message);
	r = message_dispatch(rules, rule_count, 0, process, &message);
	if (r == 0 && message.type == MSG_CHILD_WELCOME)
		(void)child_send(child, MSG_CHILD_REPORTED, message.request_id,
				 NULL, 0);
	return r;
}

void child_serve(struct child *child, const struct message_rule *rules,
		 size_t rule_count, void *process)
{
	int r;

	do {
		r = serve_one(child, rules, rule_count, process);
	} while (r == 0);
	if (r == -EAGAIN)
		return;
	log_warn("a message against the rules, dropped the link error=%s",
		 strerrorname_np(-r));
	child_drop(child);
}
