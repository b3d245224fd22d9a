/* SPDX-License-Identifier: MIT */
#include "machine/bus.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ALL_ONES (~0ull)

/* How many ranges begin at or below the address. */
static uint32_t count_below(const struct bus *bus, uint64_t address)
{
	uint32_t low = 0;
	uint32_t high = bus->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (bus->ranges[middle].base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int bus_add(struct bus *bus, const struct bus_range *range)
{
	uint32_t at = count_below(bus, range->base);
	const struct bus_range *before = &bus->ranges[at] - 1;
	const struct bus_range *behind = &bus->ranges[at];

	if (range->bytes == 0 || range->bytes - 1 > ~range->base)
		return -EINVAL;
	if ((at > 0 && range->base - before->base < before->bytes) ||
	    (at < bus->count && behind->base - range->base < range->bytes))
		return -EEXIST;
	if (bus->count == BUS_RANGE_MAX)
		return -ENOSPC;
	memmove(&bus->ranges[at + 1], &bus->ranges[at],
		(bus->count - at) * sizeof(*range));
	bus->ranges[at] = *range;
	bus->count++;
	return 0;
}

void bus_remove(struct bus *bus, uint64_t base)
{
	uint32_t at = count_below(bus, base);

	if (at == 0 || bus->ranges[at - 1].base != base)
		return;
	memmove(&bus->ranges[at - 1], &bus->ranges[at],
		(bus->count - at) * sizeof(bus->ranges[0]));
	bus->count--;
}

static bool is_width(uint32_t width)
{
	return width == 1 || width == 2 || width == 4 || width == 8;
}

/* The range in which all of the access lies, or NULL. */
static const struct bus_range *find(const struct bus *bus, uint64_t address,
				    uint32_t width)
{
	uint32_t at = count_below(bus, address);
	const struct bus_range *range;

	if (at == 0 || !is_width(width))
		return NULL;
	range = &bus->ranges[at - 1];
	if (width > range->bytes ||
	    address - range->base > range->bytes - width)
		return NULL;
	return range;
}

static uint64_t read_range(const struct bus_range *range, uint64_t offset,
			   uint32_t width)
{
	uint64_t value = 0;

	if (range->ops->read)
		return range->ops->read(range->device, offset, width);
	if (!range->ops->read_byte)
		return ALL_ONES;
	for (uint32_t i = 0; i < width; i++)
		value |= (uint64_t)range->ops->read_byte(range->device,
							 (uint16_t)(offset + i))
			 << (8 * i);
	return value;
}

void bus_read(const struct bus *bus, uint64_t address, void *to, uint32_t width)
{
	const struct bus_range *range = find(bus, address, width);
	uint64_t value = ALL_ONES;

	if (range)
		value = read_range(range, address - range->base, width);
	memset(to, 0xff, width);
	memcpy(to, &value, is_width(width) ? width : 0);
}

static void write_range(const struct bus_range *range, uint64_t offset,
			uint64_t value, uint32_t width)
{
	if (range->ops->write)
		range->ops->write(range->device, offset, value, width);
	else if (range->ops->write_byte)
		for (uint32_t i = 0; i < width; i++)
			range->ops->write_byte(range->device,
					       (uint16_t)(offset + i),
					       (uint8_t)(value >> (8 * i)));
}

void bus_write(const struct bus *bus, uint64_t address, const void *from,
	       uint32_t width)
{
	const struct bus_range *range = find(bus, address, width);
	uint64_t value = 0;

	if (!range)
		return;
	memcpy(&value, from, width);
	write_range(range, address - range->base, value, width);
}
