/* SPDX-License-Identifier: MIT */
/*
 * What the small devices (console, rng, balloon) have in common: a lock, some
 * queues, and those functions of struct virtio_device_ops that only manage
 * these. It is the first member of a device, so that the `device` of its
 * operations is both.
 *
 * One chain of a queue is processed at a time. It may take several turns:
 * `done_bytes` counts what is done of it, and both are part of a saved image.
 *
 * Trust      A chain is a hostile guest's. A ring that violates the
 *            specification is served no further and its device asks for a
 *            reset.
 * Threads    Any: virtual processors access the transport, the main thread
 *            handles kicks. Nothing blocks under the lock.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_SMALL_H
#define VIRTIO_SMALL_H

#include <pthread.h>

#include "guestmem/guestmem.h"
#include "virtio/device.h"
#include "virtio/queue.h"

#define VIRTIO_SMALL_QUEUES 5

/* Largest ring, so longest chain: indirect descriptors are not offered. */
#define VIRTIO_SMALL_QUEUE_SIZE 64

/* Of every such device. */
#define VIRTIO_SMALL_FEATURES \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX)

struct virtio_small_queue {
	struct virtqueue vq;
	struct ring_segment segments[VIRTIO_SMALL_QUEUE_SIZE];
	struct ring_chain chain; /* while has_chain */
	uint64_t done_bytes;     /* of the chain */
	uint16_t kept_head;      /* while is_kept */
	bool has_chain;
	bool is_kept; /* restored, for the next start */
};

struct virtio_small {
	pthread_mutex_t lock;
	struct guestmem *memory; /* borrowed; used under the lock only */
	struct virtio_transport transport;
	uint64_t features; /* chosen by the driver */
	struct virtio_small_queue queues[VIRTIO_SMALL_QUEUES];
};

void virtio_small_init(struct virtio_small *small, struct guestmem *memory);

/* Connect the transport, through which its driver is notified from now on. */
void virtio_small_connect(struct virtio_small *small,
			  const struct virtio_transport *transport);

/* For struct virtio_device_ops. A start also fails with -EBADMSG if the kept
 * chain has changed. */
int virtio_small_set_features(void *device, uint64_t features);
int virtio_small_queue_start(void *device, uint32_t index,
			     const struct virtio_queue_place *place);
uint16_t virtio_small_queue_stop(void *device, uint32_t index);
void virtio_small_queue_call(void *device, uint32_t index,
			     const struct virtio_queue_place *place);
void virtio_small_reset(void *device);

/* Under the lock. -------------------------------------------------------- */

/*
 * Get the chain to process: the unfinished one, or the next.
 *
 * -EAGAIN   none available, or it is not served
 * -EBADMSG  the ring broke; the transport was notified
 */
int virtio_small_take(struct virtio_small_queue *queue);

/* Return that chain. */
void virtio_small_answer(struct virtio_small_queue *queue,
			 uint32_t written_bytes);

/* At the end of a turn: signal, and enable kicks. True: more chains are
 * pending. */
bool virtio_small_rest(struct virtio_small_queue *queue);

/* The same, and arrange for another turn if there is more to do. */
void virtio_small_come_back(struct virtio_small_queue *queue);

#endif
