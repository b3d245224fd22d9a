/* SPDX-License-Identifier: MIT */
/* A channel's memory: made, sealed, mapped and checked. */
#include "channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/count.h"
#include "base/scope.h"
#include "channel/layout.h"
#include "channel/position.h"

uint64_t layout_responses_at(uint32_t slot_count)
{
	return LAYOUT_PAGE +
	       align_up_u64(slot_count * sizeof(struct channel_request),
			    LAYOUT_PAGE);
}

uint64_t layout_buffers_at(uint32_t slot_count)
{
	return layout_responses_at(slot_count) +
	       align_up_u64(slot_count * sizeof(struct channel_response),
			    LAYOUT_PAGE);
}

bool channel_shape_is_valid(const struct channel_shape *shape)
{
	return shape->kind == CHANNEL_KIND_DISK &&
	       shape->slot_count >= CHANNEL_SLOTS_LEAST &&
	       shape->slot_count <= CHANNEL_SLOTS_MOST &&
	       (shape->slot_count & (shape->slot_count - 1)) == 0 &&
	       shape->buffer_bytes <= CHANNEL_BUFFER_MOST &&
	       shape->buffer_bytes >= CHANNEL_BUFFER_UNIT &&
	       shape->buffer_bytes % CHANNEL_BUFFER_UNIT == 0;
}

uint64_t channel_memory_bytes(const struct channel_shape *shape)
{
	return layout_buffers_at(shape->slot_count) + shape->buffer_bytes;
}

/* The first page is written, not mapped: the supervisor keeps no map. */
static int write_header(int memfd, const struct channel_shape *shape)
{
	struct layout layout = {
		.magic = LAYOUT_MAGIC,
		.version = LAYOUT_VERSION,
		.kind = shape->kind,
		.slot_count = shape->slot_count,
		.buffer_bytes = shape->buffer_bytes,
		.generation = shape->generation,
	};
	ssize_t wrote;

	wrote = pwrite(memfd, &layout, sizeof(layout), 0);
	if (wrote < 0)
		return -errno;
	return wrote == (ssize_t)sizeof(layout) ? 0 : -ENOSPC;
}

