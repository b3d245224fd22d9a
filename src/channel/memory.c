/* SPDX-License-Identifier: MIT */
/* A channel's memory: created, mapped and checked. */
#include "channel/channel.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "base/count.h"
#include "channel/layout.h"
#include "channel/position.h"
#include "channel/scsi_request.h"

static uint64_t responses_at(uint32_t slot_count)
{
	return LAYOUT_PAGE +
	       align_up_u64(slot_count * sizeof(struct channel_request),
			    LAYOUT_PAGE);
}

static uint64_t buffers_at(uint32_t slot_count)
{
	return responses_at(slot_count) +
	       align_up_u64(slot_count * sizeof(struct channel_response),
			    LAYOUT_PAGE);
}

uint32_t channel_reserved_bytes(enum channel_kind kind)
{
	return kind == CHANNEL_KIND_SCSI ? SCSI_SENSE_AREA_BYTES : 0;
}

static bool kind_is_valid(const struct channel_shape *shape)
{
	return shape->kind == CHANNEL_KIND_DISK ||
	       (shape->kind == CHANNEL_KIND_SCSI &&
		shape->slot_count <= SCSI_SENSE_SLOTS);
}

static bool shape_is_valid(const struct channel_shape *shape)
{
	return kind_is_valid(shape) && shape->slot_count >= CHANNEL_SLOTS_MIN &&
	       shape->slot_count <= CHANNEL_SLOTS_MAX &&
	       (shape->slot_count & (shape->slot_count - 1)) == 0 &&
	       shape->buffer_bytes <= CHANNEL_BUFFER_MAX &&
	       shape->buffer_bytes >= channel_reserved_bytes(shape->kind) +
					      CHANNEL_BUFFER_UNIT &&
	       shape->buffer_bytes % CHANNEL_BUFFER_UNIT == 0;
}

uint64_t channel_memory_bytes(const struct channel_shape *shape)
{
	return buffers_at(shape->slot_count) + shape->buffer_bytes;
}

int channel_create(const struct channel_shape *shape, int *ret_memfd)
{
	const struct layout layout = {
		.magic = LAYOUT_MAGIC,
		.version = LAYOUT_VERSION,
		.kind = shape->kind,
		.slot_count = shape->slot_count,
		.buffer_bytes = shape->buffer_bytes,
		.generation = shape->generation,
	};

	if (!shape_is_valid(shape))
		return -EINVAL;
	return shared_create("bulkhead-channel", channel_memory_bytes(shape),
			     &layout, sizeof(layout), ret_memfd);
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
	if (!shape_is_valid(&shape) ||
	    channel_memory_bytes(&shape) != map_bytes)
		return -EBADMSG;
	*ret_shape = shape;
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
	channel->responses = (void *)(base + responses_at(slots));
	channel->buffers = base + buffers_at(slots);
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
	size_t map_bytes;
	void *map;
	int r;

	*channel = (struct channel){ .end = end };
	r = shared_map(memfd, LAYOUT_PAGE, &map, &map_bytes);
	if (r)
		return r;
	r = read_shape(map, kind, map_bytes, &channel->shape);
	if (r) {
		(void)munmap(map, map_bytes);
		return r;
	}
	channel->map = map;
	channel->map_bytes = map_bytes;
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
