/* SPDX-License-Identifier: MIT */
#include "supervisor/errand/back_off.h"

#include "base/clock.h"
#include "lib/harness.h"

#define EARLY_EXIT_NS (50 * NS_PER_MS)
#define NOW_NS        (1000 * NS_PER_S)

TEST(the_first_ends_are_followed_by_no_pause)
{
	struct back_off back_off = { 0 };

	for (int i = 0; i < BACK_OFF_FREE; i++)
		back_off_note(&back_off, NOW_NS - 1, EARLY_EXIT_NS, NOW_NS);

	CHECK_EQ(back_off_wait_ms(&back_off, NOW_NS), 0);
}

TEST(pauses_double_and_stay_bounded)
{
	struct back_off back_off = { 0 };
	uint64_t last_ms = 50;

	for (int i = 0; i < BACK_OFF_FREE; i++)
		back_off_note(&back_off, 0, EARLY_EXIT_NS, NOW_NS);
	for (int i = 0; i < 1000; i++) {
		uint64_t ms;

		back_off_note(&back_off, 0, EARLY_EXIT_NS, NOW_NS);
		ms = back_off_wait_ms(&back_off, NOW_NS) - 1;
		CHECK(ms == 2 * last_ms || ms == BACK_OFF_MOST_MS);
		last_ms = ms;
	}

	CHECK_EQ(last_ms, BACK_OFF_MOST_MS);
	CHECK_EQ(back_off_wait_ms(&back_off,
				  NOW_NS + BACK_OFF_MOST_MS * NS_PER_MS),
		 0);
}

TEST(one_that_lived_long_ends_the_row)
{
	struct back_off back_off = { 0 };

	for (int i = 0; i < 10; i++)
		back_off_note(&back_off, 0, EARLY_EXIT_NS, NOW_NS);
	back_off_note(&back_off, NOW_NS - EARLY_EXIT_NS - 1, EARLY_EXIT_NS,
		      NOW_NS);

	CHECK_EQ(back_off.early_exits, 1);
}

TEST(ends_without_end_are_told_of_less_and_less_often)
{
	struct back_off back_off = { 0 };
	unsigned told = 0;

	for (unsigned i = 0; i < 1000; i++) {
		back_off_note(&back_off, 1, 1000, 2);
		told += back_off_is_news(&back_off);
	}

	CHECK_EQ(told, BACK_OFF_FREE + 8); /* 4, 8, ... 512 */
}