int channel_create(const struct channel_shape *shape, int *ret_memfd)
{
	SCOPED(close_fd) int memfd = NO_FD;
	int error;

	if (!channel_shape_is_valid(shape))
		return -EINVAL;
	memfd = memfd_create("bulkhead-channel",
			     MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return -errno;
	if (ftruncate(memfd, (off_t)channel_memory_bytes(shape)) < 0)
		return -errno;
	error = write_header(memfd, shape);
	if (error)
		return error;
	if (fcntl(memfd, F_ADD_SEALS, POSITION_SEALS) < 0)
		return -errno;
	*ret_memfd = take_fd(&memfd);
	return 0;
}

/* Without these seals a peer could cut the file under our map: SIGBUS. */
static bool is_sealed(int memfd)
{
	int seals = fcntl(memfd, F_GET_SEALS);

	return seals >= 0 && (seals & POSITION_SEALS) == POSITION_SEALS;
}

/* Copied out of the memory once: from here on only the copy counts. */
static int read_shape(const struct layout *shared, enum channel_kind kind,
		      uint64_t map_bytes, struct channel_shape *ret_shape)
{
	struct layout layout;
	struct channel_shape shape;

	memcpy(&layout, shared, sizeof(layout));
	__asm__ volatile("" ::: "memory");
	if (layout.magic != LAYOUT_MAGIC || layout.version != LAYOUT_VERSION ||
	    layout.kind != kind)
		return -EBADMSG;
	shape = (struct channel_shape){
		.kind = kind,
		.slot_count = layout.slot_count,
		.buffer_bytes = layout.buffer_bytes,
		.generation = layout.generation,
	};
	if (!channel_shape_is_valid(&shape) ||
	    channel_memory_bytes(&shape) != map_bytes)
		return -EBADMSG;
	*ret_shape = shape;
	return 0;
}

static int map_memory(struct channel *channel, int memfd)
{
	struct stat status;
	void *map;

	if (fstat(memfd, &status) < 0)
		return -errno;
	if (!is_sealed(memfd) || status.st_size < LAYOUT_PAGE)
		return -EBADMSG;
	map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED, memfd, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* The buffers hold what guests store: not for core dumps. */
	(void)madvise(map, (size_t)status.st_size, MADV_DONTDUMP);
	channel->map = map;
	channel->map_bytes = (size_t)status.st_size;
	return 0;
}

static void place_rings(struct channel *channel)
{
	uint32_t slots = channel->shape.slot_count;
	struct layout *layout = channel->map;
	uint8_t *base = channel->map;
	struct channel_out requests_out = {
		.shared_index = &layout->request_index.value,
		.shared_wake_at = &layout->request_wake_at.value,
		.shared_taken = &layout->server.taken,
	};
	struct channel_out responses_out = {
		.shared_index = &layout->response_index.value,
		.shared_wake_at = &layout->response_wake_at.value,
		.shared_taken = &layout->client.taken,
	};
	bool is_client = channel->end == CHANNEL_CLIENT;
	const struct channel_out *in =
		is_client ? &responses_out : &requests_out;

	channel->requests = (void *)(base + LAYOUT_PAGE);
	channel->responses = (void *)(base + layout_responses_at(slots));
	channel->buffers = base + layout_buffers_at(slots);
	channel->out = is_client ? requests_out : responses_out;
	channel->in = (struct channel_in){
		.shared_index = in->shared_index,
		.shared_wake_at = in->shared_wake_at,
		.shared_taken = in->shared_taken,
	};
}

static struct layout_end *own_end(const struct channel *channel)
{
	struct layout *layout = channel->map;

	return channel->end == CHANNEL_CLIENT ? &layout->client
					      : &layout->server;
}

static const struct layout_end *peer_end(const struct channel *channel)
{
	struct layout *layout = channel->map;

	return channel->end == CHANNEL_CLIENT ? &layout->server
					      : &layout->client;
}

int channel_open(struct channel *channel, int memfd, enum channel_end end,
		 enum channel_kind kind)
{
	int error;

	*channel = (struct channel){ .end = end };
	error = map_memory(channel, memfd);
	if (!error)
		error = read_shape(channel->map, kind, channel->map_bytes,
				   &channel->shape);
	if (error) {
		if (channel->map)
			(void)munmap(channel->map, channel->map_bytes);
		channel->map = NULL;
		return error;
	}
	place_rings(channel);
	__atomic_store_n(&own_end(channel)->state, CHANNEL_OPEN,
			 __ATOMIC_RELAXED);
	return 0;
}

void channel_close(struct channel *channel)
{
	if (!channel->map)
		return;
	__atomic_store_n(&own_end(channel)->state, CHANNEL_CLOSED,
			 __ATOMIC_RELAXED);
	(void)munmap(channel->map, channel->map_bytes);
	*channel = (struct channel){ .end = channel->end, .is_broken = true };
}

/* The heartbeat has one writer, so load and store need not be one step. */
void channel_beat(struct channel *channel)
{
	uint64_t *beats = &own_end(channel)->beats;

	__atomic_store_n(beats, __atomic_load_n(beats, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELAXED);
}

uint64_t channel_peer_beats(const struct channel *channel)
{
	return __atomic_load_n(&peer_end(channel)->beats, __ATOMIC_RELAXED);
}

void channel_publish_cpu(struct channel *channel)
{
	__atomic_store_n(&own_end(channel)->cpu_one,
			 (uint32_t)sched_getcpu() + 1, __ATOMIC_RELAXED);
}

int channel_peer_cpu(const struct channel *channel)
{
	return (int)__atomic_load_n(&peer_end(channel)->cpu_one,
				    __ATOMIC_RELAXED) -
	       1;
}
