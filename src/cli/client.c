/* SPDX-License-Identifier: MIT */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/text.h"

#define WAIT_STEP_MS 200

/* Every text in what the supervisor sends; its end is checked on arrival. */
static const struct row_text {
	uint32_t type;
	size_t offset;
	size_t room;
} row_texts[] = {
#define ROW_TEXT(message, type, member)                       \
	{                                                     \
		MSG_##message, offsetof(struct type, member), \
			sizeof(((struct type *)0)->member)    \
	}
	ROW_TEXT(REPLY, reply, field),
	ROW_TEXT(REPLY, reply, text),
	ROW_TEXT(PARTITION_ROW, partition_row, name),
	ROW_TEXT(PARTITION_ROW, partition_row, state_name),
	ROW_TEXT(PARTITION_ROW, partition_row, reason),
	ROW_TEXT(PARTITION_DEFINED, partition_definition, name),
	ROW_TEXT(PARTITION_DEFINED, partition_definition, kernel),
	ROW_TEXT(PARTITION_DEFINED, partition_definition, initrd),
	ROW_TEXT(PARTITION_DEFINED, partition_definition, cmdline),
	ROW_TEXT(PARTITION_DEFINED, partition_definition, vhost_user),
	ROW_TEXT(DISK_ROW, disk_row, partition),
	ROW_TEXT(DISK_ROW, disk_row, disk),
	ROW_TEXT(DISK_ROW, disk_row, service),
	ROW_TEXT(DISK_ROW, disk_row, file),
	ROW_TEXT(DISK_ROW, disk_row, state),
	ROW_TEXT(EMULATION_ROW, emulation, mnemonic),
	ROW_TEXT(IMAGE_LEFT_ROW, image_left_row, file),
	ROW_TEXT(LAYER_ROW, layer_row, process),
	ROW_TEXT(SERVICE_ROW, service_row, name),
	ROW_TEXT(SERVICE_ROW, service_row, kind),
	ROW_TEXT(SERVICE_ROW, service_row, state),
	ROW_TEXT(EVENT_ROW, event_row, subject),
	ROW_TEXT(EVENT_ROW, event_row, text),
	ROW_TEXT(SUPERVISOR_ROW, supervisor_row, version),
	ROW_TEXT(SUPERVISOR_ROW, supervisor_row, engine),
	ROW_TEXT(SUPERVISOR_ROW, supervisor_row, engine_reason),
};

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
				 shape->body_bytes, request->fds,
				 request->fd_count);
		if (r != -EAGAIN)
			return r;
		r = wait_for(client, POLLOUT, since_ns);
		if (r < 0)
			return r;
	}
}

static bool has_its_shape(const struct message *message)
{
	const struct message_shape *shape = message_shape(message->type);

	return shape && message->body_bytes == shape->body_bytes &&
	       message->fd_count == shape->fd_count;
}

static bool are_texts_terminated(const struct message *message)
{
	for (size_t i = 0; i < ARRAY_COUNT(row_texts); i++) {
		const struct row_text *text = &row_texts[i];

		if (text->type == message->type &&
		    !text_is_terminated((const char *)message->body +
						text->offset,
					text->room))
			return false;
	}
	return true;
}

/* 1: the reply came; 0: go on. */
static int take_message(struct client *client, const struct request *request,
			struct message *message, struct reply *ret_reply)
{
	bool is_turned_away =
		message->type == MSG_REPLY && message->request_id == 0;

	if ((message->request_id != client->last_request_id &&
	     !is_turned_away) ||
	    !has_its_shape(message) || !are_texts_terminated(message))
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
