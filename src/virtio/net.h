/* SPDX-License-Identifier: MIT */
/*
 * virtio-net (virtio 1.2, 5.1): features, configuration, and a frame's way
 * between a guest's chains and a record: a header of 12 bytes, little endian,
 * then the frame.
 *
 * A received frame may fill several chains (mergeable buffers), which become
 * visible to the guest together. A frame for which there are no buffers stays
 * where it is.
 *
 * Trust      Chains are a hostile guest's, records may change while they are
 *            read. Lengths are summed in 64 bits and bounded before anything is
 *            copied; the header's content is checked by the switch.
 * Threads    As guestmem.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/queue.h"

#define NET_HEADER_BYTES 12u /* struct virtio_net_hdr_v1 */
#define NET_FRAME_MIN    14u
/* virtio 1.2, 5.1.3; not in the headers of Linux 6.1. */
#define NET_GUEST_USO4 54
#define NET_GUEST_USO6 55
#define NET_HOST_USO   56

/* Chains that one received frame may take: 64 KiB in buffers of 512 bytes. */
#define NET_CHAINS_MAX 130u

/* The interface as the guest sees it. */
struct net_shape {
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t queue_pair_count;
	bool has_control; /* the control queue is ours, not a front end's */
	/* Its guest should announce itself (5.1.6.5.4). */
	bool must_announce;
};

/* VERSION_1, EVENT_IDX, INDIRECT_DESC and those of virtio-net that apply. */
uint64_t net_features(const struct net_shape *shape);

/* Fill the configuration space; returns its length. The link is up. */
size_t net_fill_config(const struct net_shape *shape, uint8_t *space,
		       size_t room_bytes);

/*
 * The bytes that a chain to be sent holds, header included.
 *
 * -EBADMSG  too few for a frame, more than `most`, or it has buffers to write
 */
int net_measure(const struct ring_chain *chain, uint32_t most,
		uint32_t *ret_bytes);

/* Copy them. -EFAULT: memory that is not there. */
int net_read(struct guestmem *memory, const struct ring_chain *chain,
	     uint8_t *record, uint32_t bytes);

/* Storage for receiving; one for all queues of a thread. */
struct net_receiver {
	struct ring_segment *segments; /* RING_CHAIN_MAX of them; borrowed */
	uint16_t heads[NET_CHAINS_MAX];
	uint32_t written[NET_CHAINS_MAX];
};

/*
 * Deliver a record to the guest, in as many chains as needed when `features`
 * has MRG_RXBUF, else in one. Pushes them; the caller signals.
 *
 * -EAGAIN   not enough buffers; nothing was taken
 * -EMSGSIZE it does not fit in the buffers of one frame; nothing was taken
 * -EBADMSG  the ring is broken, for example by a chain that is no receive
 *           buffer
 */
int net_receive(struct net_receiver *receiver, struct virtqueue *queue,
		uint64_t features, const uint8_t *record, uint32_t bytes);

#endif
