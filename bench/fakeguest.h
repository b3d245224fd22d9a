/* SPDX-License-Identifier: MIT */
/*
 * A fake guest: the driver side of virtio-blk over split rings, in memory of
 * its own that it shares with a vhost-user back end, as a VMM would.
 *
 * It behaves like Linux' driver: indirect descriptors and EVENT_IDX where
 * offered, a kick only when the device asks, no interrupts while it reaps. It
 * models a processor that halts while it waits: it sleeps on the call eventfd,
 * unless told to spin. When the back end dies it connects again, hands over
 * the same in-flight region and goes on; outstanding requests stay so.
 *
 * A slot is one request with its own data buffer. Free slots are used in turn,
 * the one free longest first, so that a second answer to one request rarely
 * hits the next request with the same id.
 *
 * Threads    One owner.
 * Errors     0 or a negative errno; those of frontend.h too.
 */
#ifndef BENCH_FAKEGUEST_H
#define BENCH_FAKEGUEST_H

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend.h"

#define FAKEGUEST_QUEUES_MAX 8

struct fakeguest_settings {
	const char *path;      /* of the back end's socket; borrowed */
	uint32_t queue_count;  /* 1 to FAKEGUEST_QUEUES_MAX */
	uint32_t queue_size;   /* a power of two */
	uint32_t slot_count;   /* dealt out to the queues in turn */
	uint32_t slot_bytes;   /* largest data of a request */
	uint32_t connect_ms;   /* how long to wait for a back end */
	bool is_spinning;      /* instead of sleeping on the call eventfd */
	bool is_write_through; /* an answered write is durable: no FLUSH */
};

struct fakeguest_queue {
	uint32_t index;
	struct vring ring;
	uint16_t produced;
	uint16_t published;
	uint16_t reaped;
	int kick_fd; /* owned */
};

struct fakeguest_slot {
	bool is_outstanding;
	uint16_t head;
	struct fakeguest_queue *queue;
	struct virtio_blk_outhdr *header; /* in guest memory, as are these: */
	struct vring_desc *table;
	uint8_t *status;
	uint8_t *data;
};

struct fakeguest {
	struct fakeguest_settings settings;
	struct frontend frontend;
	struct virtio_blk_config config;
	uint64_t features;
	uint8_t *memory; /* owned mapping */
	size_t memory_bytes;
	int memory_fd;   /* owned, as are these */
	int call_fd;     /* one for all queues */
	int inflight_fd; /* NO_FD: the back end offers none */
	struct vhostuser_inflight inflight;
	struct fakeguest_queue queues[FAKEGUEST_QUEUES_MAX];
	struct fakeguest_slot *slots; /* owned */
	uint32_t *free_slots;         /* owned; a queue of slot numbers */
	uint32_t free_begin;
	uint32_t free_count;
	uint32_t outstanding;
	uint64_t kicks;
	uint64_t wakes;
	uint64_t reconnects;
	uint64_t violations; /* used entries without a request outstanding */
};

/* Connect and start the device. */
int fakeguest_open(struct fakeguest *guest,
		   const struct fakeguest_settings *settings);
void fakeguest_close(struct fakeguest *guest);

/*
 * Reset the guest, as a VMM does it: queues stop, their memory is zeroed, they
 * start anew. What was outstanding is forgotten and never answered.
 */
int fakeguest_reset(struct fakeguest *guest);

/*
 * Choose the slot of the next request.
 *
 * -EAGAIN  none is free
 */
int fakeguest_take_slot(struct fakeguest *guest, uint32_t *ret_slot);

/* Where the request's data goes or comes. */
uint8_t *fakeguest_data(struct fakeguest *guest, uint32_t slot);

/* Queue a request: type is VIRTIO_BLK_T_IN, _OUT or _FLUSH (bytes 0). The
 * device sees it after fakeguest_publish(). */
void fakeguest_submit(struct fakeguest *guest, uint32_t slot, uint32_t type,
		      uint64_t offset_bytes, uint32_t bytes);
void fakeguest_publish(struct fakeguest *guest);

/*
 * Take one answered request; its slot is free again once the caller looked at
 * status and data and calls fakeguest_return_slot().
 *
 * -EAGAIN  none
 */
int fakeguest_reap(struct fakeguest *guest, uint32_t *ret_slot,
		   uint8_t *ret_status);
void fakeguest_return_slot(struct fakeguest *guest, uint32_t slot);

/*
 * Wait until there is something to reap, or until `deadline_ns`.
 *
 * -ETIMEDOUT  nothing came
 * -EPIPE and others: the back end is gone and did not come back
 */
int fakeguest_wait(struct fakeguest *guest, uint64_t deadline_ns);

#endif
