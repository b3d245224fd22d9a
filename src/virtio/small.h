/* SPDX-License-Identifier: MIT */
/*
 * What the small devices (console, rng, balloon) have in common: a lock, some
 * queues, and the functions of struct virtio_device_ops that do nothing but
 * keep them. A device has one of these as its first member, so that the
 * `device` of its operations is both.
 *
 * Threads    Any: the virtual processors come with accesses to the transport,
 *            the main thread with kicks. Nobody waits under the lock.
 */
#ifndef VIRTIO_SMALL_H
#define VIRTIO_SMALL_H

#include <pthread.h>

#include "guestmem/guestmem.h"
#include "virtio/device.h"
#include "virtio/queue.h"

#define VIRTIO_SMALL_QUEUES 5

struct virtio_small {
	pthread_mutex_t lock;
	struct guestmem *memory; /* borrowed; used under the lock only */
	struct virtio_transport transport;
	uint64_t features; /* chosen by the driver */
	struct virtio_queue queues[VIRTIO_SMALL_QUEUES];
};

void virtio_small_init(struct virtio_small *small, struct guestmem *memory);

/* Its driver can be told of what happens from now on. */
void virtio_small_connect(struct virtio_small *small,
			  const struct virtio_transport *transport);

/* For struct virtio_device_ops. */
int virtio_small_set_features(void *device, uint64_t features);
int virtio_small_queue_start(void *device, uint32_t index,
			     const struct virtio_queue_place *place);
uint16_t virtio_small_queue_stop(void *device, uint32_t index);
void virtio_small_queue_call(void *device, uint32_t index,
			     const struct virtio_queue_place *place);
void virtio_small_reset(void *device);

/* Under the lock: virtio_queue_take() of this queue. */
int virtio_small_take(struct virtio_small *small, uint32_t index);

/* Under the lock, at the end of a turn: signal, and come back if there is
 * more to do. */
void virtio_small_rest(struct virtio_small *small, uint32_t index);

#endif
