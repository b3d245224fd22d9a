/* SPDX-License-Identifier: MIT */
#include "channel/buffers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel/channel.h"
#include "lib/harness.h"

#define UNIT CHANNEL_BUFFER_UNIT

static struct buffers buffers;

TEST(the_lowest_free_page_is_granted)
{
	struct grant first, second, third;

	CHECK_EQ(buffers_init(&buffers, 0, 8 * UNIT), 0);
	CHECK_EQ(buffers_grant(&buffers, 1, &first), 0);
	CHECK_EQ(buffers_grant(&buffers, UNIT, &second), 0);
	buffers_return(&buffers, &first);
	CHECK_EQ(buffers_grant(&buffers, 100, &third), 0);

	CHECK_EQ(second.offset, UNIT);
	CHECK_EQ(third.offset, 0);
	CHECK_EQ(third.bytes, UNIT);
	CHECK_EQ(first.bytes, 0);
	buffers_release(&buffers);
}

TEST(a_grant_is_contiguous_across_words)
{
	struct grant hole, run, last;

	CHECK_EQ(buffers_init(&buffers, 0, 200 * UNIT), 0);
	CHECK_EQ(buffers_grant(&buffers, 60 * UNIT, &hole), 0);
	CHECK_EQ(buffers_grant(&buffers, 2 * UNIT, &last), 0);
	buffers_return(&buffers, &hole);

	CHECK_EQ(buffers_grant(&buffers, 100 * UNIT, &run), 0);

	CHECK_EQ(run.offset, 62 * UNIT);
	CHECK_EQ(run.bytes, 100 * UNIT);
	buffers_release(&buffers);
}

TEST(a_full_area_grants_nothing)
{
	struct grant all, more = { .bytes = 77 };

	CHECK_EQ(buffers_init(&buffers, 0, 70 * UNIT), 0);
	CHECK_EQ(buffers_grant(&buffers, 70 * UNIT, &all), 0);

	CHECK_EQ(buffers_grant(&buffers, 1, &more), -EAGAIN);
	CHECK_EQ(more.bytes, 77);
	buffers_return(&buffers, &all);
	CHECK_EQ(buffers_grant(&buffers, UINT32_MAX, &more), -EAGAIN);
	CHECK_EQ(buffers.free_count, 70);
	buffers_release(&buffers);
}

TEST(what_is_reserved_at_the_start_is_never_granted)
{
	struct grant all, more;

	CHECK_EQ(buffers_init(&buffers, 8 * UNIT, 70 * UNIT), 0);

	CHECK_EQ(buffers_grant(&buffers, 63 * UNIT, &more), -EAGAIN);
	CHECK_EQ(buffers_grant(&buffers, 62 * UNIT, &all), 0);
	CHECK_EQ(all.offset, 8 * UNIT);
	buffers_return(&buffers, &all);
	CHECK_EQ(buffers_grant(&buffers, 1, &more), 0);
	CHECK_EQ(more.offset, 8 * UNIT);
	buffers_release(&buffers);
}

TEST(grants_never_overlap_whatever_the_order)
{
	enum { PAGES = 150, HELD = 40 };
	static struct grant held[HELD];
	static unsigned char owner[PAGES];

	CHECK_EQ(buffers_init(&buffers, 0, PAGES * UNIT), 0);
	srand(1);
	for (int round = 0; round < 20000; round++) {
		int i = rand() % HELD;
		struct grant *grant = &held[i];

		if (grant->bytes) {
			for (uint32_t p = 0; p < grant->bytes / UNIT; p++)
				owner[grant->offset / UNIT + p] = 0;
			buffers_return(&buffers, grant);
		} else if (!buffers_grant(&buffers,
					  (uint32_t)(1 + rand() % 9) * UNIT,
					  grant)) {
			for (uint32_t p = 0; p < grant->bytes / UNIT; p++)
				CHECK_EQ(owner[grant->offset / UNIT + p]++, 0);
		}
	}

	for (int i = 0; i < HELD; i++)
		buffers_return(&buffers, &held[i]);
	CHECK_EQ(buffers.free_count, PAGES);
	buffers_release(&buffers);
}
