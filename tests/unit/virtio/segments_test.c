/* SPDX-License-Identifier: MIT */
#include "virtio/segments.h"

#include <errno.h>
#include <string.h>

#include "lib/fake_driver.h"
#include "lib/harness.h"

static struct fake_driver driver;
static struct guestmem memory;

static void open_guest(void)
{
	fake_driver_open(&driver, 4);
	guestmem_init(&memory);
	fake_driver_map(&driver, &memory);
}

static void close_guest(void)
{
	guestmem_clear(&memory);
	fake_driver_close(&driver);
}

TEST(bytes_are_scattered_and_gathered_in_order)
{
	char got[9] = { 0 };

	open_guest();
	const struct ring_segment segments[] = {
		{ fake_driver_alloc(&driver, 3), 3 },
		{ fake_driver_alloc(&driver, 1), 1 },
		{ fake_driver_alloc(&driver, 5), 5 },
	};

	CHECK_EQ(segments_bytes(segments, 3), 9);
	CHECK_EQ(segments_write(&memory, segments, 3, 0, "abcdefghi", 9), 0);
	CHECK_EQ(memcmp(fake_driver_at(&driver, segments[1].gpa), "d", 1), 0);
	CHECK_EQ(segments_read(&memory, segments, 3, 2, got, 5), 0);
	CHECK_EQ(memcmp(got, "cdefg", 5), 0);
	CHECK_EQ(segments_read(&memory, segments, 3, 4, got, 5), 0);
	CHECK_EQ(memcmp(got, "efghi", 5), 0);

	close_guest();
}

TEST(a_copy_beyond_the_segments_is_refused)
{
	char got[16];

	open_guest();
	const struct ring_segment segment = { fake_driver_alloc(&driver, 4),
					      4 };

	CHECK_EQ(segments_read(&memory, &segment, 1, 0, got, 5), -EFAULT);
	CHECK_EQ(segments_read(&memory, &segment, 1, 5, got, 1), -EFAULT);
	CHECK_EQ(segments_read(&memory, &segment, 1, 4, got, 0), 0);
	CHECK_EQ(segments_write(&memory, &segment, 1, UINT64_MAX, got, 1),
		 -EFAULT);

	close_guest();
}

TEST(a_hostile_guest_cannot_name_memory_it_does_not_have)
{
	const struct ring_segment beyond = { FAKE_GPA + FAKE_BYTES - 1, 2 };
	const struct ring_segment around = { UINT64_MAX - 3, UINT32_MAX };
	char got[16];

	open_guest();

	CHECK_EQ(segments_read(&memory, &beyond, 1, 0, got, 2), -EFAULT);
	CHECK_EQ(segments_write(&memory, &beyond, 1, 0, got, 2), -EFAULT);
	CHECK_EQ(segments_read(&memory, &around, 1, 8, got, 8), -EFAULT);

	close_guest();
}
