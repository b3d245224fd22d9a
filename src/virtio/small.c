/* SPDX-License-Identifier: MIT */
#include "virtio/small.h"

#include <errno.h>
#include <string.h>

static void init_queues(struct virtio_small *small)
{
	memset(small->queues, 0, sizeof(small->queues));
	for (uint32_t i = 0; i < VIRTIO_SMALL_QUEUES; i++)
		virtqueue_init(&small->queues[i].vq, small->memory,
			       &small->transport);
}

void virtio_small_init(struct virtio_small *small, struct guestmem *memory)
{
	memset(small, 0, sizeof(*small));
	pthread_mutex_init(&small->lock, NULL);
	small->memory = memory;
	init_queues(small);
}

void virtio_small_connect(struct virtio_small *small,
			  const struct virtio_transport *transport)
{
	pthread_mutex_lock(&small->lock);
	small->transport = *transport;
	pthread_mutex_unlock(&small->lock);
}

int virtio_small_set_features(void *device, uint64_t features)
{
	struct virtio_small *small = device;

	pthread_mutex_lock(&small->lock);
	small->features = features;
	pthread_mutex_unlock(&small->lock);
	return 0;
}

/* The chain in hand is the one that was kept. */
static int retake(struct virtio_small_queue *queue)
{
	int r = ring_retake(&queue->vq.ring, queue->vq.memory, queue->kept_head,
			    queue->segments, VIRTIO_SMALL_QUEUE_SIZE,
			    &queue->chain);

	queue->has_chain = r == 0;
	return r;
}

static int start(struct virtio_small_queue *queue, uint64_t features,
		 const struct virtio_queue_place *place)
{
	bool was_kept = queue->is_kept;
	int r;

	queue->is_kept = queue->has_chain = false;
	if (!was_kept)
		queue->done_bytes = 0;
	if (place->size > VIRTIO_SMALL_QUEUE_SIZE)
		return -EINVAL;
	r = virtqueue_start(&queue->vq, place, features, &queue->kept_head,
			    was_kept);
	if (r == 0 && was_kept)
		r = retake(queue);
	if (r < 0)
		(void)virtqueue_stop(&queue->vq);
	else
		virtqueue_poke(&queue->vq);
	return r;
}

int virtio_small_queue_start(void *device, uint32_t index,
			     const struct virtio_queue_place *place)
{
	struct virtio_small *small = device;
	int r;

	if (index >= VIRTIO_SMALL_QUEUES)
		return -EINVAL;
	pthread_mutex_lock(&small->lock);
	r = start(&small->queues[index], small->features, place);
	pthread_mutex_unlock(&small->lock);
	return r;
}

uint16_t virtio_small_queue_stop(void *device, uint32_t index)
{
	struct virtio_small *small = device;
	uint16_t position;

	if (index >= VIRTIO_SMALL_QUEUES)
		return 0;
	pthread_mutex_lock(&small->lock);
	position = virtqueue_stop(&small->queues[index].vq);
	pthread_mutex_unlock(&small->lock);
	return position;
}

void virtio_small_queue_call(void *device, uint32_t index,
			     const struct virtio_queue_place *place)
{
	struct virtio_small *small = device;

	if (index >= VIRTIO_SMALL_QUEUES)
		return;
	pthread_mutex_lock(&small->lock);
	virtqueue_call(&small->queues[index].vq, place);
	pthread_mutex_unlock(&small->lock);
}

void virtio_small_reset(void *device)
{
	struct virtio_small *small = device;

	pthread_mutex_lock(&small->lock);
	init_queues(small);
	small->features = 0;
	pthread_mutex_unlock(&small->lock);
}

int virtio_small_take(struct virtio_small_queue *queue)
{
	int r;

	if (!queue->vq.is_served)
		return -EAGAIN;
	if (queue->has_chain)
		return 0;
	r = virtqueue_take(&queue->vq, queue->segments, VIRTIO_SMALL_QUEUE_SIZE,
			   &queue->chain);
	queue->has_chain = r == 0;
	queue->done_bytes = 0;
	return r;
}

void virtio_small_answer(struct virtio_small_queue *queue,
			 uint32_t written_bytes)
{
	virtqueue_push(&queue->vq, queue->chain.head, written_bytes);
	queue->has_chain = false;
	queue->done_bytes = 0;
}

bool virtio_small_rest(struct virtio_small_queue *queue)
{
	virtqueue_signal(&queue->vq);
	return virtqueue_want_kicks(&queue->vq);
}

void virtio_small_come_back(struct virtio_small_queue *queue)
{
	if (virtio_small_rest(queue))
		virtqueue_poke(&queue->vq);
}
