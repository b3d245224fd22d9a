/* SPDX-License-Identifier: MIT */
/*
 * An address space of the board, ports or memory: which device an access of a
 * virtual processor is for.
 *
 * A device claims ranges. An access of 1, 2, 4 or 8 bytes that lies in one
 * range whole is the device's, as an offset from its start; it may be
 * misaligned. Every other access reads all ones and writes nothing, as on a
 * bus where nobody answers.
 *
 * Trust      Address, width and value are a hostile guest's.
 * Threads    The board lock is held.
 * Errors     0 or a negative errno.
 */
#ifndef MACHINE_BUS_H
#define MACHINE_BUS_H

#include <stdint.h>

#define BUS_RANGE_MAX 64

/* Width is 1, 2, 4 or 8, and offset + width within the range. Of a value read
 * the low `width` bytes count; of one written the others are 0. Either may be
 * NULL: reads all ones, ignores writes. */
struct bus_ops {
	uint64_t (*read)(void *device, uint64_t offset, uint32_t width);
	void (*write)(void *device, uint64_t offset, uint64_t value,
		      uint32_t width);
};

struct bus_range {
	uint64_t base;
	uint64_t bytes;
	const struct bus_ops *ops; /* borrowed */
	void *device;              /* borrowed */
};

/* Zeroed, it is empty. */
struct bus {
	struct bus_range ranges[BUS_RANGE_MAX]; /* by base */
	uint32_t count;
};

/*
 * Claim a range.
 *
 * -EINVAL  empty, or wraps
 * -EEXIST  overlaps another
 * -ENOSPC  there are BUS_RANGE_MAX
 */
int bus_add(struct bus *bus, const struct bus_range *range);

/* Give up the range that begins there; nothing if there is none. */
void bus_remove(struct bus *bus, uint64_t base);

/* What KVM reports of an access: any address, any width up to 8. Bytes are in
 * the guest's order, little endian. */
void bus_read(const struct bus *bus, uint64_t address, void *to,
	      uint32_t width);
void bus_write(const struct bus *bus, uint64_t address, const void *from,
	       uint32_t width);

#endif
