/* SPDX-License-Identifier: MIT */
/*
 * Whatever a peer writes to a control link, receiving and dispatching it
 * returns, leaves no descriptor open, and calls a handler only with a message
 * of exactly the shape that protocol.def gives it.
 *
 * Input: one byte, how many descriptors go along (0 to 7), then one datagram.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/count.h"
#include "control/control.h"
#include "control/dispatch.h"
#include "control/fields.h"
#include "control/protocol.h"

#define FDS_MAX 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int check_shape(void *process, struct message *message)
{
	const struct message_shape *shape = message_shape(message->type);

	if (!shape ||
	    message->body_bytes != message_bytes(shape, message->body) ||
	    message->fd_count != shape->fd_count)
		abort();
	for (uint32_t i = 0; i < message->fd_count; i++)
		if (message->fds[i] < 0)
			abort();
	return 0;
}

static const struct message_rule rules[] = {
#define MESSAGE(number, name, from, to, body, fd_count, text) \
	{ number, IN_ANY_STATE, check_shape },
#include "control/protocol.def"
#undef MESSAGE
};

static void send_input(int fd, const uint8_t *data, size_t bytes)
{
	union {
		struct cmsghdr item;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} ancillary = { 0 };
	struct iovec part = { .iov_base = (void *)(data + 1),
			      .iov_len = bytes - 1 };
	struct msghdr out = { .msg_iov = &part, .msg_iovlen = 1 };
	size_t count = data[0] % (FDS_MAX + 1);
	int fds[FDS_MAX];

	for (size_t i = 0; i < count; i++)
		fds[i] = fd;
	if (count) {
		out.msg_control = &ancillary;
		out.msg_controllen = CMSG_SPACE(count * sizeof(int));
		ancillary.item.cmsg_level = SOL_SOCKET;
		ancillary.item.cmsg_type = SCM_RIGHTS;
		ancillary.item.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&ancillary.item), fds, count * sizeof(int));
	}
	(void)sendmsg(fd, &out, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The lowest free descriptor: it moves when one is left open. */
static int lowest_free(void)
{
	int fd = dup(STDERR_FILENO);

	(void)close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	int before = lowest_free();
	struct control here, there;
	struct message message;

	if (bytes == 0 || control_pair(&here, &there) < 0)
		return 0;
	send_input(here.fd, data, bytes);
	while (control_receive(&there, &message) == 0) {
		(void)message_dispatch(rules, ARRAY_COUNT(rules), 0, NULL,
				       &message);
		message_release(&message);
	}
	control_close(&here);
	control_close(&there);
	if (lowest_free() != before)
		abort();
	return 0;
}
