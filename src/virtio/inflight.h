/* SPDX-License-Identifier: MIT */
/*
 * The record of requests in flight that outlives this process: vhost-user's
 * in-flight region for split rings ("Inflight I/O tracking", split virtqueue).
 *
 * The front end keeps the memory and passes it to our successor. Stores are
 * made in the order of the specification, so that at whatever point the process
 * dies, inflight_recover() finds every chain that was taken and not answered,
 * once, in the order taken. This protects against the death of the process, not
 * of the host.
 *
 *   taken       counter -> in_flight = 1                        then dispatch
 *   answered    used element -> next -> last_batch_head -> used index
 *               -> in_flight = 0 -> region's used_index
 *
 * Layout: one part per queue, each rounded up to 64 bytes as QEMU and DPDK do.
 *
 * Trust      The region is as hostile as the guest. It is read only in
 *            inflight_recover(), each value once, with every bound checked.
 * Threads    One thread.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_INFLIGHT_H
#define VIRTIO_INFLIGHT_H

#include <stddef.h>
#include <stdint.h>

#include "virtio/ring.h"

struct inflight_entry {
	uint8_t in_flight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct inflight_part {
	uint64_t features;
	uint16_t version; /* 0: never used */
	uint16_t entry_count;
	uint16_t last_batch_head;
	uint16_t used_index;
	struct inflight_entry entries[];
};

_Static_assert(sizeof(struct inflight_entry) == 16, "fixed by vhost-user");
_Static_assert(sizeof(struct inflight_part) == 16, "fixed by vhost-user");

/* The whole region, mapped. */
struct inflight_region {
	uint8_t *first; /* part of queue 0; NULL when there is no region */
	void *map;
	size_t map_bytes;
	uint16_t queue_count;
	uint16_t queue_size;
};

/* One queue's record. Zeroed, or without a region, it records nothing. */
struct inflight {
	struct inflight_part *part;
	uint64_t next_counter;
	uint16_t queue_size; /* entries of the part */
	uint16_t last_head;  /* our own copy of part->last_batch_head */
};

/* Bytes of a region for so many queues of so many descriptors. */
size_t inflight_region_bytes(uint16_t queue_count, uint16_t queue_size);

/*
 * Create the memory of a new region: a sealed memfd, all zero. The caller owns
 * *ret_fd.
 *
 * -EINVAL  no queues, or queue_size not 1 to RING_SIZE_MAX
 */
int inflight_region_create(uint16_t queue_count, uint16_t queue_size,
			   int *ret_fd);

/*
 * Map a region received from a front end. `fd` is borrowed.
 *
 * -EINVAL  the range does not hold such a region, or lies outside the file
 */
int inflight_region_map(struct inflight_region *ret_region, int fd,
			uint64_t offset_bytes, uint64_t bytes,
			uint16_t queue_count, uint16_t queue_size);

/* Forget every request: the guest was reset. Safe without a region. */
void inflight_region_clear(struct inflight_region *region);

/* Unmap. Safe twice. */
void inflight_region_release(struct inflight_region *region);

/*
 * Find what the previous process left unanswered: heads in the order taken, for
 * ring_start(). `heads` has room for ring->size. The ring must be mapped: its
 * used index decides about a request that was just being answered. A region
 * never used takes its position from the ring. Without a region, or with one of
 * fewer queues, there is nothing to record: 0 heads, and *ret_inflight records
 * nothing.
 *
 * -EINVAL   the ring is not mapped or is larger than the region's queues
 * -EBADMSG  the region contradicts itself or the ring
 */
int inflight_recover(struct inflight *ret_inflight,
		     const struct inflight_region *region, uint16_t queue_index,
		     const struct ring *ring, uint16_t *heads,
		     uint16_t *ret_head_count);

/* Record a chain just taken, in the order taken and before acting on it. */
void inflight_mark(struct inflight *inflight, uint16_t head);

/*
 * Answer a chain: ring_fill_used and ring_publish_used with the record updated
 * in between. The only way to push.
 */
void inflight_push(struct inflight *inflight, struct ring *ring, uint16_t head,
		   uint32_t written_bytes);

#endif
