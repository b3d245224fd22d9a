/* SPDX-License-Identifier: MIT */
#include "definition/units.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

TEST(a_size_is_written_in_its_largest_exact_unit)
{
	char text[UNIT_SIZE];

	size_write(text, 8ull << 30);
	CHECK_EQ(strcmp(text, "8G"), 0);
	size_write(text, 1536);
	CHECK_EQ(strcmp(text, "1536"), 0);
	size_write(text, 0);
	CHECK_EQ(strcmp(text, "0"), 0);
	size_write(text, 5ull << 50);
	CHECK_EQ(strcmp(text, "5120T"), 0);
}

TEST(a_time_is_written_in_its_largest_exact_unit)
{
	char text[UNIT_SIZE];

	time_write(text, 90000);
	CHECK_EQ(strcmp(text, "90s"), 0);
	time_write(text, 7200000);
	CHECK_EQ(strcmp(text, "2h"), 0);
	time_write(text, 1500);
	CHECK_EQ(strcmp(text, "1500ms"), 0);
	time_write(text, 0);
	CHECK_EQ(strcmp(text, "0s"), 0);
}

TEST(a_time_needs_a_number_and_a_unit)
{
	uint64_t ms;

	CHECK_EQ(time_parse("30", 1000000, &ms), -EINVAL);
	CHECK_EQ(time_parse("s", 1000000, &ms), -EINVAL);
	CHECK_EQ(time_parse("", 1000000, &ms), -EINVAL);
	CHECK_EQ(time_parse("3 s", 1000000, &ms), -EINVAL);
	CHECK_EQ(time_parse("-3s", 1000000, &ms), -EINVAL);
	CHECK_EQ(time_parse("3s", 1000000, &ms), 0);
	CHECK_EQ(ms, 3000);
	CHECK_EQ(time_parse("2m", 1000000, &ms), 0);
	CHECK_EQ(ms, 120000);
}

TEST(a_time_above_the_most_is_out_of_range)
{
	uint64_t ms;

	CHECK_EQ(time_parse("1001ms", 1000, &ms), -ERANGE);
	CHECK_EQ(time_parse("1000ms", 1000, &ms), 0);
	CHECK_EQ(time_parse("18446744073709551616h", UINT64_MAX, &ms), -ERANGE);
	CHECK_EQ(time_parse("00000000000000000000000000001s", 1000, &ms),
		 -EINVAL);
}
