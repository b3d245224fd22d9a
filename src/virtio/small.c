/* SPDX-License-Identifier: MIT */
#include "virtio/small.h"

#include <errno.h>
#include <string.h>

void virtio_small_init(struct virtio_small *small, struct guestmem *memory)
{
	memset(small, 0, sizeof(*small));
	pthread_mutex_init(&small->lock, NULL);
	small->memory = memory;
	for (uint32_t i = 0; i < VIRTIO_SMALL_QUEUES; i++)
		virtio_queue_init(&small->queues[i]);
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

int virtio_small_queue_start(void *device, uint32_t index,
			     const struct virtio_queue_place *place)
{
	struct virtio_small *small = device;
	int result;

	if (index >= VIRTIO_SMALL_QUEUES)
		return -EINVAL;
	pthread_mutex_lock(&small->lock);
	result = virtio_queue_start(&small->queues[index], small->memory,
				    small->features, place);
	pthread_mutex_unlock(&small->lock);
	return result;
}

uint16_t virtio_small_queue_stop(void *device, uint32_t index)
{
	struct virtio_small *small = device;
	uint16_t position;

	if (index >= VIRTIO_SMALL_QUEUES)
		return 0;
	pthread_mutex_lock(&small->lock);
	position = virtio_queue_stop(&small->queues[index]);
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
	virtio_queue_call(&small->queues[index], place);
	pthread_mutex_unlock(&small->lock);
}

void virtio_small_reset(void *device)
{
	struct virtio_small *small = device;

	pthread_mutex_lock(&small->lock);
	for (uint32_t i = 0; i < VIRTIO_SMALL_QUEUES; i++)
		virtio_queue_init(&small->queues[i]);
	small->features = 0;
	pthread_mutex_unlock(&small->lock);
}

int virtio_small_take(struct virtio_small *small, uint32_t index)
{
	return virtio_queue_take(&small->queues[index], small->memory,
				 &small->transport);
}

void virtio_small_rest(struct virtio_small *small, uint32_t index)
{
	struct virtio_queue *queue = &small->queues[index];

	if (!virtio_queue_rest(queue))
		virtio_queue_poke(queue);
}
