/* SPDX-License-Identifier: MIT */
#include "monitor/disk/lane.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "base/event.h"
#include "base/scope.h"
#include "channel/disk_request.h"
#include "channel/scsi_request.h"

static int allocate(struct lane *lane)
{
	uint32_t slots = lane->channel.shape.slot_count;
	int r;

	r = buffers_init(&lane->buffers,
			 channel_reserved_bytes(lane->channel.shape.kind),
			 lane->channel.shape.buffer_bytes);
	if (r < 0)
		return r;
	lane->chunks = calloc(slots, sizeof(*lane->chunks));
	lane->free = calloc(slots, sizeof(*lane->free));
	if (!lane->chunks || !lane->free)
		return -ENOMEM;
	/* The lowest index on top: little memory is touched at low depth. */
	for (uint32_t i = 0; i < slots; i++)
		lane->free[i] = (uint16_t)(slots - 1 - i);
	lane->free_count = slots;
	return 0;
}

/* A SCSI command is not taken apart. */
static int measure(struct lane *lane)
{
	const struct channel_shape *shape = &lane->channel.shape;
	uint32_t room =
		shape->buffer_bytes - channel_reserved_bytes(shape->kind);

	lane->chunk_bytes = (uint32_t)min_u64(LANE_CHUNK_BYTES, room);
	if (shape->kind == CHANNEL_KIND_DISK)
		return 0;
	lane->chunk_bytes = SCSI_TRANSFER_MAX;
	return room < SCSI_TRANSFER_MAX ? -EBADMSG : 0;
}

int lane_open(struct lane *lane, enum channel_kind kind, uint64_t generation,
	      int fds[3])
{
	SCOPED(close_fd) int memfd = take_fd(&fds[0]);
	int r;

	*lane = (struct lane){
		.generation = generation,
		.kick_fd = take_fd(&fds[1]),
		.call_fd = take_fd(&fds[2]),
		.is_open = true,
	};
	r = channel_open(&lane->channel, memfd, CHANNEL_CLIENT, kind);
	if (r == 0 && lane->channel.shape.generation != (uint32_t)generation)
		r = -EBADMSG;
	if (r == 0)
		r = measure(lane);
	if (r == 0)
		r = allocate(lane);
	if (r < 0)
		lane_close(lane);
	return r;
}

void lane_close(struct lane *lane)
{
	if (!lane->is_open)
		return;
	channel_close(&lane->channel);
	buffers_release(&lane->buffers);
	free(lane->chunks);
	free(lane->free);
	close_fd(&lane->kick_fd);
	close_fd(&lane->call_fd);
	*lane = (struct lane){ .kick_fd = NO_FD, .call_fd = NO_FD };
}

int lane_reserve(struct lane *lane, uint32_t bytes, struct chunk **ret_chunk)
{
	struct chunk *chunk;
	int r;

	if (lane->free_count == 0)
		return -EAGAIN;
	chunk = &lane->chunks[lane->free[lane->free_count - 1]];
	if (bytes > 0) {
		r = buffers_grant(&lane->buffers, bytes, &chunk->grant);
		if (r < 0)
			return r;
	}
	lane->free_count--;
	chunk->bytes = bytes;
	*ret_chunk = chunk;
	return 0;
}

uint8_t *lane_buffer(const struct lane *lane, const struct chunk *chunk)
{
	return lane->channel.buffers + chunk->grant.offset;
}

static uint32_t index_of(const struct lane *lane, const struct chunk *chunk)
{
	return (uint32_t)(chunk - lane->chunks);
}

const uint8_t *lane_sense(const struct lane *lane, const struct chunk *chunk)
{
	return lane->channel.buffers +
	       index_of(lane, chunk) * SCSI_SENSE_SLOT_BYTES;
}

int lane_send(struct lane *lane, struct chunk *chunk,
	      struct channel_request *request)
{
	int r;

