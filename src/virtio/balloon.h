/* SPDX-License-Identifier: MIT */
/*
 * virtio-balloon (virtio 1.2, 5.5): memory that the guest does without goes
 * back to the host, page by page because the host asked for it (inflate), or
 * in large pieces because the guest does not use it just now (free page
 * reporting). Where memory is reserved for the guest (huge pages) nothing goes
 * back: reporting is not offered, and inflating is only bookkeeping too.
 *
 * The guest reads zeros from a page that was given back, and has it again the
 * moment it touches it: deflating is only bookkeeping, and no promise of the
 * guest is relied on. Pages given back are collected into ranges, so that
 * there are few calls, and only whole pages are given back.
 *
 * Queues: 0 inflate, 1 deflate, 4 reporting. Drivers number queues without
 * those whose feature is not offered (Linux does, 1.2 says otherwise), so
 * that queue 2 is for reporting too; queue 3 is for nothing.
 *
 * Trust      Page numbers and segments are a hostile guest's. A range that is
 *            not wholly RAM is refused and counted; a turn gives back a
 *            bounded number of bytes. Giving back its rings harms the guest
 *            only.
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
	/* Free these bytes, checked to be RAM. They may run through memory that
	 * is not one piece to the host. */
	void (*give_back)(void *context, gpa_t gpa, uint64_t bytes);
	/* The guest says how much it holds now: virtio_balloon_held_bytes().
	 * Called without the lock. */
	void (*changed)(void *context);
	void *context;
};

struct virtio_balloon {
	struct virtio_small small;
	struct virtio_balloon_handler ops;
	bool is_reserved;       /* the memory: nothing goes back */
	uint32_t target_pages;  /* of VIRTIO_BALLOON_PAGE_BYTES */
	uint32_t actual_pages;  /* as the driver says */
	uint64_t given_bytes;   /* counter; under the lock, as the next */
	uint64_t refused_count; /* counter: ranges that are not RAM */
};

void virtio_balloon_init(struct virtio_balloon *balloon,
			 struct guestmem *memory, bool is_reserved,
			 const struct virtio_balloon_handler *ops);

/* For the transport; the device is the struct virtio_balloon. */
extern const struct virtio_device_ops virtio_balloon_ops;

/* A kick came. */
void virtio_balloon_serve(struct virtio_balloon *balloon);

/* Ask the guest to give up so much; it may take its time, or not do it. */
void virtio_balloon_set_target(struct virtio_balloon *balloon, uint64_t bytes);

/* Ranges that the guest gave back and that are not its memory. */
uint64_t virtio_balloon_refused(struct virtio_balloon *balloon);

uint64_t virtio_balloon_target_bytes(struct virtio_balloon *balloon);

/* What the guest has given up, as it says. */
uint64_t virtio_balloon_held_bytes(struct virtio_balloon *balloon);

#endif
