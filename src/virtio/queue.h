/* SPDX-License-Identifier: MIT */
/*
 * A virtqueue as every device has it: its ring and the ring's addresses, the
 * transport's descriptors for it, and the state of kicks and interrupts. A
 * device keeps its own record of the chains that it took.
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
 * Set the ring's addresses, and find out whether it continues where it was
 * stopped (a pause) or a driver has set it up anew: it continues if the
 * addresses are the same, and both the transport and the ring's own memory have
 * the positions at which it stopped. Otherwise its state is cleared.
 *
 * Errors as ring_map()
 */
int virtqueue_place(struct virtqueue *queue,
		    const struct virtio_queue_place *place, bool *ret_goes_on);

/*
 * Serve it, with these chains out, which were taken before.
 *
 * -EINVAL  as ring_start()
 */
int virtqueue_serve(struct virtqueue *queue,
		    const struct virtio_queue_place *place, uint64_t features,
		    const uint16_t *heads, uint16_t head_count);

/* Both, for a device that need not know whether it continues. */
int virtqueue_start(struct virtqueue *queue,
		    const struct virtio_queue_place *place, uint64_t features,
		    const uint16_t *heads, uint16_t head_count);

/* Returns the index of the next chain to take, as queue_stop() does. */
uint16_t virtqueue_stop(struct virtqueue *queue);

/* For queue_call(). */
void virtqueue_call(struct virtqueue *queue,
		    const struct virtio_queue_place *place);

/* The guest's memory was changed: map the ring again, if it is served. One that
 * cannot be mapped hands out nothing until it can (ring_is_mapped()). */
void virtqueue_remap(struct virtqueue *queue);

/* The driver violated the specification: hand out nothing more, and notify
 * it. */
void virtqueue_break(struct virtqueue *queue);

/* ring_take() of a queue that is served. Kicks are refused from now on, until
 * virtqueue_want_kicks(). */
static inline int virtqueue_take(struct virtqueue *queue,
				 struct ring_segment *segments, uint32_t room,
				 struct ring_chain *ret_chain)
{
	int r = ring_take(&queue->ring, queue->memory, segments, room,
			  ret_chain);

	if (r == 0 && queue->wants_kicks) {
		ring_refuse_kicks(&queue->ring);
		queue->wants_kicks = false;
	} else if (r == -EBADMSG) {
		virtqueue_break(queue);
	}
	return r;
}

/* Return the chains for which ring_fill_used() was called; or this one.
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

/* Have its owner check it, as if the driver had kicked. */
static inline void virtqueue_poke(const struct virtqueue *queue)
{
	event_signal(queue->kick_fd);
}

#endif
