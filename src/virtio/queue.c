/* SPDX-License-Identifier: MIT */
#include "virtio/queue.h"

#include <string.h>

#include "base/scope.h"

void virtqueue_init(struct virtqueue *queue, struct guestmem *memory,
		    const struct virtio_transport *transport)
{
	*queue = (struct virtqueue){
		.memory = memory,
		.transport = transport,
		.kick_fd = NO_FD,
		.call_fd = NO_FD,
	};
	ring_init(&queue->ring);
}

static int map(struct virtqueue *queue, uint16_t size)
{
	return ring_map(&queue->ring, queue->memory, size, &queue->addresses);
}

int virtqueue_place(struct virtqueue *queue,
		    const struct virtio_queue_place *place, bool *ret_goes_on)
{
	const struct ring_addresses addresses = {
		.descriptors = place->descriptors,
		.available = place->available,
		.used = place->used,
	};
	struct ring *ring = &queue->ring;
	bool is_same =
		ring->is_started && ring->size == place->size &&
		memcmp(&addresses, &queue->addresses, sizeof(addresses)) == 0 &&
		place->base == ring_position(ring);
	int r;

	queue->addresses = addresses;
	r = map(queue, place->size);
	if (r < 0)
		return r;
	*ret_goes_on = is_same &&
		       __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) ==
			       ring->next_used;
	if (*ret_goes_on)
		return 0;
	ring_init(ring);
	return map(queue, place->size);
}

int virtqueue_serve(struct virtqueue *queue,
		    const struct virtio_queue_place *place, uint64_t features,
		    const uint16_t *heads, uint16_t head_count)
{
	int r = ring_start(&queue->ring, features, heads, head_count);

	if (r < 0)
		return r;
	queue->kick_fd = place->kick_fd;
	queue->call_fd = place->call_fd;
	queue->is_served = true;
	queue->wants_kicks = true;
	queue->has_pushed = true; /* signal once, whatever was said before */
	return 0;
}

int virtqueue_start(struct virtqueue *queue,
		    const struct virtio_queue_place *place, uint64_t features,
		    const uint16_t *heads, uint16_t head_count)
{
	bool goes_on;
	int r = virtqueue_place(queue, place, &goes_on);

	if (r < 0)
		return r;
	return virtqueue_serve(queue, place, features, heads, head_count);
}

uint16_t virtqueue_stop(struct virtqueue *queue)
{
	queue->is_served = false;
	queue->kick_fd = NO_FD;
	queue->call_fd = NO_FD;
	return ring_position(&queue->ring);
}

void virtqueue_call(struct virtqueue *queue,
		    const struct virtio_queue_place *place)
{
	queue->call_fd = place->call_fd;
	event_signal(queue->call_fd);
}

void virtqueue_remap(struct virtqueue *queue)
{
	if (queue->is_served)
		(void)map(queue, queue->ring.size);
}

void virtqueue_break(struct virtqueue *queue)
{
	queue->ring.is_broken = true;
	virtio_needs_reset(queue->transport);
}
