/* SPDX-License-Identifier: MIT */
#include "net/switch/share.h"

#include "lib/harness.h"

static struct share share;

TEST(whoever_had_most_is_ahead)
{
	share = (struct share){ 0 };
	share_count(&share, 1, 3000);
	share_count(&share, 2, 1500);
	share_count(&share, 3, 0);

	CHECK(share_is_ahead(&share, 1));
	CHECK(!share_is_ahead(&share, 2));
	CHECK(!share_is_ahead(&share, 3));
}

TEST(whoever_is_alone_leaves_room_for_the_next_one)
{
	share = (struct share){ 0 };
	share_count(&share, 1, 64);

	CHECK(share_is_ahead(&share, 1));
	CHECK(!share_is_ahead(&share, 2));
}

TEST(equal_senders_are_not_ahead)
{
	share = (struct share){ 0 };
	for (uint16_t i = 0; i < FDB_PORT_COUNT; i++)
		share_count(&share, i, 1000);

	for (uint16_t i = 0; i < FDB_PORT_COUNT; i++)
		CHECK(!share_is_ahead(&share, i));
}

TEST(the_past_is_forgotten)
{
	share = (struct share){ 0 };
	share_count(&share, 1, SHARE_WINDOW_BYTES - 1);
	for (int i = 0; i < 40; i++)
		share_count(&share, 2, SHARE_WINDOW_BYTES / 2);

	CHECK_EQ(share.recent[1], 0);
	CHECK_EQ(share.active, 1);
	CHECK_EQ(share.total, share.recent[2]);
}

TEST(our_own_frames_are_nobodys)
{
	share = (struct share){ 0 };
	share_count(&share, FDB_PORT_COUNT, 1000);

	CHECK_EQ(share.total, 0);
	CHECK(!share_is_ahead(&share, FDB_PORT_COUNT));
}
