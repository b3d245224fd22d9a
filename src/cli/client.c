/* SPDX-License-Identifier: MIT */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/fields.h"

#define WAIT_STEP_MS 200

int client_open(struct client *client, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	SCOPED(close_fd) int fd = NO_FD;

	client->control.fd = NO_FD;
	if (text_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	client->control.fd = take_fd(&fd);
	return 0;
}

void client_close(struct client *client)
{
	control_close(&client->control);
}

/* Wait for something to read or room to write; tell the caller we wait. */
static int wait_for(const struct client *client, short events,
		    uint64_t since_ns)
{
	struct pollfd fd = { .fd = client->control.fd, .events = events };
	int ready;

	for (;;) {
		ready = poll(&fd, 1, client->on_wait ? WAIT_STEP_MS : -1);
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready > 0)
			return 0;
		if (client->on_wait)
			client->on_wait(client->on_wait_data,
					(clock_now_ns() - since_ns) /
						NS_PER_MS);
	}
}

static int send_request(struct client *client, const struct request *request,
			uint64_t since_ns)
{
	const struct message_shape *shape = message_shape(request->type);
	int r;

	for (;;) {
		r = control_send(&client->control, request->type,
				 client->last_request_id, request->body,
				 message_bytes(shape, request->body),
				 request->fds, request->fd_count);
		if (r != -EAGAIN)
			return r;
		r = wait_for(client, POLLOUT, since_ns);
		if (r < 0)
			return r;
	}
}

/* 1: the reply came; 0: go on. */
static int take_message(struct client *client, const struct request *request,
			struct message *message, struct reply *ret_reply)
{
	bool is_turned_away =
		message->type == MSG_REPLY && message->request_id == 0;

	if ((message->request_id != client->last_request_id &&
	     !is_turned_away) ||
	    !message_is_valid(message))
		return -EBADMSG;
	if (message->type == MSG_REPLY) {
		memcpy(ret_reply, message->body, sizeof(*ret_reply));
		return 1;
	}
	if (!request->on_row)
		return -EBADMSG;
	return request->on_row(request->row_data, message);
}

static int receive_one(struct client *client, const struct request *request,
		       uint64_t since_ns, struct reply *ret_reply)
{
	SCOPED(message_release) struct message message;
	int r = control_receive(&client->control, &message);

	/* What it said before it hung up comes after the news that it has. */
	if (r == -EPIPE)
		r = control_receive(&client->control, &message);

	if (r == -EAGAIN)
		return wait_for(client, POLLIN, since_ns);
	if (r < 0)
		return r;
	return take_message(client, request, &message, ret_reply);
}

int client_call(struct client *client, const struct request *request,
		struct reply *ret_reply)
{
	uint64_t since_ns = clock_now_ns();
	int r;

	client->last_request_id++;
	r = send_request(client, request, since_ns);
	if (r == -EPIPE)
		r = 0;
	while (r == 0)
		r = receive_one(client, request, since_ns, ret_reply);
	return r < 0 ? r : 0;
}
