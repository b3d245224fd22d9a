/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"

TEST(a_name_is_short_and_plain)
{
	CHECK(text_is_name("web1", NAME_SIZE));
	CHECK(text_is_name("0.a_b-c", NAME_SIZE));
	CHECK(!text_is_name("", NAME_SIZE));
	CHECK(!text_is_name("-a", NAME_SIZE));
	CHECK(!text_is_name("a/b", NAME_SIZE));
	CHECK(!text_is_name("A", NAME_SIZE));
	CHECK(!text_is_name("a23456789012345678901234567890123",
			    NAME_SIZE + 8));
}

TEST(a_hostile_peer_cannot_send_an_unterminated_name)
{
	char raw[NAME_SIZE];

	memset(raw, 'a', sizeof(raw));
	CHECK(!text_is_terminated(raw, sizeof(raw)));
	CHECK(!text_is_name(raw, sizeof(raw)));
}

TEST(a_copy_fits_or_changes_nothing)
{
	char room[4] = "xyz";

	CHECK_EQ(text_copy(room, sizeof(room), "abcd"), -ENAMETOOLONG);
	CHECK_EQ(strcmp(room, "xyz"), 0);
	CHECK_EQ(text_copy(room, sizeof(room), "a"), 0);
	CHECK_EQ(memcmp(room, "a\0\0", sizeof(room)), 0);
}

TEST(a_size_takes_one_suffix)
{
	uint64_t bytes = 0;

	CHECK_EQ(text_parse_size("512M", UINT64_MAX, &bytes), 0);
	CHECK_EQ(bytes, 512ull << 20);
	CHECK_EQ(text_parse_size("7", UINT64_MAX, &bytes), 0);
	CHECK_EQ(bytes, 7);
	CHECK_EQ(text_parse_size("3KiB", UINT64_MAX, &bytes), 0);
	CHECK_EQ(bytes, 3072);
	CHECK_EQ(text_parse_size("1MB", UINT64_MAX, &bytes), -EINVAL);
	CHECK_EQ(text_parse_size("1iB", UINT64_MAX, &bytes), -EINVAL);
	CHECK_EQ(text_parse_size("KiB", UINT64_MAX, &bytes), -EINVAL);
	CHECK_EQ(text_parse_size("1KiBiB", UINT64_MAX, &bytes), -EINVAL);
	CHECK_EQ(text_parse_size("", UINT64_MAX, &bytes), -EINVAL);
	CHECK_EQ(text_parse_size("-1", UINT64_MAX, &bytes), -EINVAL);
	CHECK_EQ(text_parse_size("99999999T", UINT64_MAX, &bytes), -ERANGE);
	CHECK_EQ(text_parse_size("2G", 1ull << 30, &bytes), -ERANGE);
}

TEST(foreign_text_is_escaped_and_cut)
{
	char out[12];

	text_escape(out, sizeof(out), "a\x1b\"", 3);
	CHECK_EQ(strcmp(out, "a\\x1b\\x22"), 0);
	text_escape(out, 4, "\x1b\x1b", 2);
	CHECK_EQ(strcmp(out, ""), 0);
}
