/* SPDX-License-Identifier: MIT */
#include "vhostuser/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/scope.h"

/* Keep the descriptors of one recvmsg(); close those beyond the maximum. */
static int keep_fds(struct vhostuser_backend *backend, struct msghdr *in)
{
	int r = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(in); c; c = CMSG_NXTHDR(in, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (backend->fd_count < VHOSTUSER_FD_MAX) {
				backend->fds[backend->fd_count++] = fd;
				continue;
			}
			close_fd(&fd);
			r = -EBADMSG;
		}
	}
	return r;
}

static int receive_some(struct vhostuser_backend *backend, void *to,
			size_t bytes)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(sizeof(int) * VHOSTUSER_FD_MAX)];
	struct iovec body = { .iov_base = to, .iov_len = bytes };
	struct msghdr in = { .msg_iov = &body,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control) };
	ssize_t got =
		recvmsg(backend->fd, &in, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
	if (got == 0)
		return -EPIPE;
	backend->got_bytes += (size_t)got;
	if (keep_fds(backend, &in) < 0 || (in.msg_flags & MSG_CTRUNC) != 0)
		return -EBADMSG;
	return 0;
}

static bool is_request(const struct vhostuser_header *header)
{
	return (header->flags & VHOSTUSER_VERSION_MASK) == VHOSTUSER_VERSION &&
	       (header->flags & VHOSTUSER_REPLY) == 0 &&
	       header->payload_bytes <= VHOSTUSER_PAYLOAD_MAX;
}

int wire_receive(struct vhostuser_backend *backend)
{
	const size_t header_bytes = sizeof(backend->header);

	while (backend->got_bytes < header_bytes) {
		int r = receive_some(backend,
				     (uint8_t *)&backend->header +
					     backend->got_bytes,
				     header_bytes - backend->got_bytes);

		if (r < 0)
			return r;
	}
	if (!is_request(&backend->header))
		return -EBADMSG;
	while (backend->got_bytes <
	       header_bytes + backend->header.payload_bytes) {
		size_t have = backend->got_bytes - header_bytes;
		int r = receive_some(backend, backend->payload + have,
				     backend->header.payload_bytes - have);

		if (r < 0)
			return r;
	}
	return 0;
}

void wire_next(struct vhostuser_backend *backend)
{
	for (uint32_t i = 0; i < backend->fd_count; i++)
		close_fd(&backend->fds[i]);
	backend->fd_count = 0;
	backend->got_bytes = 0;
}

static void attach_fd(struct msghdr *out, void *control, size_t room, int fd)
{
	struct cmsghdr *c;

	out->msg_control = control;
	out->msg_controllen = room;
	c = CMSG_FIRSTHDR(out);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

/* A message is far smaller than a socket's buffer: all of it goes or none. */
int wire_reply(struct vhostuser_backend *backend, const void *payload,
	       uint32_t bytes, int fd)
{
	const struct vhostuser_header header = {
		.request = backend->header.request,
		.flags = VHOSTUSER_VERSION | VHOSTUSER_REPLY,
		.payload_bytes = bytes,
	};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	uint8_t message[sizeof(header) + VHOSTUSER_PAYLOAD_MAX];
	struct iovec body = { .iov_base = message,
			      .iov_len = sizeof(header) + bytes };
	struct msghdr out = { .msg_iov = &body, .msg_iovlen = 1 };
	ssize_t sent;

	assert(bytes <= VHOSTUSER_PAYLOAD_MAX);
	memcpy(message, &header, sizeof(header));
	if (bytes != 0)
		memcpy(message + sizeof(header), payload, bytes);
	if (fd != NO_FD)
		attach_fd(&out, control, sizeof(control), fd);
	sent = sendmsg(backend->fd, &out, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EPIPE || errno == ECONNRESET ? -EPIPE
							     : -EBADMSG;
	return (size_t)sent == body.iov_len ? 0 : -EBADMSG;
}
