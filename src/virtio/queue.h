/* SPDX-License-Identifier: MIT */
/*
 * A virtqueue as every device of ours has it: its ring, where the driver put
 * that, the descriptors that the transport lent for it, and what is pending of
 * kicks and interrupts. What a device knows of the chains that it took is its
 * own, beside this.
 *
 * Life: virtqueue_init, then from queue_start() virtqueue_place and
 * virtqueue_serve (or both as virtqueue_start), and virtqueue_stop. Nothing of
 * it is saved: the used index is in the guest's memory, and the chains that
 * were out are in the device's own record, from which virtqueue_serve() has
 * the position.
 *
 * Trust      As ring.h. A driver that breaks a rule is told, through the
 *            transport, that it must reset the device.
 * Threads    As the device.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "virtio/device.h"
#include "virtio/ring.h"

struct virtqueue {
	struct ring ring;
	struct guestmem *memory; /* borrowed, as the next */
	const struct virtio_transport *transport;
	struct ring_addresses addresses;
	int kick_fd; /* borrowed; NO_FD while not served */
	int call_fd; /* borrowed; NO_FD while not served, or not wanted */
	bool is_served;
	bool wants_kicks;
	bool has_pushed; /* since the driver was last asked about a signal */
};

/* Without a place, or without it again after a reset. */
void virtqueue_init(struct virtqueue *queue, struct guestmem *memory,
		    const struct virtio_transport *transport);

/*
 * Learn where the ring lies, and whether it goes on where it was stopped (a
 * pause) as opposed to a driver that set its rings up anew: it does if it is
 * at the same place, and both the transport and the ring's own memory name the
 * positions at which it stopped. Else everything about it was forgotten.
 *
 * Errors as ring_map()
 */
int virtqueue_place(struct virtqueue *queue,
		    const struct virtio_queue_place *place, bool *ret_goes_on);

/*
 * Serve it, with these chains out, which were taken in an earlier life.
 *
 * -EINVAL  as ring_start()
 */
int virtqueue_serve(struct virtqueue *queue,
		    const struct virtio_queue_place *place, uint64_t features,
		    const uint16_t *heads, uint16_t head_count);

/* Both, for a device that need not know whether it goes on. */
int virtqueue_start(struct virtqueue *queue,
		    const struct virtio_queue_place *place, uint64_t features,
		    const uint16_t *heads, uint16_t head_count);

/* Returns the index of the next chain to take, as queue_stop() does. */
uint16_t virtqueue_stop(struct virtqueue *queue);

/* For queue_call(). */
void virtqueue_call(struct virtqueue *queue,
		    const struct virtio_queue_place *place);

/* The guest's memory was changed: find the ring in it again, if it is served.
 * One that is not there hands out nothing until it is (ring_is_mapped()). */
void virtqueue_remap(struct virtqueue *queue);

/* The driver broke a rule: hand out nothing more, and tell it. */
void virtqueue_break(struct virtqueue *queue);

/* ring_take() of a queue that is served. Kicks are refused from now on, until
 * virtqueue_want_kicks(). */
static inline int virtqueue_take(struct virtqueue *queue,
				 struct ring_segment *segments, uint32_t room,
				 struct ring_chain *ret_chain)
{
	int result = ring_take(&queue->ring, queue->memory, segments, room,
			       ret_chain);

	if (result == 0 && queue->wants_kicks) {
		ring_refuse_kicks(&queue->ring);
		queue->wants_kicks = false;
	} else if (result == -EBADMSG) {
		virtqueue_break(queue);
	}
	return result;
}

/* Give back the chains that ring_fill_used() was called for; or this one.
 * virtqueue_signal() follows when there are no more. */
static inline void virtqueue_publish(struct virtqueue *queue)
{
	ring_publish_used(&queue->ring);
	queue->has_pushed = true;
}

static inline void virtqueue_push(struct virtqueue *queue, uint16_t head,
				  uint32_t written_bytes)
{
	ring_fill_used(&queue->ring, head, written_bytes);
	virtqueue_publish(queue);
}

/* Interrupt the driver, if something was pushed and it wants that. */
static inline void virtqueue_signal(struct virtqueue *queue)
{
	if (!queue->has_pushed || !queue->is_served)
		return;
	queue->has_pushed = false;
	if (ring_should_signal(&queue->ring))
		event_signal(queue->call_fd);
}

/* Before sleeping. True: chains came in between. */
static inline bool virtqueue_want_kicks(struct virtqueue *queue)
{
	if (!queue->is_served)
		return false;
	queue->wants_kicks = true;
	return ring_want_kicks(&queue->ring);
}

/* The same where those known of are too few. */
static inline bool virtqueue_want_more(struct virtqueue *queue)
{
	if (!queue->is_served)
		return false;
	queue->wants_kicks = true;
	return ring_want_more(&queue->ring);
}

/* Have its owner look at it, as if the driver had kicked. */
static inline void virtqueue_poke(const struct virtqueue *queue)
{
	event_signal(queue->kick_fd);
}

#endif
