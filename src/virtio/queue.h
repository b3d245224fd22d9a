/* SPDX-License-Identifier: MIT */
/*
 * A ring served by a small device of ours (console, rng, balloon): the ring,
 * its two descriptors, and the one chain that is being worked on. A chain may
 * take several turns: what is done of it is counted in `done_bytes`, and both
 * are kept over a save.
 *
 * Trust      The chain is a hostile guest's. A ring that breaks a rule is
 *            served no further and its device asks for a reset.
 * Threads    As the device: under its lock.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/device.h"
#include "virtio/ring.h"

/* Largest ring, so longest chain: indirect descriptors are not offered. */
#define VIRTIO_QUEUE_SIZE_MAX 64

/* Of every such device. */
#define VIRTIO_QUEUE_FEATURES \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX)

struct virtio_queue {
	struct ring ring;
	struct ring_segment segments[VIRTIO_QUEUE_SIZE_MAX];
	struct ring_chain chain; /* while has_chain */
	uint64_t done_bytes;     /* of the chain */
	int kick_fd;             /* borrowed; NO_FD while not served */
	int call_fd;             /* borrowed */
	uint16_t kept_head;      /* while is_kept */
	bool has_chain;
	bool is_served;
	bool is_kept; /* restored, for the next start */
};

/* What a saved image says about a queue. */
struct virtio_queue_kept {
	uint64_t done_bytes;
	uint16_t head;
	bool has_chain;
};

void virtio_queue_init(struct virtio_queue *queue);

/* For queue_start(); a look at it is asked for by a kick of our own.
 *
 * -EINVAL, -EFAULT  no such ring there
 * -EBADMSG          the chain that was kept is not as it was
 */
int virtio_queue_start(struct virtio_queue *queue, struct guestmem *memory,
		       uint64_t features,
		       const struct virtio_queue_place *place);
uint16_t virtio_queue_stop(struct virtio_queue *queue);
void virtio_queue_call(struct virtio_queue *queue,
		       const struct virtio_queue_place *place);

/*
 * Have the chain to work on: the one unfinished, or the next.
 *
 * -EAGAIN   none waits, or it is not served
 * -EBADMSG  the ring broke; `transport` was told
 */
int virtio_queue_take(struct virtio_queue *queue, struct guestmem *memory,
		      const struct virtio_transport *transport);

/* Give that chain back. */
void virtio_queue_answer(struct virtio_queue *queue, uint32_t written_bytes);

/* At the end of a turn: signal, and want kicks. False: more chains wait. */
bool virtio_queue_rest(struct virtio_queue *queue);

/* Have the device served again, after others had their turn. */
void virtio_queue_poke(const struct virtio_queue *queue);

/* For a saved image, while the device is not served. */
struct virtio_queue_kept virtio_queue_keep(const struct virtio_queue *queue);
void virtio_queue_rejoin(struct virtio_queue *queue,
			 const struct virtio_queue_kept *kept);

#endif
