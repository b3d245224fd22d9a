/* SPDX-License-Identifier: MIT */
#include "workload.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "faulty_disk.h"
#include "lib/harness.h"

static struct workload_result result;

static int run_with(struct workload_settings settings, enum fault fault)
{
	struct faulty_disk disk;
	int error;

	faulty_disk_start(&disk, fault);
	settings.path = disk.path;
	settings.block_bytes = FAULTY_CELL_BYTES;
	settings.queue_count = 1;
	settings.connect_ms = 3000;
	settings.drain_ns = 300 * NS_PER_MS;
	settings.stall_least_ns = NS_PER_MS;
	settings.seed = 1;
	settings.is_verifying = true;
	error = workload_run(&settings, &result);
	faulty_disk_stop(&disk);
	return error;
}

static int run_mixed(enum fault fault)
{
	return run_with(
		(struct workload_settings){ .op = WORKLOAD_MIXED,
					    .depth = 4,
					    .duration_ns = 200 * NS_PER_MS },
		fault);
}

TEST(a_faultless_disk_is_judged_so)
{
	CHECK_EQ(run_mixed(FAULT_NONE), 0);

	CHECK(result.stats.count > 1000);
	CHECK(result.checked > 500);
	CHECK_EQ(result.errors, 0);
	CHECK_EQ(result.lost, 0);
	CHECK_EQ(result.duplicated, 0);
	CHECK_EQ(result.corrupt, 0);
}

TEST(a_write_answered_but_not_done_is_found_lost)
{
	CHECK_EQ(run_mixed(FAULT_LOSES_A_WRITE), 0);

	CHECK(result.lost > 0);
}

TEST(an_old_write_over_a_newer_one_is_found_duplicated)
{
	CHECK_EQ(run_mixed(FAULT_REPEATS_A_WRITE), 0);

	CHECK(result.duplicated > 0);
}

TEST(a_flipped_bit_is_found_corrupt)
{
	CHECK_EQ(run_mixed(FAULT_FLIPS_A_BIT), 0);

	CHECK(result.corrupt > 0);
	CHECK_EQ(result.duplicated, 0);
}

TEST(a_misplaced_write_is_found_corrupt)
{
	CHECK_EQ(run_mixed(FAULT_MISPLACES_A_WRITE), 0);

	CHECK(result.corrupt > 0);
}

TEST(a_torn_write_is_found_lost_or_corrupt)
{
	CHECK_EQ(run_mixed(FAULT_TEARS_A_WRITE), 0);

	CHECK(result.lost + result.corrupt > 0);
}

TEST(a_request_answered_twice_is_found_duplicated)
{
	CHECK_EQ(run_mixed(FAULT_ANSWERS_TWICE), 0);

	CHECK(result.duplicated > 0);
	CHECK_EQ(result.corrupt, 0);
}

TEST(a_request_never_answered_is_found_lost)
{
	CHECK_EQ(run_mixed(FAULT_FORGETS_A_REQUEST), 0);

	CHECK_EQ(result.unanswered, 4);
	CHECK(result.lost >= result.unanswered);
}

TEST(a_back_end_that_died_is_connected_again)
{
	CHECK_EQ(run_mixed(FAULT_DIES_ONCE), 0);

	CHECK_EQ(result.reconnects, 1);
	CHECK(result.stats.count > 1000);
	CHECK_EQ(result.lost, 0);
	CHECK_EQ(result.duplicated, 0);
	CHECK_EQ(result.corrupt, 0);
}

TEST(a_spinning_guest_is_served_too)
{
	struct workload_settings settings = { .op = WORKLOAD_RANDWRITE,
					      .depth = 2,
					      .duration_ns = 50 * NS_PER_MS,
					      .is_spinning = true };

	CHECK_EQ(run_with(settings, FAULT_NONE), 0);

	CHECK_EQ(result.wakes, 0);
	CHECK(result.stats.count > 10);
	CHECK_EQ(result.lost, 0);
}

TEST(no_back_end_is_an_error)
{
	struct workload_settings settings = { .path = "/tmp/no-such-socket",
					      .block_bytes = 4096,
					      .depth = 1,
					      .queue_count = 1 };

	CHECK_EQ(workload_run(&settings, &result), -ENOENT);
}
