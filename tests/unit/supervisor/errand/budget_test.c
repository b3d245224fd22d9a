/* SPDX-License-Identifier: MIT */
#include "supervisor/errand/budget.h"

#include "lib/harness.h"

#define NOW 1000000u

static unsigned take_all(struct budget *budget, uint64_t now_ns)
{
	unsigned count = 0;

	while (count < 100 && budget_take(budget, 8, 10, now_ns))
		count++;
	return count;
}

TEST(so_many_may_be_had_at_once_and_no_more)
{
	struct budget budget = { 0 };

	CHECK_EQ(take_all(&budget, NOW), 8);
	CHECK_EQ(take_all(&budget, NOW), 0);
}

TEST(then_one_is_earned_each_interval)
{
	struct budget budget = { 0 };

	(void)take_all(&budget, NOW);

	CHECK_EQ(take_all(&budget, NOW + 9), 0);
	CHECK_EQ(take_all(&budget, NOW + 10), 1);
	CHECK_EQ(take_all(&budget, NOW + 40), 3);
}

TEST(what_was_not_taken_for_long_does_not_add_up)
{
	struct budget budget = { 0 };

	(void)take_all(&budget, NOW);

	CHECK_EQ(take_all(&budget, NOW + 100000), 8);
}

TEST(who_has_taken_all_is_told_how_long_to_wait)
{
	struct budget budget = { 0 };

	CHECK_EQ(budget_wait_ns(&budget, 8, 10, NOW), 0);
	(void)take_all(&budget, NOW);

	CHECK_EQ(budget_wait_ns(&budget, 8, 10, NOW), 10);
	CHECK_EQ(budget_wait_ns(&budget, 8, 10, NOW + 7), 3);
	CHECK_EQ(budget_wait_ns(&budget, 8, 10, NOW + 10), 0);
}
