/* SPDX-License-Identifier: MIT */
#include "base/crc32c.h"

#include <string.h>

#include "lib/harness.h"

/* RFC 3720, B.4. */
TEST(the_sums_are_those_of_the_standard)
{
	uint8_t bytes[32] = { 0 };

	CHECK_EQ(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	CHECK_EQ(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
	for (uint8_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	CHECK_EQ(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
	CHECK_EQ(crc32c(0, "123456789", 9), 0xe3069283);
}

TEST(the_table_says_what_the_instruction_says)
{
	uint8_t bytes[259];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i <= sizeof(bytes); i++)
		CHECK_EQ(crc32c(0, bytes, i), crc32c_by_table(0, bytes, i));
}

TEST(a_sum_may_be_taken_in_parts)
{
	CHECK_EQ(crc32c(crc32c(0, "12345", 5), "6789", 4), 0xe3069283);
}
