/* SPDX-License-Identifier: MIT */
/*
 * An address space of the board, I/O ports or memory: routes accesses of the
 * virtual processors to devices.
 *
 * A device claims ranges. An access of 1, 2, 4 or 8 bytes that lies entirely
 * within one range goes to its device, as an offset from the start of the
 * range; it may be misaligned. Every other access reads all ones and writes
 * nothing, as on a bus where no device responds.
 *
 * Trust      Address, width and value are a hostile guest's.
 * Threads    The board lock is held.
 * Errors     0 or a negative errno.
 */
#ifndef MACHINE_BUS_H
#define MACHINE_BUS_H

#include <stdint.h>

#define BUS_RANGE_MAX 64

/*
 * Width is 1, 2, 4 or 8, and offset + width is within the range. Only the low
 * `width` bytes of a value read are used; the others of a value written are 0.
 * A device with byte registers has the byte functions instead: a wider access is
 * one to each byte, lowest first, as on the ISA bus. Any may be NULL: reads give
 * all ones, writes are ignored.
 */
struct bus_ops {
	uint64_t (*read)(void *device, uint64_t offset, uint32_t width);
	void (*write)(void *device, uint64_t offset, uint64_t value,
		      uint32_t width);
	uint8_t (*read_byte)(void *device, uint16_t offset);
	void (*write_byte)(void *device, uint16_t offset, uint8_t value);
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

/* Remove the range that begins there; does nothing if there is none. */
void bus_remove(struct bus *bus, uint64_t base);

/* An access as KVM reports it: any address, any width up to 8. Bytes are little
 * endian, as the guest's. */
void bus_read(const struct bus *bus, uint64_t address, void *to,
	      uint32_t width);
void bus_write(const struct bus *bus, uint64_t address, const void *from,
	       uint32_t width);

#endif
