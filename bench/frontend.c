/* SPDX-License-Identifier: MIT */
#include "frontend.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/scope.h"

#define ANSWER_SECONDS   5
#define CONNECT_PAUSE_NS (2 * NS_PER_MS)

struct wire {
	struct vhostuser_header header;
	_Alignas(8) uint8_t payload[VHOSTUSER_PAYLOAD_MAX];
};

/* SET_PROTOCOL_FEATURES and what precedes it cannot be acknowledged yet. */
static bool wants_reply(const struct frontend *frontend)
{
	return frontend->protocol & (1ull << VHOSTUSER_PROTOCOL_REPLY_ACK);
}

static int send_parts(struct frontend *frontend, const struct wire *wire,
		      const int *fd)
{
	struct iovec parts[2] = {
		{ (void *)&wire->header, sizeof(wire->header) },
		{ (void *)wire->payload, wire->header.payload_bytes },
	};
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr out = { .msg_iov = parts, .msg_iovlen = 2 };
	struct cmsghdr *control;

	if (fd) {
		out.msg_control = room;
		out.msg_controllen = sizeof(room);
		control = CMSG_FIRSTHDR(&out);
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(control), fd, sizeof(int));
	}
	if (sendmsg(frontend->fd, &out, MSG_NOSIGNAL) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

static int receive_exactly(struct frontend *frontend, void *to, size_t bytes)
{
	ssize_t got;

	if (bytes == 0)
		return 0;
	got = recv(frontend->fd, to, bytes, MSG_WAITALL);
	if (got == (ssize_t)bytes)
		return 0;
	if (got >= 0)
		return -EPIPE;
	return errno == EAGAIN       ? -ETIMEDOUT
	       : errno == ECONNRESET ? -EPIPE
				     : -errno;
}

/* The header, with the descriptor that came beside it, if any. */
static int receive_header(struct frontend *frontend,
			  struct vhostuser_header *header, int *ret_fd)
{
	struct iovec part = { header, sizeof(*header) };
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr in = { .msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = room,
			     .msg_controllen = sizeof(room) };
	struct cmsghdr *control;
	ssize_t got;

	got = recvmsg(frontend->fd, &in, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EAGAIN       ? -ETIMEDOUT
		       : errno == ECONNRESET ? -EPIPE
					     : -errno;
	if (got != sizeof(*header))
		return -EPIPE;
	control = CMSG_FIRSTHDR(&in);
	if (control && control->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(control), sizeof(int));
	return 0;
}

static int receive_answer(struct frontend *frontend, uint32_t request,
			  struct wire *wire, int *ret_fd)
{
	SCOPED(close_fd) int fd = NO_FD;
	int error;

	error = receive_header(frontend, &wire->header, &fd);
	if (error)
		return error;
	if (wire->header.request != request ||
	    wire->header.payload_bytes > sizeof(wire->payload))
		return -EPROTO;
	error = receive_exactly(frontend, wire->payload,
				wire->header.payload_bytes);
	if (error)
		return error;
	if (ret_fd)
		*ret_fd = take_fd(&fd);
	return 0;
}

static int receive_acknowledgement(struct frontend *frontend, uint32_t request)
{
	struct wire wire;
	uint64_t status;
	int error;

	error = receive_answer(frontend, request, &wire, NULL);
	if (error)
		return error;
	memcpy(&status, wire.payload, sizeof(status));
	return status == 0 ? 0 : -EREMOTEIO;
}

/* A request without an answer of its own. */
static int tell(struct frontend *frontend, uint32_t request, const void *body,
		size_t bytes, const int *fd)
{
	struct wire wire = { .header = { .request = request,
					 .flags = VHOSTUSER_VERSION,
					 .payload_bytes = (uint32_t)bytes } };
	int error;

	if (wants_reply(frontend))
		wire.header.flags |= VHOSTUSER_NEED_REPLY;
	if (bytes)
		memcpy(wire.payload, body, bytes);
	error = send_parts(frontend, &wire, fd);
	if (error || !wants_reply(frontend))
		return error;
	return receive_acknowledgement(frontend, request);
}

/* A request that is answered with a body of the same size. */
static int ask(struct frontend *frontend, uint32_t request, void *body,
	       size_t sent_bytes, size_t answer_bytes, int *ret_fd)
{
	struct wire wire = { .header = { .request = request,
					 .flags = VHOSTUSER_VERSION,
					 .payload_bytes =
						 (uint32_t)sent_bytes } };
	int error;

	if (sent_bytes)
		memcpy(wire.payload, body, sent_bytes);
	error = send_parts(frontend, &wire, NULL);
	if (error)
		return error;
	error = receive_answer(frontend, request, &wire, ret_fd);
	if (error)
		return error;
	if (wire.header.payload_bytes < answer_bytes)
		return -EPROTO;
	memcpy(body, wire.payload, answer_bytes);
	return 0;
}

static int ask_u64(struct frontend *frontend, uint32_t request,
		   uint64_t *ret_value)
{
	return ask(frontend, request, ret_value, 0, sizeof(*ret_value), NULL);
}

static int agree(struct frontend *frontend, uint64_t wanted)
{
	uint64_t offered = 0;
	int error;

	frontend->protocol = 0;
	frontend->queue_count_max = 1;
	error = ask_u64(frontend, VHOSTUSER_GET_FEATURES, &frontend->offered);
	if (error)
		return error;
	if (!(frontend->offered & (1ull << VHOSTUSER_F_PROTOCOL_FEATURES)))
		return -EPROTO;
	error = ask_u64(frontend, VHOSTUSER_GET_PROTOCOL_FEATURES, &offered);
	if (!error)
		error = frontend_set_u64(frontend,
					 VHOSTUSER_SET_PROTOCOL_FEATURES,
					 offered & wanted);
	if (error)
		return error;
	frontend->protocol = offered & wanted;
	if (frontend->protocol & (1ull << VHOSTUSER_PROTOCOL_MQ))
		error = ask_u64(frontend, VHOSTUSER_GET_QUEUE_NUM,
				&frontend->queue_count_max);
	return error ? error
		     : tell(frontend, VHOSTUSER_SET_OWNER, NULL, 0, NULL);
}

static int connect_once(struct frontend *frontend, const char *path)
{
	SCOPED(close_fd) int fd = NO_FD;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	frontend->fd = take_fd(&fd);
	return 0;
}

int frontend_connect(struct frontend *frontend, const char *path,
		     uint64_t wanted, uint64_t deadline_ns)
{
	const struct timespec pause = { .tv_nsec = CONNECT_PAUSE_NS };
	int error;

	frontend->fd = NO_FD;
	for (;;) {
		error = connect_once(frontend, path);
		if (!error)
			error = agree(frontend, wanted);
		if (!error || error == -ENAMETOOLONG ||
		    clock_now_ns() >= deadline_ns)
			return error;
		frontend_close(frontend);
		(void)nanosleep(&pause, NULL);
	}
}

void frontend_close(struct frontend *frontend)
{
	close_fd(&frontend->fd);
}

int frontend_config(struct frontend *frontend, void *to, uint32_t bytes)
{
	struct vhostuser_config config = { .bytes = bytes };
	size_t size = VHOSTUSER_CONFIG_HEADER_BYTES + bytes;
	int error;

	if (bytes > sizeof(config.space))
		return -EINVAL;
	error = ask(frontend, VHOSTUSER_GET_CONFIG, &config, size, size, NULL);
	if (!error)
		memcpy(to, config.space, bytes);
	return error;
}

int frontend_set_u64(struct frontend *frontend, uint32_t request,
		     uint64_t value)
{
	return tell(frontend, request, &value, sizeof(value), NULL);
}

int frontend_set_memory(struct frontend *frontend,
			const struct vhostuser_region *region, int fd)
{
	struct vhostuser_table table = { .region_count = 1 };

	table.regions[0] = *region;
	return tell(frontend, VHOSTUSER_SET_MEM_TABLE, &table,
		    8 + sizeof(*region), &fd);
}

int frontend_set_vring(struct frontend *frontend, uint32_t request,
		       uint32_t index, uint32_t value)
{
	struct vhostuser_vring_state state = { index, value };

	return tell(frontend, request, &state, sizeof(state), NULL);
}

int frontend_get_vring_base(struct frontend *frontend, uint32_t index,
			    uint32_t *ret_base)
{
	struct vhostuser_vring_state state = { index, 0 };
	int error;

	error = ask(frontend, VHOSTUSER_GET_VRING_BASE, &state, sizeof(state),
		    sizeof(state), NULL);
	if (!error)
		*ret_base = state.value;
	return error;
}

int frontend_set_addresses(struct frontend *frontend,
			   const struct vhostuser_vring_addresses *addresses)
{
	return tell(frontend, VHOSTUSER_SET_VRING_ADDR, addresses,
		    sizeof(*addresses), NULL);
}

int frontend_set_vring_fd(struct frontend *frontend, uint32_t request,
			  uint32_t index, int fd)
{
	uint64_t value = index;

	return tell(frontend, request, &value, sizeof(value), &fd);
}

int frontend_get_inflight(struct frontend *frontend,
			  struct vhostuser_inflight *inflight, int *ret_fd)
{
	int error;

	*ret_fd = NO_FD;
	error = ask(frontend, VHOSTUSER_GET_INFLIGHT_FD, inflight,
		    sizeof(*inflight), VHOSTUSER_INFLIGHT_BYTES_MIN, ret_fd);
	if (!error && *ret_fd == NO_FD)
		return -EPROTO;
	return error;
}

int frontend_set_inflight(struct frontend *frontend,
			  const struct vhostuser_inflight *inflight, int fd)
{
	return tell(frontend, VHOSTUSER_SET_INFLIGHT_FD, inflight,
		    sizeof(*inflight), &fd);
}
