/* SPDX-License-Identifier: MIT */
#include "virtio/queue.h"

#include <errno.h>
#include <string.h>

#include "base/event.h"
#include "base/scope.h"

void virtio_queue_init(struct virtio_queue *queue)
{
	memset(queue, 0, sizeof(*queue));
	ring_init(&queue->ring);
	queue->kick_fd = NO_FD;
	queue->call_fd = NO_FD;
}

static int start_ring(struct virtio_queue *queue, struct guestmem *memory,
		      uint64_t features, const struct virtio_queue_place *place)
{
	const struct ring_addresses addresses = {
		.descriptors = place->descriptors,
		.available = place->available,
		.used = place->used,
	};
	int result;

	if (place->size > VIRTIO_QUEUE_SIZE_MAX)
		return -EINVAL;
	ring_init(&queue->ring);
	result = ring_map(&queue->ring, memory, place->size, &addresses);
	if (result < 0)
		return result;
	result = ring_start(&queue->ring, features, &queue->kept_head,
			    queue->is_kept ? 1 : 0);
	if (result < 0 || !queue->is_kept)
		return result;
	result = ring_retake(&queue->ring, memory, queue->kept_head,
			     queue->segments, VIRTIO_QUEUE_SIZE_MAX,
			     &queue->chain);
	queue->has_chain = result == 0;
	return result;
}

int virtio_queue_start(struct virtio_queue *queue, struct guestmem *memory,
		       uint64_t features,
		       const struct virtio_queue_place *place)
{
	int result;

	queue->has_chain = false;
	if (!queue->is_kept)
		queue->done_bytes = 0;
	result = start_ring(queue, memory, features, place);
	queue->is_kept = false;
	if (result < 0)
		return result;
	queue->kick_fd = place->kick_fd;
	queue->call_fd = place->call_fd;
	queue->is_served = true;
	virtio_queue_poke(queue);
	return 0;
}

uint16_t virtio_queue_stop(struct virtio_queue *queue)
{
	queue->is_served = false;
	queue->kick_fd = NO_FD;
	queue->call_fd = NO_FD;
	return ring_position(&queue->ring);
}

void virtio_queue_call(struct virtio_queue *queue,
		       const struct virtio_queue_place *place)
{
	queue->call_fd = place->call_fd;
	event_signal(queue->call_fd);
}

int virtio_queue_take(struct virtio_queue *queue, struct guestmem *memory,
		      const struct virtio_transport *transport)
{
	int result;

	if (!queue->is_served)
		return -EAGAIN;
	if (queue->has_chain)
		return 0;
	result = ring_take(&queue->ring, memory, queue->segments,
			   VIRTIO_QUEUE_SIZE_MAX, &queue->chain);
	queue->has_chain = result == 0;
	queue->done_bytes = 0;
	if (result == -EBADMSG)
		virtio_needs_reset(transport);
	return result;
}

void virtio_queue_answer(struct virtio_queue *queue, uint32_t written_bytes)
{
	ring_fill_used(&queue->ring, queue->chain.head, written_bytes);
	ring_publish_used(&queue->ring);
	queue->has_chain = false;
	queue->done_bytes = 0;
}

bool virtio_queue_rest(struct virtio_queue *queue)
{
	if (!queue->is_served)
		return true;
	if (ring_should_signal(&queue->ring))
		event_signal(queue->call_fd);
	return !ring_want_kicks(&queue->ring);
}

void virtio_queue_poke(const struct virtio_queue *queue)
{
	event_signal(queue->kick_fd);
}

struct virtio_queue_kept virtio_queue_keep(const struct virtio_queue *queue)
{
	return (struct virtio_queue_kept){
		.has_chain = queue->has_chain,
		.head = queue->has_chain ? queue->chain.head : 0,
		.done_bytes = queue->has_chain ? queue->done_bytes : 0,
	};
}

void virtio_queue_rejoin(struct virtio_queue *queue,
			 const struct virtio_queue_kept *kept)
{
	queue->is_kept = kept->has_chain;
	queue->kept_head = kept->head;
	queue->done_bytes = kept->done_bytes;
}
