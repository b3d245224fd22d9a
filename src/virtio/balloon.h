/* SPDX-License-Identifier: MIT */
/*
 * virtio-balloon (virtio 1.2, 5.5): the guest returns memory to the host, page
 * by page because the host asked for it (inflate), or in large pieces that it
 * does not use at the moment (free page reporting). Where memory is reserved
 * for the guest (huge pages) nothing is returned: reporting is not offered, and
 * inflating is only bookkeeping.
 *
 * A returned page reads as zeros and is allocated again when the guest touches
 * it: deflating is only bookkeeping, and no promise of the guest is relied on.
 * Returned pages are merged into ranges, to make fewer calls, and only whole
 * pages are returned.
 *
 * Queues: 0 inflate, 1 deflate, 4 reporting. Drivers number queues without
 * those whose feature is not offered (Linux does, 1.2 says otherwise), so queue
 * 2 is for reporting too; queue 3 is unused.
 *
 * Trust      Page numbers and segments are a hostile guest's. A range that is
 *            not entirely RAM is refused and counted; the bytes returned per
 *            turn are bounded. Returning the memory of its rings harms only the
 *            guest.
 * Threads    Any, see virtio/small.h. give_back() is called under the lock.
 */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include "virtio/small.h"

#define VIRTIO_BALLOON_QUEUES     5
#define VIRTIO_BALLOON_PAGE_BYTES 4096u
/* In one turn. */
#define VIRTIO_BALLOON_TURN_BYTES  (64ull << 20)
#define VIRTIO_BALLOON_TURN_CHAINS 64
#define VIRTIO_BALLOON_TURN_PAGES  1024

struct virtio_balloon_handler {
	/* Free these bytes, checked to be RAM. They may span several mappings
	 * of the host. */
	void (*give_back)(void *context, gpa_t gpa, uint64_t bytes);
	/* The guest reported a new size: virtio_balloon_held_bytes(). Called
	 * without the lock. */
	void (*changed)(void *context);
	void *context;
};

struct virtio_balloon {
	struct virtio_small small;
	struct virtio_balloon_handler ops;
	bool is_reserved;       /* the memory: nothing is returned */
	uint32_t target_pages;  /* of VIRTIO_BALLOON_PAGE_BYTES */
	uint32_t actual_pages;  /* as the driver reports */
	uint64_t given_bytes;   /* counter; under the lock, as the next */
	uint64_t refused_count; /* counter: ranges that are not RAM */
};

void virtio_balloon_init(struct virtio_balloon *balloon,
			 struct guestmem *memory, bool is_reserved,
			 const struct virtio_balloon_handler *ops);

/* For the transport; the device is the struct virtio_balloon. */
extern const struct virtio_device_ops virtio_balloon_ops;

/* The guest kicked. */
void virtio_balloon_serve(struct virtio_balloon *balloon);

/* Ask the guest to give up this much; it may take its time, or not comply. */
void virtio_balloon_set_target(struct virtio_balloon *balloon, uint64_t bytes);

/* Ranges that the guest returned but that are not its memory. */
uint64_t virtio_balloon_refused(struct virtio_balloon *balloon);

uint64_t virtio_balloon_target_bytes(struct virtio_balloon *balloon);

/* What the guest has given up, according to itself. */
uint64_t virtio_balloon_held_bytes(struct virtio_balloon *balloon);

#endif
