/* SPDX-License-Identifier: MIT */
#include "vhostuser/queues.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/scope.h"
#include "vhostuser/wire.h"

static const struct vhostuser_queue fresh = {
	.place = { .kick_fd = NO_FD, .call_fd = NO_FD },
	.error_fd = NO_FD,
};

/* The ring that an index of the peer's names, or NULL. */
static struct vhostuser_queue *queue_named(struct vhostuser_backend *backend,
					   uint64_t index)
{
	return index < backend->queue_count ? &backend->queues[index] : NULL;
}

static uint32_t index_of(const struct vhostuser_backend *backend,
			 const struct vhostuser_queue *queue)
{
	return (uint32_t)(queue - backend->queues);
}

static void stop(struct vhostuser_backend *backend,
		 struct vhostuser_queue *queue)
{
	if (!queue->is_served)
		return;
	queue->is_served = false;
	queue->place.base = backend->ops->queue_stop(backend->device,
						     index_of(backend, queue));
}

/* Serve the ring if it has all it needs. The one place that decides. */
static int start_when_ready(struct vhostuser_backend *backend,
			    struct vhostuser_queue *queue)
{
	int r;

	if (queue->is_served || queue->place.size == 0 ||
	    !queue->has_addresses || queue->place.kick_fd == NO_FD ||
	    !queue->is_enabled)
		return 0;
	r = backend->ops->queue_start(backend->device, index_of(backend, queue),
				      &queue->place);
	queue->is_served = r == 0;
	return r;
}

static struct vhostuser_vring_state
read_state(const struct vhostuser_backend *backend)
{
	struct vhostuser_vring_state state;

	memcpy(&state, backend->payload, sizeof(state));
	return state;
}

int queue_set_size(struct vhostuser_backend *backend)
{
	struct vhostuser_vring_state state = read_state(backend);
	struct vhostuser_queue *queue = queue_named(backend, state.index);

	if (!queue || state.value == 0 ||
	    state.value > VHOSTUSER_QUEUE_SIZE_MAX ||
	    (state.value & (state.value - 1)) != 0)
		return -EBADMSG;
	stop(backend, queue);
	queue->place.size = (uint16_t)state.value;
	return start_when_ready(backend, queue);
}

int queue_set_addresses(struct vhostuser_backend *backend)
{
	struct vhostuser_vring_addresses addresses;
	struct vhostuser_queue *queue;

	memcpy(&addresses, backend->payload, sizeof(addresses));
	queue = queue_named(backend, addresses.index);
	if (!queue)
		return -EBADMSG;
	stop(backend, queue);
	queue->place.descriptors = addresses.descriptors;
	queue->place.available = addresses.available;
	queue->place.used = addresses.used;
	queue->has_addresses = true;
	return start_when_ready(backend, queue);
}

int queue_set_base(struct vhostuser_backend *backend)
{
	struct vhostuser_vring_state state = read_state(backend);
	struct vhostuser_queue *queue = queue_named(backend, state.index);

	if (!queue || state.value > UINT16_MAX)
		return -EBADMSG;
	queue->place.base = (uint16_t)state.value;
	return 0;
}

/* The answer is given at once, whatever is in flight (I6). */
int queue_get_base(struct vhostuser_backend *backend)
{
	struct vhostuser_vring_state state = read_state(backend);
	struct vhostuser_queue *queue = queue_named(backend, state.index);

	if (!queue)
		return -EBADMSG;
	stop(backend, queue);
	close_fd(&queue->place.kick_fd);
	state.value = queue->place.base;
	return wire_reply(backend, &state, sizeof(state), NO_FD);
}

static int make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/*
 * The ring and the descriptor of a KICK, CALL or ERR message; *ret_fd is
 * NO_FD if the message says that there is none, and the caller's otherwise.
 */
static int take_ring_fd(struct vhostuser_backend *backend,
			struct vhostuser_queue **ret_queue, int *ret_fd)
{
	uint64_t word;
	bool has_fd;

	memcpy(&word, backend->payload, sizeof(word));
	has_fd = (word & VHOSTUSER_VRING_NO_FD) == 0;
	*ret_queue = queue_named(backend, word & VHOSTUSER_VRING_INDEX_MASK);
	if (!*ret_queue || backend->fd_count != has_fd)
		return -EBADMSG;
	*ret_fd = NO_FD;
	if (!has_fd)
		return 0;
	if (make_nonblocking(backend->fds[0]) < 0)
		return -EBADMSG;
	*ret_fd = take_fd(&backend->fds[0]);
	return 0;
}

/* A ring without a kick descriptor asks to be polled, which we do not do. */
int queue_set_kick(struct vhostuser_backend *backend)
{
	struct vhostuser_queue *queue;
	int fd;

	if (take_ring_fd(backend, &queue, &fd) < 0)
		return -EBADMSG;
	stop(backend, queue);
	close_fd(&queue->place.kick_fd);
	queue->place.kick_fd = fd;
	return fd == NO_FD ? -EOPNOTSUPP : start_when_ready(backend, queue);
}

/* The old descriptor lives until the device knows the new one. */
static void replace_fd(struct vhostuser_backend *backend,
		       const struct vhostuser_queue *queue, int *place, int fd)
{
	int old = *place;

	*place = fd;
	if (queue->is_served)
		backend->ops->queue_call(backend->device,
					 index_of(backend, queue),
					 &queue->place);
	close_fd(&old);
}

int queue_set_call(struct vhostuser_backend *backend)
{
	struct vhostuser_queue *queue;
	int fd;

	if (take_ring_fd(backend, &queue, &fd) < 0)
		return -EBADMSG;
	replace_fd(backend, queue, &queue->place.call_fd, fd);
	return 0;
}

int queue_set_error(struct vhostuser_backend *backend)
{
	struct vhostuser_queue *queue;
	int fd;

	if (take_ring_fd(backend, &queue, &fd) < 0)
		return -EBADMSG;
	replace_fd(backend, queue, &queue->error_fd, fd);
	return 0;
}

int queue_set_enabled(struct vhostuser_backend *backend)
{
	struct vhostuser_vring_state state = read_state(backend);
	struct vhostuser_queue *queue = queue_named(backend, state.index);

	if (!queue || state.value > 1)
		return -EBADMSG;
	queue->is_enabled = state.value == 1;
	if (!queue->is_enabled)
		stop(backend, queue);
	return start_when_ready(backend, queue);
}

int queues_enable_all(struct vhostuser_backend *backend)
{
	for (uint32_t i = 0; i < backend->queue_count; i++) {
		struct vhostuser_queue *queue = &backend->queues[i];
		int r;

		queue->is_enabled = true;
		r = start_when_ready(backend, queue);
		if (r < 0)
			return r;
	}
	return 0;
}

void queues_init(struct vhostuser_backend *backend)
{
	for (uint32_t i = 0; i < VHOSTUSER_QUEUE_MAX; i++)
		backend->queues[i] = fresh;
}

void queues_reset(struct vhostuser_backend *backend)
{
	for (uint32_t i = 0; i < backend->queue_count; i++) {
		struct vhostuser_queue *queue = &backend->queues[i];

		stop(backend, queue);
		close_fd(&queue->place.kick_fd);
		close_fd(&queue->place.call_fd);
		close_fd(&queue->error_fd);
		*queue = fresh;
	}
}
