/* SPDX-License-Identifier: MIT */
#include "machine/bus.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

static struct bus bus;

static struct {
	uint64_t offset;
	uint64_t value;
	uint32_t width;
	int reads;
	int writes;
} seen;

static uint64_t read_device(void *device, uint64_t offset, uint32_t width)
{
	CHECK(device == &seen);
	seen.offset = offset;
	seen.width = width;
	seen.reads++;
	return 0x1122334455667788;
}

static void write_device(void *device, uint64_t offset, uint64_t value,
			 uint32_t width)
{
	CHECK(device == &seen);
	seen.offset = offset;
	seen.value = value;
	seen.width = width;
	seen.writes++;
}

static const struct bus_ops ops = { .read = read_device,
				    .write = write_device };
static const struct bus_ops deaf;

static int add(uint64_t base, uint64_t bytes)
{
	const struct bus_range range = { base, bytes, &ops, &seen };

	return bus_add(&bus, &range);
}

static uint64_t read_at(uint64_t address, uint32_t width)
{
	uint64_t value = 0;

	bus_read(&bus, address, &value, width);
	return value;
}

static uint8_t registers[4];

static uint8_t read_register(void *device, uint16_t offset)
{
	return ((uint8_t *)device)[offset];
}

static void write_register(void *device, uint16_t offset, uint8_t value)
{
	((uint8_t *)device)[offset] = value;
}

TEST(a_wide_access_to_byte_registers_is_one_to_each)
{
	static const struct bus_ops byte_ops = { .read_byte = read_register,
						 .write_byte = write_register };
	const struct bus_range range = { 0x3f8, sizeof(registers), &byte_ops,
					 registers };
	const uint32_t value = 0x04030201;

	CHECK_EQ(bus_add(&bus, &range), 0);

	bus_write(&bus, 0x3f8, &value, sizeof(value));

	CHECK_EQ(registers[0], 1);
	CHECK_EQ(registers[3], 4);
	CHECK_EQ(read_at(0x3f9, 2), 0x0302);
	bus_remove(&bus, 0x3f8);
}

TEST(an_access_reaches_its_device_as_an_offset)
{
	CHECK_EQ(add(0x1000, 0x100), 0);
	CHECK_EQ(add(0x2000, 0x100), 0);

	CHECK_EQ(read_at(0x20f8, 8), 0x1122334455667788);
	CHECK_EQ(seen.offset, 0xf8);
	CHECK_EQ(seen.width, 8);
	CHECK_EQ(read_at(0x1001, 2), 0x7788);
	CHECK_EQ(seen.offset, 1);
}

TEST(a_written_value_has_only_the_bytes_of_the_access)
{
	const uint64_t bytes = 0xaabbccdd11223344;

	CHECK_EQ(add(0x1000, 0x100), 0);
	bus_write(&bus, 0x10ff, &bytes, 1);
	CHECK_EQ(seen.value, 0x44);
	bus_write(&bus, 0x1010, &bytes, 4);
	CHECK_EQ(seen.value, 0x11223344);
	CHECK_EQ(seen.offset, 0x10);
}

TEST(what_nobody_claims_reads_all_ones_and_takes_writes)
{
	const uint64_t value = 0;

	CHECK_EQ(read_at(0x1000, 8), -1LL);
	CHECK_EQ(add(0x1000, 0x10), 0);
	CHECK_EQ(read_at(0xfff, 1), 0xff);
	CHECK_EQ(read_at(0x1010, 4), 0xffffffff);
	CHECK_EQ(read_at(UINT64_MAX, 1), 0xff);
	bus_write(&bus, 0x1010, &value, 4);
	CHECK_EQ(seen.reads + seen.writes, 0);
}

TEST(a_device_without_handlers_reads_all_ones)
{
	const struct bus_range range = { 0x10, 1, &deaf, NULL };
	const uint64_t value = 0;

	CHECK_EQ(bus_add(&bus, &range), 0);
	CHECK_EQ(read_at(0x10, 1), 0xff);
	bus_write(&bus, 0x10, &value, 1);
}

TEST(a_hostile_guest_cannot_reach_across_the_end_of_a_range)
{
	const uint64_t value = 0;

	CHECK_EQ(add(0x1000, 6), 0);
	CHECK_EQ(add(0x1006, 2), 0);
	CHECK_EQ(add(UINT64_MAX - 3, 4), 0);
	CHECK_EQ(read_at(0x1004, 4), 0xffffffff);
	CHECK_EQ(read_at(0x1000, 8), -1LL);
	CHECK_EQ(read_at(0xfff, 2), 0xffff);
	CHECK_EQ(read_at(UINT64_MAX, 8), -1LL);
	bus_write(&bus, 0x1004, &value, 4);
	bus_write(&bus, UINT64_MAX - 1, &value, 4);
	CHECK_EQ(seen.reads + seen.writes, 0);
}

TEST(a_hostile_guest_cannot_access_with_a_width_that_no_device_knows)
{
	uint64_t value = 0;

	CHECK_EQ(add(0x1000, 0x100), 0);
	for (uint32_t width = 0; width <= 8; width++) {
		if (width == 1 || width == 2 || width == 4 || width == 8)
			continue;
		value = 0;
		bus_read(&bus, 0x1000, &value, width);
		CHECK_EQ(value, (1ull << (8 * width)) - 1);
		bus_write(&bus, 0x1000, &value, width);
	}
	CHECK_EQ(seen.reads + seen.writes, 0);
}

TEST(ranges_that_overlap_are_refused)
{
	CHECK_EQ(add(0x1000, 0x1000), 0);
	CHECK_EQ(add(0x1000, 0x1000), -EEXIST);
	CHECK_EQ(add(0x1fff, 1), -EEXIST);
	CHECK_EQ(add(0xfff, 2), -EEXIST);
	CHECK_EQ(add(0, UINT64_MAX), -EEXIST);
	CHECK_EQ(add(0xfff, 1), 0);
	CHECK_EQ(add(0x2000, 1), 0);
	CHECK_EQ(bus.count, 3);
}

TEST(an_empty_range_and_one_that_wraps_are_refused)
{
	CHECK_EQ(add(0x1000, 0), -EINVAL);
	CHECK_EQ(add(UINT64_MAX, 2), -EINVAL);
	CHECK_EQ(add(UINT64_MAX, 1), 0);
}

TEST(a_range_given_up_can_be_claimed_again)
{
	CHECK_EQ(add(0x1000, 0x100), 0);
	CHECK_EQ(add(0x3000, 0x100), 0);
	bus_remove(&bus, 0x1001);
	CHECK_EQ(bus.count, 2);

	bus_remove(&bus, 0x1000);
	CHECK_EQ(read_at(0x1000, 1), 0xff);
	CHECK_EQ(read_at(0x3000, 1), 0x88);
	CHECK_EQ(add(0x1080, 0x100), 0);
}

TEST(a_full_bus_says_so)
{
	for (uint64_t i = 0; i < BUS_RANGE_MAX; i++)
		CHECK_EQ(add(i * 16, 16), 0);
	CHECK_EQ(add(BUS_RANGE_MAX * 16ULL, 16), -ENOSPC);
}