	chunk->sequence++;
	chunk->position = channel_next_position(&lane->channel);
	request->id = (uint64_t)chunk->sequence << 32 | index_of(lane, chunk);
	request->generation = lane->channel.shape.generation;
	request->buffer_offset = chunk->grant.offset;
	if (chunk->bytes > 0)
		request->length_bytes = chunk->bytes;
	if (lane->channel.shape.kind == CHANNEL_KIND_SCSI)
		request->offset_bytes |=
			scsi_place(0, (uint16_t)index_of(lane, chunk), 0);
	r = channel_send_request(&lane->channel, request);
	if (r < 0)
		return r;
	chunk->is_out = true;
	lane->out_count++;
	lane->large_count += chunk->bytes >= DISK_LARGE_BYTES;
	lane->must_publish = true;
	return 0;
}

void lane_return(struct lane *lane, struct chunk *chunk)
{
	assert(!chunk->is_out);
	if (chunk->bytes > 0)
		buffers_return(&lane->buffers, &chunk->grant);
	chunk->request = NULL;
	lane->free[lane->free_count++] = (uint16_t)index_of(lane, chunk);
}

/* Anything but what disk_request.h allows is a failure of the device: neither
 * a rule broken nor something that we would act on. */
static int known_status(int status)
{
	switch (status) {
	case -ENOSPC:
	case -EROFS:
	case -EINVAL:
	case -EOPNOTSUPP:
		return status;
	default:
		return -EIO;
	}
}

static bool is_outcome(const struct channel_response *response,
		       const struct chunk *chunk)
{
	const uint8_t flags = SCSI_STORED | SCSI_RESET | SCSI_ABORTED;

	return response->status >> 24 == 0 &&
	       (scsi_outcome_flags(response->status) & ~flags) == 0 &&
	       scsi_outcome_sense_bytes(response->status) <= SCSI_SENSE_MAX &&
	       response->bytes <= chunk->bytes;
}

/* The service may say so. */
static bool is_answer(const struct lane *lane,
		      const struct channel_response *response,
		      const struct chunk *chunk)
{
	if (response->status < 0)
		return true;
	if (lane->channel.shape.kind == CHANNEL_KIND_SCSI)
		return is_outcome(response, chunk);
	return response->status == 0 && response->bytes == chunk->bytes;
}

/* The chunk that an answer's id names, or NULL: never believe an id (I7). */
static struct chunk *find(struct lane *lane, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct chunk *chunk;

	if (index >= lane->channel.shape.slot_count)
		return NULL;
	chunk = &lane->chunks[index];
	if (!chunk->is_out || chunk->sequence != (uint32_t)(id >> 32))
		return NULL;
	return chunk;
}

int lane_receive(struct lane *lane, struct lane_answer *ret_answer)
{
	struct channel_response response;
	struct chunk *chunk;
	int r;

	r = channel_receive_response(&lane->channel, &response);
	if (r < 0)
		return r;
	chunk = find(lane, response.id);
	if (!chunk || !is_answer(lane, &response, chunk)) {
		channel_break(&lane->channel);
		return -EBADMSG;
	}

	chunk->is_out = false;
	lane->out_count--;
	lane->large_count -= chunk->bytes >= DISK_LARGE_BYTES;
	lane->stale_count -= !chunk->request;
	*ret_answer = (struct lane_answer){
		.chunk = chunk,
		.status = response.status < 0 ? known_status(response.status)
					      : response.status,
		.bytes = response.bytes,
	};
	return 0;
}

void lane_publish(struct lane *lane)
{
	if (!lane->must_publish)
		return;
	lane->must_publish = false;
	channel_publish_cpu(&lane->channel);
	lane->has_woken = channel_publish(&lane->channel);
	if (lane->has_woken)
		event_signal(lane->kick_fd);
}

void lane_forget(struct lane *lane, const struct request *request)
{
	if (!lane->is_open)
		return;
	for (uint32_t i = 0; i < lane->channel.shape.slot_count; i++) {
		struct chunk *chunk = &lane->chunks[i];

		if (!chunk->is_out || chunk->request != request)
			continue;
		chunk->request = NULL;
		lane->stale_count++;
	}
}
