/* SPDX-License-Identifier: MIT */
#include "virtio/net.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <string.h>

#define BIT(number) (1ull << (number))

uint64_t net_features(const struct net_shape *shape)
{
	uint64_t features =
		BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) |
		BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_NET_F_CSUM) |
		BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |
		BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |
		BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
		BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_MRG_RXBUF) |
		BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_STATUS) |
		BIT(VIRTIO_NET_F_MAC) | BIT(NET_GUEST_USO4) |
		BIT(NET_GUEST_USO6) | BIT(NET_HOST_USO);

	if (shape->queue_pair_count > 1)
		features |= BIT(VIRTIO_NET_F_MQ);
	if (shape->has_control)
		features |= BIT(VIRTIO_NET_F_CTRL_VQ) |
			    BIT(VIRTIO_NET_F_CTRL_RX) |
			    BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |
			    BIT(VIRTIO_NET_F_GUEST_ANNOUNCE);
	return features;
}

size_t net_fill_config(const struct net_shape *shape, uint8_t *space,
		       size_t room_bytes)
{
	struct virtio_net_config config = {
		.status = VIRTIO_NET_S_LINK_UP,
		.max_virtqueue_pairs = shape->queue_pair_count,
		.mtu = shape->mtu,
	};
	/* What follows belongs to features that are not offered. */
	size_t bytes = offsetof(struct virtio_net_config, speed);

	if (__atomic_load_n(&shape->must_announce, __ATOMIC_ACQUIRE))
		config.status |= VIRTIO_NET_S_ANNOUNCE;
	memcpy(config.mac, shape->mac, sizeof(config.mac));
	if (bytes > room_bytes)
		bytes = room_bytes;
	memcpy(space, &config, bytes);
	return bytes;
}

/* Out of the guest. --------------------------------------------------------- */

int net_measure(const struct ring_chain *chain, uint32_t most,
		uint32_t *ret_bytes)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < chain->readable_count; i++)
		bytes += chain->segments[i].bytes;
	if (chain->writable_count > 0 || bytes > most ||
	    bytes < NET_HEADER_BYTES + NET_FRAME_MIN)
		return -EBADMSG;
	*ret_bytes = (uint32_t)bytes;
	return 0;
}

int net_read(struct guestmem *memory, const struct ring_chain *chain,
	     uint8_t *record, uint32_t bytes)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < chain->readable_count && at < bytes; i++) {
		const struct ring_segment *segment = &chain->segments[i];
		int r = guestmem_read(memory, record + at, segment->gpa,
				      segment->bytes);

		if (r < 0)
			return r;
		at += segment->bytes;
	}
	return 0;
}

/* Into the guest. ------------------------------------------------------------ */

/* Write from `*at` on into one chain; returns how much. */
static int fill_chain(struct guestmem *memory, const struct ring_chain *chain,
		      const uint8_t *record, uint32_t bytes, uint32_t *at,
		      uint32_t *ret_written)
{
	uint32_t begin = *at;

	for (uint32_t i = 0; i < chain->writable_count && *at < bytes; i++) {
		const struct ring_segment *segment =
			&chain->segments[chain->readable_count + i];
		uint32_t piece = bytes - *at < segment->bytes ? bytes - *at
							      : segment->bytes;

		if (guestmem_write(memory, segment->gpa, record + *at, piece) <
		    0)
			return -EBADMSG;
		*at += piece;
	}
	*ret_written = *at - begin;
	return *ret_written > 0 && chain->readable_count == 0 ? 0 : -EBADMSG;
}

static void untake(struct net_receiver *receiver, struct ring *ring,
		   uint32_t count)
{
	while (count-- > 0)
		ring_untake(ring, receiver->heads[count]);
}

/* num_buffers is in the first chain, which holds at least the header: checked
 * when it was filled, because it was written there. */
static int write_count(struct guestmem *memory, gpa_t header, uint32_t chains)
{
	uint16_t count = (uint16_t)chains;

	return guestmem_write(
		memory,
		header + offsetof(struct virtio_net_hdr_v1, num_buffers),
		&count, sizeof(count));
}

static void push(struct net_receiver *receiver, struct virtqueue *queue,
		 uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		ring_fill_used(&queue->ring, receiver->heads[i],
			       receiver->written[i]);
	virtqueue_publish(queue);
}

/* Take chains and fill them until the record is in; how many in *ret_count. */
static int fill_chains(struct net_receiver *receiver, struct ring *ring,
		       struct guestmem *memory, uint32_t most,
		       const uint8_t *record, uint32_t bytes,
		       uint32_t *ret_count, gpa_t *ret_header)
{
	struct ring_chain chain;
	uint32_t at = 0;
	int r;

	for (*ret_count = 0; at < bytes; (*ret_count)++) {
		if (*ret_count == most)
			return -EMSGSIZE;
		r = ring_take(ring, memory, receiver->segments, RING_CHAIN_MAX,
			      &chain);
		if (r < 0)
			return r;
		receiver->heads[*ret_count] = chain.head;
		if (*ret_count == 0 && chain.writable_count > 0)
			*ret_header = chain.segments[chain.readable_count].gpa;
		r = fill_chain(memory, &chain, record, bytes, &at,
			       &receiver->written[*ret_count]);
		if (r == 0 && *ret_count == 0 &&
		    (receiver->written[0] < NET_HEADER_BYTES ||
		     chain.segments[0].bytes < NET_HEADER_BYTES))
			r = -EBADMSG;
		if (r < 0) {
			(*ret_count)++;
			return r;
		}
	}
	return 0;
}

/* More chains than the ring has places never come together, however long a
 * frame waited for them. */
static uint32_t most_chains(const struct ring *ring, uint64_t features)
{
	if (!(features & BIT(VIRTIO_NET_F_MRG_RXBUF)))
		return 1;
	return ring->size < NET_CHAINS_MAX ? ring->size : NET_CHAINS_MAX;
}

int net_receive(struct net_receiver *receiver, struct virtqueue *queue,
		uint64_t features, const uint8_t *record, uint32_t bytes)
{
	struct guestmem *memory = queue->memory;
	uint32_t most = most_chains(&queue->ring, features);
	uint32_t count = 0;
	gpa_t header = 0;
	int r = fill_chains(receiver, &queue->ring, memory, most, record, bytes,
			    &count, &header);

	if (r == 0)
		r = write_count(memory, header, count) < 0 ? -EBADMSG : 0;
	if (r < 0) {
		untake(receiver, &queue->ring, count);
		if (r == -EBADMSG)
			virtqueue_break(queue);
		return r;
	}
	push(receiver, queue, count);
	return 0;
}
