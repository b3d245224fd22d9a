/* SPDX-License-Identifier: MIT */
#include "target/request.h"

#include <errno.h>

#include "lib/harness.h"

#define DISK_BYTES (1ull << 30)

static const struct channel channel = {
	.shape = { .buffer_bytes = 8u << 20, .generation = 5 },
};
static const struct disk_limits limits = {
	.size_bytes = DISK_BYTES,
	.block_bytes = 4096,
};
static const struct disk_limits read_only = {
	.size_bytes = DISK_BYTES,
	.block_bytes = 4096,
	.is_read_only = true,
};

static struct channel_request make(uint16_t op)
{
	return (struct channel_request){
		.op = op,
		.length_bytes = op == DISK_FLUSH ? 0 : 8192,
		.generation = 5,
	};
}

static int check(const struct channel_request *request)
{
	return request_check(request, &channel, &limits);
}

TEST(an_honest_request_of_every_kind_passes)
{
	for (uint16_t op = DISK_READ; op <= DISK_WRITE_ZEROES; op++) {
		struct channel_request request = make(op);

		CHECK_EQ(check(&request), 0);
	}
}

TEST(the_last_block_is_on_the_disk_and_the_next_is_not)
{
	struct channel_request request = make(DISK_WRITE);

	request.length_bytes = 4096;
	request.offset_bytes = DISK_BYTES - 4096;
	CHECK_EQ(check(&request), 0);
	request.length_bytes = 8192;
	CHECK_EQ(check(&request), -EINVAL);
	request.offset_bytes = DISK_BYTES;
	CHECK_EQ(check(&request), -EINVAL);
}

TEST(what_is_no_whole_block_is_refused)
{
	struct channel_request request = make(DISK_READ);

	request.offset_bytes = 512;
	CHECK_EQ(check(&request), -EINVAL);
	request.offset_bytes = 0;
	request.length_bytes = 4608;
	CHECK_EQ(check(&request), -EINVAL);
	request.length_bytes = 0;
	CHECK_EQ(check(&request), -EINVAL);
}

TEST(a_flush_of_a_range_is_refused)
{
	struct channel_request request = make(DISK_FLUSH);

	request.length_bytes = 4096;
	CHECK_EQ(check(&request), -EINVAL);
}

TEST(a_read_only_disk_is_read_and_flushed_and_nothing_else)
{
	for (uint16_t op = DISK_READ; op <= DISK_WRITE_ZEROES; op++) {
		struct channel_request request = make(op);
		bool is_harmless = op == DISK_READ || op == DISK_FLUSH;

		CHECK_EQ(request_check(&request, &channel, &read_only),
			 is_harmless ? 0 : -EROFS);
	}
}

TEST(a_discard_may_be_longer_than_a_transfer)
{
	struct channel_request request = make(DISK_DISCARD);

	request.length_bytes = 512u << 20;

	CHECK_EQ(check(&request), 0);
}

TEST(a_hostile_client_cannot_wrap_offset_and_length)
{
	struct channel_request request = make(DISK_DISCARD);

	request.offset_bytes = UINT64_MAX - 4095;
	request.length_bytes = 8192;
	CHECK_EQ(check(&request), -EINVAL);
	request.length_bytes = UINT32_MAX - 4095;
	CHECK_EQ(check(&request), -EINVAL);
}

TEST(a_hostile_client_cannot_reach_beyond_the_buffers)
{
	struct channel_request request = make(DISK_READ);

	request.buffer_offset = (8u << 20) - 4096;
	CHECK_EQ(check(&request), -EBADMSG);
	request.buffer_offset = UINT32_MAX - 4095;
	CHECK_EQ(check(&request), -EBADMSG);
	request.buffer_offset = 512;
	CHECK_EQ(check(&request), -EBADMSG);
	request.buffer_offset = 0;
	request.length_bytes = DISK_TRANSFER_MAX + 4096;
	CHECK_EQ(check(&request), -EBADMSG);
}

TEST(a_hostile_client_cannot_invent_operations_or_flags)
{
	struct channel_request request = make(0);

	CHECK_EQ(check(&request), -EBADMSG);
	request.op = DISK_WRITE_ZEROES + 1;
	CHECK_EQ(check(&request), -EBADMSG);
	request.op = UINT16_MAX;
	CHECK_EQ(check(&request), -EBADMSG);
	request = make(DISK_READ);
	request.flags = DISK_FLAG_DURABLE;
	CHECK_EQ(check(&request), -EBADMSG);
	request = make(DISK_WRITE);
	request.flags = DISK_FLAG_UNMAP;
	CHECK_EQ(check(&request), -EBADMSG);
}

TEST(a_hostile_client_cannot_use_a_request_of_another_generation)
{
	struct channel_request request = make(DISK_READ);

	request.generation = 4;

	CHECK_EQ(check(&request), -EBADMSG);
}
