/* SPDX-License-Identifier: MIT */
#include "verify.h"

#include <string.h>

#include "lib/harness.h"

#define CELL 4096u

static struct verify verify;
static uint64_t disk[CELL / 8], old[CELL / 8];

static void begin(void)
{
	CHECK_EQ(verify_init(&verify, 4, CELL, 77), 0);
}

static void write_cell(void)
{
	verify_begin_write(&verify, 1, disk);
	verify_end_write(&verify, 1, true);
}

static void read_cell(void)
{
	verify_end_read(&verify, 1, verify_begin_read(&verify, 1), disk);
}

TEST(before_the_first_write_anything_may_be_there)
{
	begin();
	memset(disk, 0xa5, sizeof(disk));

	read_cell();

	CHECK_EQ(verify.checked, 1);
	CHECK_EQ(verify.lost + verify.duplicated + verify.corrupt, 0);
	verify_release(&verify);
}

TEST(what_was_there_before_may_not_come_back)
{
	begin();
	write_cell();
	memset(disk, 0, sizeof(disk));

	read_cell();

	CHECK_EQ(verify.corrupt, 1);
	verify_release(&verify);
}

TEST(another_runs_stamp_is_corrupt)
{
	begin();
	write_cell();
	verify.run = 78;

	read_cell();

	CHECK_EQ(verify.corrupt, 1);
	verify_release(&verify);
}

TEST(an_unseen_write_replaced_by_its_predecessor_is_lost)
{
	begin();
	write_cell();
	memcpy(old, disk, sizeof(old));
	write_cell();
	memcpy(disk, old, sizeof(old));

	read_cell();

	CHECK_EQ(verify.lost, 1);
	CHECK_EQ(verify.duplicated, 0);
	verify_release(&verify);
}

TEST(a_seen_write_replaced_by_its_predecessor_is_duplicated)
{
	begin();
	write_cell();
	memcpy(old, disk, sizeof(old));
	write_cell();
	read_cell();
	memcpy(disk, old, sizeof(old));

	read_cell();

	CHECK_EQ(verify.lost, 0);
	CHECK_EQ(verify.duplicated, 1);
	verify_release(&verify);
}

TEST(a_write_in_flight_may_be_there_or_not)
{
	uint64_t coming[CELL / 8];

	begin();
	write_cell();
	verify_begin_write(&verify, 1, coming);

	read_cell();
	memcpy(disk, coming, sizeof(disk));
	read_cell();

	CHECK(!verify_may_write(&verify, 1));
	CHECK(verify_may_write(&verify, 2));
	CHECK_EQ(verify.lost + verify.duplicated + verify.corrupt, 0);
	verify_release(&verify);
}

TEST(a_failed_write_may_be_there_or_not)
{
	begin();
	write_cell();
	memcpy(old, disk, sizeof(old));
	verify_begin_write(&verify, 1, disk);
	verify_end_write(&verify, 1, false);

	read_cell();
	memcpy(disk, old, sizeof(old));
	read_cell();

	CHECK_EQ(verify.lost + verify.duplicated + verify.corrupt, 0);
	verify_release(&verify);
}

TEST(a_write_answered_during_a_read_may_be_missed_by_it)
{
	uint32_t floor;

	begin();
	write_cell();
	memcpy(old, disk, sizeof(old));
	floor = verify_begin_read(&verify, 1);
	write_cell();

	verify_end_read(&verify, 1, floor, old);

	CHECK_EQ(verify.lost + verify.duplicated + verify.corrupt, 0);
	verify_release(&verify);
}

TEST(half_a_write_is_found)
{
	begin();
	write_cell();
	memcpy(old, disk, sizeof(old));
	write_cell();
	memcpy(disk, old, sizeof(old) / 2);

	read_cell();

	CHECK_EQ(verify.lost, 1);
	verify_release(&verify);
}
