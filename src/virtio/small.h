/* SPDX-License-Identifier: MIT */
/*
 * What the small devices (console, rng, balloon) have in common: a lock, some
 * queues, and the functions of struct virtio_device_ops that do nothing but
 * keep them. A device has one of these as its first member, so that the
 * `device` of its operations is both.
 *
 * Of a queue one chain at a time is worked on. It may take several turns: what
 * is done of it is counted in `done_bytes`, and both are kept over a save.
 *
 * Trust      A chain is a hostile guest's. A ring that breaks a rule is served
 *            no further and its device asks for a reset.
 * Threads    Any: the virtual processors come with accesses to the transport,
 *            the main thread with kicks. Nobody waits under the lock.
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

/* Its driver can be told of what happens from now on. */
void virtio_small_connect(struct virtio_small *small,
			  const struct virtio_transport *transport);

/* For struct virtio_device_ops. A start fails with -EBADMSG too, where the
 * chain that was kept is not as it was. */
int virtio_small_set_features(void *device, uint64_t features);
int virtio_small_queue_start(void *device, uint32_t index,
			     const struct virtio_queue_place *place);
uint16_t virtio_small_queue_stop(void *device, uint32_t index);
void virtio_small_queue_call(void *device, uint32_t index,
			     const struct virtio_queue_place *place);
void virtio_small_reset(void *device);

/* Under the lock. -------------------------------------------------------- */

/*
 * Have the chain to work on: the one unfinished, or the next.
 *
 * -EAGAIN   none waits, or it is not served
 * -EBADMSG  the ring broke; the transport was told
 */
int virtio_small_take(struct virtio_small_queue *queue);

/* Give that chain back. */
void virtio_small_answer(struct virtio_small_queue *queue,
			 uint32_t written_bytes);

/* At the end of a turn: signal, and want kicks. True: more chains wait. */
bool virtio_small_rest(struct virtio_small_queue *queue);

/* The same, and come back if there is more to do. */
void virtio_small_come_back(struct virtio_small_queue *queue);

#endif
