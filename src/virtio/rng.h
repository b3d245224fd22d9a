/* SPDX-License-Identifier: MIT */
/*
 * virtio-rng (virtio 1.2, 5.4): the guest's buffers, filled from the kernel's
 * random numbers. A buffer is filled up to VIRTIO_RNG_PIECE_BYTES, which
 * 5.4.6.1 allows; a turn fills a bounded number of them.
 *
 * Trust      Chains are a hostile guest's.
 * Threads    Any, see virtio/small.h.
 */
#ifndef VIRTIO_RNG_H
#define VIRTIO_RNG_H

#include "virtio/small.h"

#define VIRTIO_RNG_QUEUES      1
#define VIRTIO_RNG_PIECE_BYTES 4096u
#define VIRTIO_RNG_TURN_CHAINS 16

struct virtio_rng {
	struct virtio_small small;
};

/* Blocks until the kernel's random number generator is initialised; nothing
 * later does. */
void virtio_rng_init(struct virtio_rng *rng, struct guestmem *memory);

/* For the transport; the device is the struct virtio_rng. */
extern const struct virtio_device_ops virtio_rng_ops;

/* The guest kicked. */
void virtio_rng_serve(struct virtio_rng *rng);

#endif
