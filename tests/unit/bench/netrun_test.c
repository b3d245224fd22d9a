/* SPDX-License-Identifier: MIT */
#include "netrun.h"

#include <stdlib.h>

#include "base/clock.h"
#include "faulty_switch.h"
#include "lib/harness.h"

static struct netrun_result result;
static volatile int stop;

static void run_with(enum netrun_mode mode, enum switch_fault fault)
{
	struct faulty_switch faulty;
	struct netrun_settings settings = {
		.mode = mode,
		.port_count = 2,
		.bytes = 64,
		.queue_size = 256,
		.window = 4,
		.rate = 500,
		.gap_least_ns = 8 * NS_PER_MS,
		.warmup_ns = 20 * NS_PER_MS,
		.duration_ns = 400 * NS_PER_MS,
		.stop = &stop,
	};

	faulty_switch_start(&faulty, fault);
	settings.specs[0] = settings.specs[1] = faulty.spec;
	CHECK_EQ(netrun(&settings, &result), 0);
	faulty_switch_stop(&faulty);
}

/* What a busy machine delays is in the list as well. */
static struct netrun_gap longest(void)
{
	struct netrun_gap found = { 0 };

	for (uint32_t i = 0; i < result.gap_count; i++) {
		const struct netrun_gap *gap = &result.gaps[i];

		if (gap->lost > found.lost)
			found.lost = gap->lost;
		if (gap->late_ns > found.late_ns)
			found.late_ns = gap->late_ns;
	}
	return found;
}

TEST(a_faultless_switch_is_judged_so)
{
	run_with(NETRUN_PACED, SWITCH_FAULTLESS);

	CHECK(result.stats.count > 5);
	CHECK_EQ(result.lost, 0);
	CHECK_EQ(result.disordered, 0);
}

TEST(a_frame_that_never_comes_is_found_lost)
{
	run_with(NETRUN_PACED, SWITCH_LOSES);

	CHECK(result.lost > 0);
	CHECK(longest().lost > 0);
}

TEST(a_frame_that_comes_late_makes_a_gap)
{
	run_with(NETRUN_PACED, SWITCH_IS_LATE);

	CHECK_EQ(result.lost, 0);
	CHECK(longest().late_ns >= (FAULTY_LATE_MS - 3) * NS_PER_MS);
}

/* On a crowded machine few frames come in time to be swapped: it runs until one
 * was, or the test has taken too long. */
TEST(a_frame_that_is_overtaken_is_found)
{
	do
		run_with(NETRUN_PACED, SWITCH_SWAPS);
	while (result.disordered == 0);
}

TEST(a_stream_goes_on_when_frames_are_lost)
{
	run_with(NETRUN_STREAM, SWITCH_LOSES);

	CHECK(result.senders[1].frames > 100);
	CHECK(result.senders[1].sent > result.senders[1].frames);
	CHECK_EQ(result.senders[1].bytes, result.senders[1].frames * 64);
}

TEST(one_frame_and_back_is_timed)
{
	run_with(NETRUN_PING, SWITCH_FAULTLESS);

	CHECK(result.stats.count > 0);
	CHECK(stats_percentile_ns(&result.stats, 0.5) > 1000);
}
