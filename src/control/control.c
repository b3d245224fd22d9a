/* SPDX-License-Identifier: MIT */
#include "control/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/scope.h"

/* What precedes the body. Host byte order: it never leaves the host. */
struct header {
	uint32_t type;
	uint32_t request_id;
};

#define FDS_BYTES (CONTROL_FD_MAX * sizeof(int))

/* Room for the descriptors, aligned as the kernel wants it. */
union ancillary {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(FDS_BYTES)];
};

/* CMSG_SPACE would round up to room for one descriptor more than we take,
 * which would then arrive unseen and leak. */
_Static_assert(CMSG_LEN(FDS_BYTES) == CMSG_SPACE(FDS_BYTES),
	       "an even number of descriptors fills the buffer");

int control_pair(struct control *ret_a, struct control *ret_b)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, fds) < 0)
		return -errno;
	ret_a->fd = fds[0];
	ret_b->fd = fds[1];
	return 0;
}

void control_close(struct control *control)
{
	close_fd(&control->fd);
}

static void attach_fds(struct msghdr *out, union ancillary *ancillary,
		       const int *fds, size_t fd_count)
{
	struct cmsghdr *item = &ancillary->header;

	out->msg_control = ancillary->bytes;
	out->msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	item->cmsg_level = SOL_SOCKET;
	item->cmsg_type = SCM_RIGHTS;
	item->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
	memcpy(CMSG_DATA(item), fds, fd_count * sizeof(int));
}

int control_send(struct control *control, uint32_t type, uint32_t request_id,
		 const void *body, size_t body_bytes, const int *fds,
		 size_t fd_count)
{
	struct header header = { .type = type, .request_id = request_id };
	struct iovec parts[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)body, .iov_len = body_bytes },
	};
	struct msghdr out = { .msg_iov = parts, .msg_iovlen = 2 };
	union ancillary ancillary = { 0 };

	if (body_bytes > CONTROL_BODY_MAX || fd_count > CONTROL_FD_MAX)
		return -EMSGSIZE;
	if (fd_count)
		attach_fds(&out, &ancillary, fds, fd_count);
	if (sendmsg(control->fd, &out, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

/* Move the descriptors of a received message into an array of its own. */
static uint32_t detach_fds(struct msghdr *in, int *fds)
{
	struct cmsghdr *item = CMSG_FIRSTHDR(in);
	size_t bytes;

	if (!item || item->cmsg_level != SOL_SOCKET ||
	    item->cmsg_type != SCM_RIGHTS || item->cmsg_len < CMSG_LEN(0))
		return 0;
	bytes = item->cmsg_len - CMSG_LEN(0);
	if (bytes > FDS_BYTES)
		bytes = FDS_BYTES;
	memcpy(fds, CMSG_DATA(item), bytes);
	return (uint32_t)(bytes / sizeof(int));
}

int control_receive(struct control *control, struct message *ret_message)
{
	struct header header;
	struct iovec parts[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = ret_message->body, .iov_len = CONTROL_BODY_MAX },
	};
	union ancillary ancillary = { 0 };
	struct msghdr in = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = ancillary.bytes,
		.msg_controllen = sizeof(ancillary.bytes),
	};
	ssize_t got;

	for (size_t i = 0; i < CONTROL_FD_MAX; i++)
		ret_message->fds[i] = NO_FD;
	got = recvmsg(control->fd, &in, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	/* It left unread what we said: that is told first, once, and then what
	 * it said. */
	if (got < 0 && errno == ECONNRESET)
		got = recvmsg(control->fd, &in,
			      MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (got == 0)
		return -EPIPE;
	ret_message->fd_count = detach_fds(&in, ret_message->fds);
	if ((in.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    (size_t)got < sizeof(header)) {
		message_release(ret_message);
		return -EBADMSG;
	}

	ret_message->type = header.type;
	ret_message->request_id = header.request_id;
	ret_message->body_bytes = (uint32_t)((size_t)got - sizeof(header));
	return 0;
}

void message_release(struct message *message)
{
	for (size_t i = 0; i < CONTROL_FD_MAX; i++)
		close_fd(&message->fds[i]);
}
