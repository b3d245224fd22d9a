/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include "lib/harness.h"

static struct stats stats;

TEST(percentiles_are_within_one_percent)
{
	for (uint64_t us = 1; us <= 1000; us++)
		stats_add_latency(&stats, us * 1000);

	CHECK(stats_percentile_ns(&stats, 0.5) > 495000);
	CHECK(stats_percentile_ns(&stats, 0.5) < 505000);
	CHECK(stats_percentile_ns(&stats, 0.99) > 980000);
	CHECK(stats_percentile_ns(&stats, 0.99) < 1000000);
	CHECK_EQ(stats.max_ns, 1000000);
}

TEST(the_shortest_and_the_longest_latency_have_a_bucket)
{
	stats_add_latency(&stats, 0);
	CHECK_EQ(stats_percentile_ns(&stats, 0), 0);

	stats_add_latency(&stats, UINT64_MAX);
	CHECK(stats_percentile_ns(&stats, 0.99) > UINT64_MAX / 100 * 99);
}

TEST(stalls_are_listed_from_the_least_length_on)
{
	stats.stall_least_ns = 100;

	stats_add_stall(&stats, 1000, 1099);
	stats_add_stall(&stats, 2000, 2100);

	CHECK_EQ(stats.stall_count, 1);
	CHECK_EQ(stats.stalls[0].began_ns, 2000);
	CHECK_EQ(stats.longest_stall_ns, 100);
}

TEST(a_full_list_of_stalls_is_counted_on)
{
	for (uint64_t i = 0; i < STATS_STALLS_MAX + 3; i++)
		stats_add_stall(&stats, i * 10, i * 10 + 5);

	CHECK_EQ(stats.stall_count, STATS_STALLS_MAX);
	CHECK_EQ(stats.stalls_unlisted, 3);
}
