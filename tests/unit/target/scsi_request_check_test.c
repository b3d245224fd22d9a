/* SPDX-License-Identifier: MIT */
#include "target/scsi_request_check.h"

#include <errno.h>

#include "channel/scsi_request.h"
#include "lib/harness.h"

#define ROWS 512

static const struct channel channel = {
	.shape = { .slot_count = 128,
		   .buffer_bytes = 8u << 20,
		   .generation = 5 },
};

static struct channel_request make(uint16_t op)
{
	return (struct channel_request){
		.op = op,
		.offset_bytes = scsi_place(ROWS - 1, SCSI_SENSE_SLOTS - 1, 9),
		.generation = 5,
	};
}

static struct channel_request make_transfer(uint16_t direction)
{
	struct channel_request request = make(SCSI_COMMAND);

	request.flags = direction;
	request.buffer_offset = SCSI_SENSE_AREA_BYTES;
	request.length_bytes = SCSI_TRANSFER_MAX;
	return request;
}

static int check(const struct channel_request *request)
{
	return scsi_request_check(request, &channel, ROWS);
}

TEST(an_honest_request_of_every_kind_passes)
{
	struct channel_request request;

	for (uint16_t op = SCSI_COMMAND; op <= SCSI_REPLAYED; op++) {
		request = make(op);
		CHECK_EQ(check(&request), 0);
	}
	request = make_transfer(SCSI_DATA_IN | SCSI_ORDERED);
	CHECK_EQ(check(&request), 0);
	request = make_transfer(SCSI_DATA_OUT | SCSI_HEAD_OF_QUEUE);
	CHECK_EQ(check(&request), 0);
	for (uint8_t f = 0; f < SCSI_FUNCTION_COUNT; f++) {
		request = make(SCSI_TASK_MANAGEMENT);
		request.payload[0] = f;
		CHECK_EQ(check(&request), 0);
	}
}

TEST(a_hostile_client_cannot_name_an_op_or_function_that_there_is_not)
{
	struct channel_request request = make(0);

	CHECK_EQ(check(&request), -EBADMSG);
	request = make(SCSI_REPLAYED + 1);
	CHECK_EQ(check(&request), -EBADMSG);
	request = make(SCSI_TASK_MANAGEMENT);
	request.payload[0] = SCSI_FUNCTION_COUNT;
	CHECK_EQ(check(&request), -EBADMSG);
}

TEST(a_hostile_client_cannot_name_a_row_that_there_is_not)
{
	struct channel_request request = make(SCSI_COMMAND);

	request.offset_bytes = scsi_place(ROWS, 0, 1);
	CHECK_EQ(check(&request), -EBADMSG);
	request = make(SCSI_TASK_MANAGEMENT);
	request.payload[3] = ROWS >> 8;
	CHECK_EQ(check(&request), -EBADMSG);
}

TEST(a_hostile_client_cannot_have_sense_data_written_behind_its_slots)
{
	struct channel_request request = make(SCSI_COMMAND);

	request.offset_bytes = scsi_place(0, SCSI_SENSE_SLOTS, 1);

	CHECK_EQ(check(&request), -EBADMSG);
}

TEST(a_hostile_client_cannot_use_flags_that_contradict_each_other)
{
	struct channel_request request =
		make_transfer(SCSI_DATA_IN | SCSI_DATA_OUT);

	CHECK_EQ(check(&request), -EBADMSG);
	request =
		make_transfer(SCSI_DATA_IN | SCSI_ORDERED | SCSI_HEAD_OF_QUEUE);
	CHECK_EQ(check(&request), -EBADMSG);
	request = make_transfer(SCSI_FLAGS + 1);
	CHECK_EQ(check(&request), -EBADMSG);
	request = make_transfer(0);
	CHECK_EQ(check(&request), -EBADMSG);
	request = make(SCSI_TASK_MANAGEMENT);
	request.flags = SCSI_DATA_IN;
	CHECK_EQ(check(&request), -EBADMSG);
}

TEST(a_hostile_client_cannot_reach_beyond_the_buffers_or_among_the_sense)
{
	struct channel_request request = make_transfer(SCSI_DATA_IN);

	request.length_bytes = SCSI_TRANSFER_MAX + 1;
	CHECK_EQ(check(&request), -EBADMSG);
	request = make_transfer(SCSI_DATA_IN);
	request.buffer_offset = SCSI_SENSE_AREA_BYTES - CHANNEL_BUFFER_UNIT;
	CHECK_EQ(check(&request), -EBADMSG);
	request = make_transfer(SCSI_DATA_IN);
	request.buffer_offset++;
	CHECK_EQ(check(&request), -EBADMSG);
	request = make_transfer(SCSI_DATA_IN);
	request.buffer_offset = 0xfffff000;
	CHECK_EQ(check(&request), -EBADMSG);
	request = make_transfer(SCSI_DATA_IN);
	request.buffer_offset = (8u << 20) - SCSI_TRANSFER_MAX;
	CHECK_EQ(check(&request), 0);
	request.buffer_offset += CHANNEL_BUFFER_UNIT;
	CHECK_EQ(check(&request), -EBADMSG);
}

TEST(a_hostile_client_cannot_use_a_request_of_another_generation)
{
	struct channel_request request = make(SCSI_COMMAND);

	request.generation = 4;

	CHECK_EQ(check(&request), -EBADMSG);
}

TEST(a_channel_without_room_for_sense_data_carries_no_commands)
{
	struct channel_shape shape = channel.shape;

	CHECK(scsi_channel_is_valid(&shape));
	shape.slot_count = SCSI_SENSE_SLOTS * 2;
	CHECK(!scsi_channel_is_valid(&shape));
	shape = channel.shape;
	shape.buffer_bytes = SCSI_SENSE_AREA_BYTES;
	CHECK(!scsi_channel_is_valid(&shape));
}
