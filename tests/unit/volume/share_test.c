/* SPDX-License-Identifier: MIT */
#include "volume/share.h"

#include <stddef.h>
#include <stdlib.h>

#include "lib/harness.h"

static struct share share;

static struct share_range make(uint64_t offset_bytes, uint64_t length_bytes)
{
	return (struct share_range){ .offset_bytes = offset_bytes,
				     .length_bytes = length_bytes };
}

TEST(who_wants_bytes_of_another_waits_until_they_are_given_back)
{
	struct share_range a = make(0, 8192), b = make(4096, 8192);

	CHECK(share_take(&share, &a));
	CHECK(!share_is_awaited(&a));
	CHECK(!share_take(&share, &b));
	CHECK(share_is_awaited(&a));
	CHECK(!share_is_awaited(&b));

	CHECK(share_release(&share, &a) == &b);

	CHECK(b.next_freed == NULL);
	CHECK(share_release(&share, &b) == NULL);
	CHECK(share.first == NULL && share.last == NULL);
}

TEST(neighbours_and_empty_ranges_do_not_wait)
{
	struct share_range a = make(4096, 4096), b = make(0, 4096),
			   c = make(8192, 4096), d = make(5000, 0);

	CHECK(share_take(&share, &a));
	CHECK(share_take(&share, &b));
	CHECK(share_take(&share, &c));
	CHECK(share_take(&share, &d));
}

TEST(a_later_one_does_not_overtake_one_that_waits)
{
	struct share_range a = make(0, 4096), b = make(0, 12288),
			   c = make(8192, 4096);

	CHECK(share_take(&share, &a));
	CHECK(!share_take(&share, &b));
	CHECK(!share_take(&share, &c));

	CHECK(share_release(&share, &a) == &b);
	CHECK(share_release(&share, &b) == &c);
}

TEST(one_that_gives_up_waiting_frees_those_that_waited_for_it_alone)
{
	struct share_range a = make(0, 4096), b = make(0, 12288),
			   c = make(8192, 4096), d = make(0, 100);

	CHECK(share_take(&share, &a));
	CHECK(!share_take(&share, &b));
	CHECK(!share_take(&share, &c));
	CHECK(!share_take(&share, &d));

	CHECK(share_release(&share, &b) == &c);
	CHECK(c.next_freed == NULL);
	CHECK(share_release(&share, &a) == &d);
}

TEST(a_range_may_end_at_the_end_of_all_numbers)
{
	struct share_range all = make(0, UINT64_MAX),
			   last = make(UINT64_MAX - 1, 1),
			   first = make(4096, UINT64_MAX);

	CHECK(share_take(&share, &last));
	CHECK(!share_take(&share, &all));
	CHECK(!share_take(&share, &first));
}

static bool are_apart(const struct share_range *a, const struct share_range *b)
{
	return a->offset_bytes + a->length_bytes <= b->offset_bytes ||
	       b->offset_bytes + b->length_bytes <= a->offset_bytes;
}

/* Whatever the order: what is held is apart, and everybody gets his turn. */
TEST(of_many_no_two_hold_the_same_bytes_and_all_come_to_hold)
{
	enum { COUNT = 64, ROUNDS = 20000 };
	struct share_range ranges[COUNT] = { 0 };
	bool is_in[COUNT] = { 0 };

	srand(4);
	for (int i = 0; i < ROUNDS; i++) {
		int which = rand() % COUNT;

		if (is_in[which]) {
			(void)share_release(&share, &ranges[which]);
		} else {
			ranges[which] = make((uint64_t)rand() % 64,
					     (uint64_t)rand() % 8 + 1);
			(void)share_take(&share, &ranges[which]);
		}
		is_in[which] = !is_in[which];
		CHECK(!share.first || share.first->waits_for == 0);
		for (int a = 0; a < COUNT; a++)
			for (int b = 0; b < a; b++)
				CHECK(!is_in[a] || !is_in[b] ||
				      ranges[a].waits_for ||
				      ranges[b].waits_for ||
				      are_apart(&ranges[a], &ranges[b]));
	}
}
