/* SPDX-License-Identifier: MIT */
/*
 * A split virtqueue, seen from the device (virtio 1.2, 2.7).
 *
 * Life: ring_init, ring_map (again whenever memory or addresses change),
 * ring_start before the first take, then take, push, signal. A ring does not
 * interpret chains; see blk.h.
 *
 * The ring keeps a set of the heads it has handed out: one head is out at
 * most once (a driver that offers it again breaks the ring), and only such a
 * head can be pushed, so that no chain is answered twice (I1).
 *
 * Trust      Descriptors, indices and flags are written by a hostile guest, at
 *            any time. Each is read once, into a private copy, and checked. A
 *            chain that violates virtio 1.2 2.7.5 breaks the ring: the driver's
 *            memory can no longer be trusted, and answering such a chain with
 *            "0 bytes written" would let a driver read a stale status as
 *            success. A broken ring hands out nothing until ring_init; what is
 *            out may still be pushed. Other rings are not affected.
 * Threads    One thread per ring; the guest is the other side.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_RING_H
#define VIRTIO_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include "guestmem/guestmem.h"

#define RING_SIZE_MAX 1024

/*
 * Longest chain, in segments. A chain in the ring itself is never longer than
 * the ring; an indirect table may be (2.7.5.3.1 forbids it, Windows drivers
 * do it, and the bound here is ours).
 */
#define RING_CHAIN_MAX 1024

struct ring_segment {
	gpa_t gpa;
	uint32_t bytes; /* never 0 */
};

/* Readable segments (driver to device) first, then writable ones. */
struct ring_chain {
	uint16_t head;
	uint16_t readable_count;
	uint16_t writable_count;
	struct ring_segment *segments; /* the caller's storage */
};

/* As a vhost-user front end gives them: its user addresses. */
struct ring_addresses {
	uint64_t descriptors;
	uint64_t available;
	uint64_t used;
};

struct ring {
	const vring_desc_t *descriptors; /* NULL while not mapped */
	vring_avail_t *available;
	vring_used_t *used;
	uint16_t size;
	uint16_t next_available; /* index of the next chain to take */
	uint16_t seen_available; /* the driver's index, as last read */
	uint16_t next_used;
	uint16_t filled_count;   /* used elements not published yet */
	uint16_t signalled_used; /* next_used at the last signal */
	uint16_t out_count;      /* taken and not yet pushed */
	bool is_started;
	bool is_broken;
	bool must_signal; /* nothing was signalled since ring_start */
	bool has_event_idx;
	bool has_indirect;
	uint64_t out[RING_SIZE_MAX / 64]; /* a bit per head */
};

/* Clear everything: reset by the guest or a new driver. */
void ring_init(struct ring *ring);

/*
 * Set the ring's addresses. Positions and outstanding heads are kept, so that
 * memory may move under a running ring. On failure the ring is unmapped and
 * hands out nothing.
 *
 * -EINVAL  size is not a power of two or is above RING_SIZE_MAX, or an
 *          address is misaligned (2.7: 16, 2 and 4 bytes)
 * -EFAULT  a part does not lie inside one region
 */
int ring_map(struct ring *ring, struct guestmem *memory, uint16_t size,
	     const struct ring_addresses *addresses);

/*
 * Set the position from the used index in memory and from `heads`, the chains
 * taken in an earlier life and not answered: our own record (a table kept, or
 * inflight_recover), never the position that a peer claims. Call it when the
 * ring is first served, not when its address becomes known: a boot loader may
 * still be using it. `features` are those negotiated (VIRTIO_RING_F_...).
 *
 * -EINVAL  not mapped, too many heads, one beyond the ring, or one twice
 */
int ring_start(struct ring *ring, uint64_t features, const uint16_t *heads,
	       uint16_t head_count);

/*
 * Take the next chain, in the driver's order, into `segments` with `room`
 * for RING_CHAIN_MAX at most (a longer chain breaks the ring).
 *
 * -EAGAIN   none available; or the ring is broken, unmapped or not started
 * -EBADMSG  the driver violated the specification; returned once
 */
int ring_take(struct ring *ring, struct guestmem *memory,
	      struct ring_segment *segments, uint32_t room,
	      struct ring_chain *ret_chain);

/*
 * Return the chain taken last, not pushed yet, to the ring: the next take finds
 * it again. Any number, latest first.
 */
void ring_untake(struct ring *ring, uint16_t head);

/*
 * Read again a chain of an earlier life, one of the heads of ring_start.
 *
 * -EINVAL   this head is not out
 * -EBADMSG  as ring_take
 */
int ring_retake(struct ring *ring, struct guestmem *memory, uint16_t head,
		struct ring_segment *segments, uint32_t room,
		struct ring_chain *ret_chain);

/*
 * Return chains to the driver: fill an element for each, then make all of them
 * visible with one store. inflight_push() has to act between the two. `head`
 * must be out: pushing another is our own error and asserted. Both leave memory
 * alone while the ring is unmapped.
 */
void ring_fill_used(struct ring *ring, uint16_t head, uint32_t written_bytes);
void ring_publish_used(struct ring *ring);

/*
 * After pushing (once per batch): true if the driver wants a signal for what
 * was pushed since the last true. Always true the first time after a start.
 */
bool ring_should_signal(struct ring *ring);

/*
 * Enable or disable kicks, which are not needed while we are taking chains
 * anyway. After enabling them, true means that chains came in between: take
 * again before sleeping.
 */
void ring_refuse_kicks(struct ring *ring);
bool ring_want_kicks(struct ring *ring);

/* The same when the known ones were untaken because they are too few. */
bool ring_want_more(struct ring *ring);

/*
 * False after a ring_map that failed. A front end may take memory away and give
 * it back in two messages (QEMU does when regions change), so a served ring
 * can be unmapped for a while: keep its answers until it is mapped again, for
 * what is pushed meanwhile is lost to the driver.
 */
static inline bool ring_is_mapped(const struct ring *ring)
{
	return ring->descriptors != NULL;
}

/* The index of the next chain to take: the base that GET_VRING_BASE wants. */
static inline uint16_t ring_position(const struct ring *ring)
{
	return ring->next_available;
}

/* True if the head was taken and not pushed. */
static inline bool ring_is_out(const struct ring *ring, uint16_t head)
{
	return head < ring->size &&
	       (ring->out[head / 64] >> (head % 64) & 1) != 0;
}

#endif
