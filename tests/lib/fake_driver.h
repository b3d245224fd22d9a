/* SPDX-License-Identifier: MIT */
/*
 * A guest's half of a split ring, for tests: memory with a ring in it, chains
 * of descriptors, direct and indirect, and a reader of the used ring. It can
 * make every mistake a driver can: the structures are public, and nothing is
 * checked on the way in. What goes wrong in here aborts.
 */
#ifndef TESTS_FAKE_DRIVER_H
#define TESTS_FAKE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include "guestmem/guestmem.h"
#include "virtio/ring.h"

/* Not at 0, and user addresses unlike both, so that a mix-up shows. */
#define FAKE_GPA   0x40000000ull
#define FAKE_USER  0x7f0000000000ull
#define FAKE_BYTES (4ull << 20)

struct fake_buffer {
	gpa_t gpa;
	uint32_t bytes;
	bool is_writable;
};

struct fake_driver {
	int fd;        /* of the memory */
	uint8_t *host; /* its first byte, FAKE_GPA to the device */
	uint16_t size;
	vring_desc_t *descriptors;
	vring_avail_t *available;
	vring_used_t *used;
	struct ring_addresses addresses; /* for ring_map() */
	uint16_t next_descriptor;
	uint16_t next_used;
	uint64_t next_byte; /* bump allocator */
};

/* Make the memory, and a ring of `size` at its start. */
void fake_driver_open(struct fake_driver *driver, uint16_t size);
void fake_driver_close(struct fake_driver *driver);

/* Put the memory into a guestmem. */
void fake_driver_map(const struct fake_driver *driver, struct guestmem *memory);

/* Clear the ring and begin again, as after a reset. */
void fake_driver_reset(struct fake_driver *driver);

/* Fresh memory, 16-byte aligned. */
gpa_t fake_driver_alloc(struct fake_driver *driver, size_t bytes);
void *fake_driver_at(struct fake_driver *driver, gpa_t gpa);

/*
 * Write a chain into the descriptor table (or into an indirect table and one
 * descriptor) and return its head; it is not offered yet.
 */
uint16_t fake_driver_chain(struct fake_driver *driver,
			   const struct fake_buffer *buffers, uint16_t count);
uint16_t fake_driver_indirect(struct fake_driver *driver,
			      const struct fake_buffer *buffers,
			      uint16_t count);

/* Make a head available: ring entry, then index. */
void fake_driver_offer(struct fake_driver *driver, uint16_t head);

/* The next used element, if there is one. */
bool fake_driver_used(struct fake_driver *driver,
		      struct vring_used_elem *ret_element);

/* EVENT_IDX words. */
uint16_t *fake_driver_used_event(struct fake_driver *driver);
uint16_t *fake_driver_avail_event(struct fake_driver *driver);

#endif
