/* SPDX-License-Identifier: MIT */
#include "virtio/scsi.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "lib/fake_driver.h"
#include "lib/harness.h"
#include "virtio/segments.h"

#define RESPONSE_BYTES 108

static struct fake_driver driver;
static struct guestmem memory;
static struct virtio_scsi_shape shape;
static struct ring_segment segments[RING_CHAIN_MAX];
static struct ring_chain chain;
static struct virtio_scsi_command command;
static struct virtio_scsi_control control;

static void begin(void)
{
	fake_driver_open(&driver, 8);
	guestmem_init(&memory);
	fake_driver_map(&driver, &memory);
	chain = (struct ring_chain){ .segments = segments };
	shape = (struct virtio_scsi_shape){
		.queue_count = 2,
		.target_count = 3,
		.transfer_max = 1u << 20,
	};
	virtio_scsi_reset(&shape);
}

static void end(void)
{
	guestmem_clear(&memory);
	fake_driver_close(&driver);
}

static void *append(uint32_t bytes, bool is_writable)
{
	gpa_t gpa = fake_driver_alloc(&driver, bytes);
	uint32_t index = chain.readable_count + chain.writable_count;

	segments[index] = (struct ring_segment){ gpa, bytes };
	if (is_writable)
		chain.writable_count++;
	else
		chain.readable_count++;
	return fake_driver_at(&driver, gpa);
}

static struct virtio_scsi_cmd_req *header(void)
{
	struct virtio_scsi_cmd_req *request = append(sizeof(*request), false);

	*request = (struct virtio_scsi_cmd_req){
		.lun = { 1, 2, 0x40, 0 },
		.tag = 0x1122334455667788,
		.task_attr = VIRTIO_SCSI_S_ORDERED,
		.cdb = { 0x28, [9] = 7 },
	};
	return request;
}

static int decode(void)
{
	return virtio_scsi_decode(&shape, &memory, &chain, &command);
}

static uint32_t answer(const struct virtio_scsi_outcome *outcome,
		       uint32_t in_bytes)
{
	return virtio_scsi_answer(&shape, &memory,
				  segments + chain.readable_count,
				  chain.writable_count, in_bytes, outcome);
}

TEST(a_command_is_decoded_and_answered)
{
	const uint8_t sense[] = { 0x70, 0, 5 };
	const struct virtio_scsi_outcome outcome = {
		.status = 2,
		.sense_bytes = sizeof(sense),
		.residual = 12,
		.sense = sense,
	};
	struct virtio_scsi_cmd_resp *response;
	uint32_t target;

	begin();
	(void)header();
	response = append(RESPONSE_BYTES, true);
	(void)append(4096, true);

	CHECK_EQ(decode(), 0);
	CHECK_EQ(command.tag, 0x1122334455667788);
	CHECK_EQ(command.attribute, VIRTIO_SCSI_S_ORDERED);
	CHECK_EQ(command.cdb[0], 0x28);
	CHECK_EQ(command.cdb[9], 7);
	CHECK_EQ(command.in_bytes, 4096);
	CHECK_EQ(command.out_bytes, 0);
	CHECK_EQ(virtio_scsi_target(&shape, command.lun, &target), 0);
	CHECK_EQ(target, 2);
	CHECK_EQ(answer(&outcome, 4084), RESPONSE_BYTES + 4084);
	CHECK_EQ(response->status, 2);
	CHECK_EQ(response->response, VIRTIO_SCSI_S_OK);
	CHECK_EQ(response->resid, 12);
	CHECK_EQ(response->sense_len, 3);
	CHECK_EQ(response->sense[2], 5);
	end();
}

TEST(headers_are_found_wherever_segments_begin_and_end)
{
	uint8_t whole[51] = { 1, 1 };
	const struct virtio_scsi_outcome outcome = { .status = 8 };
	uint32_t target;

	begin();
	whole[19] = 0x2a;
	for (uint32_t i = 0; i < sizeof(whole); i++)
		*(uint8_t *)append(1, false) = whole[i];
	(void)append(512, false);
	for (uint32_t i = 0; i < RESPONSE_BYTES; i++)
		*(uint8_t *)append(1, true) = 0xee;

	CHECK_EQ(decode(), 0);
	CHECK_EQ(command.cdb[0], 0x2a);
	CHECK_EQ(command.out_bytes, 512);
	CHECK_EQ(virtio_scsi_target(&shape, command.lun, &target), 0);
	CHECK_EQ(answer(&outcome, 0), RESPONSE_BYTES);
	end();
}

TEST(a_driver_may_choose_other_sizes_until_the_next_reset)
{
	const uint32_t cdb_bytes = 16, sense_bytes = 18;

	begin();
	virtio_scsi_config_write(&shape,
				 offsetof(struct virtio_scsi_config, cdb_size),
				 (const uint8_t *)&cdb_bytes, 4);
	virtio_scsi_config_write(
		&shape, offsetof(struct virtio_scsi_config, sense_size),
		(const uint8_t *)&sense_bytes, 4);
	(void)append(19 + cdb_bytes, false);
	(void)append(100, false);
	(void)append(12 + sense_bytes, true);

	CHECK_EQ(decode(), 0);
	CHECK_EQ(command.out_bytes, 100);
	virtio_scsi_reset(&shape);
	CHECK_EQ(decode(), -EBADMSG);
	end();
}

TEST(the_commands_of_one_unit_never_fill_the_ring_of_all)
{
	CHECK_EQ(virtio_scsi_unit_depth(1), 128);
	for (uint32_t count = 1; count < VIRTIO_SCSI_RING_SIZE; count++)
		CHECK(virtio_scsi_unit_depth(count) * count <
		      VIRTIO_SCSI_RING_SIZE);
	CHECK_EQ(virtio_scsi_unit_depth(VIRTIO_SCSI_RING_SIZE), 1);
}

TEST(the_configuration_says_what_there_is)
{
	struct virtio_scsi_config config;

	begin();

	CHECK_EQ(virtio_scsi_config(&shape, (uint8_t *)&config, sizeof(config)),
		 sizeof(config));
	CHECK_EQ(config.num_queues, 2);
	CHECK_EQ(config.max_target, 2);
	CHECK_EQ(config.max_lun, 0);
	CHECK_EQ(config.max_sectors, 2048);
	CHECK_EQ(config.cmd_per_lun, 64);
	CHECK_EQ(config.cdb_size, 32);
	CHECK_EQ(config.sense_size, 96);
	CHECK((virtio_scsi_features() >> VIRTIO_F_VERSION_1 & 1) != 0);
	end();
}

TEST(task_management_is_decoded_and_answered)
{
	struct virtio_scsi_ctrl_tmf_req *request;
	uint8_t *response;

	begin();
	request = append(sizeof(*request), false);
	*request = (struct virtio_scsi_ctrl_tmf_req){
		.type = VIRTIO_SCSI_T_TMF,
		.subtype = VIRTIO_SCSI_T_TMF_ABORT_TASK,
		.lun = { 1 },
		.tag = 9,
	};
	response = append(1, true);

	CHECK_EQ(virtio_scsi_decode_control(&memory, &chain, &control), 0);
	CHECK_EQ(control.function, VIRTIO_SCSI_T_TMF_ABORT_TASK);
	CHECK_EQ(control.tag, 9);
	CHECK_EQ(virtio_scsi_answer_control(&memory,
					    segments + chain.readable_count,
					    chain.writable_count, control.type,
					    VIRTIO_SCSI_S_FUNCTION_SUCCEEDED),
		 1);
	CHECK_EQ(*response, VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
	end();
}

TEST(a_question_about_notifications_gets_none)
{
	struct virtio_scsi_ctrl_an_req *request;
	struct virtio_scsi_ctrl_an_resp *response;

	begin();
	request = append(sizeof(*request), false);
	*request = (struct virtio_scsi_ctrl_an_req){
		.type = VIRTIO_SCSI_T_AN_SUBSCRIBE,
		.event_requested = ~0u,
	};
	response = append(sizeof(*response), true);
	memset(response, 0xee, sizeof(*response));

	CHECK_EQ(virtio_scsi_decode_control(&memory, &chain, &control), 0);
	CHECK_EQ(virtio_scsi_answer_control(
			 &memory, segments + chain.readable_count,
			 chain.writable_count, control.type, VIRTIO_SCSI_S_OK),
		 sizeof(*response));
	CHECK_EQ(response->event_actual, 0);
	CHECK_EQ(response->response, VIRTIO_SCSI_S_OK);
	end();
}

TEST(a_hostile_guest_cannot_address_what_is_not_there)
{
	static const uint8_t luns[][8] = {
		{ 0, 0 },          { 1, 3 },
		{ 1, 255 },        { 1, 0, 0, 1 },
		{ 1, 0, 0x40, 1 }, { 1, 0, 0x41, 0 },
		{ 1, 0, 0x80 },    { 1, 0, 0, 0, 0, 1 },
		{ 0xc1, 1 },
	};
	uint32_t target;

	begin();

	for (size_t i = 0; i < sizeof(luns) / sizeof(luns[0]); i++)
		CHECK_EQ(virtio_scsi_target(&shape, luns[i], &target), -ENODEV);
	end();
}

TEST(a_hostile_guest_cannot_leave_too_little_room)
{
	begin();
	(void)header();
	(void)append(RESPONSE_BYTES - 1, true);

	CHECK_EQ(decode(), -EBADMSG);
	chain.writable_count = 0;
	CHECK_EQ(decode(), -EBADMSG);
	CHECK_EQ(virtio_scsi_decode_control(&memory, &chain, &control),
		 -EBADMSG);
	chain.readable_count = 0;
	CHECK_EQ(virtio_scsi_decode_control(&memory, &chain, &control),
		 -EBADMSG);
	end();
}

TEST(a_hostile_guest_cannot_send_half_a_header_nor_data_both_ways)
{
	begin();
	(void)append(50, false);
	(void)append(RESPONSE_BYTES, true);
	CHECK_EQ(decode(), -EINVAL);

	segments[0].bytes = 52;
	segments[1].bytes++;
	CHECK_EQ(decode(), -EINVAL);
	segments[1].bytes--;
	CHECK_EQ(decode(), 0);
	end();
}

TEST(a_hostile_guest_cannot_name_memory_that_it_does_not_have)
{
	begin();
	(void)header();
	(void)append(RESPONSE_BYTES, true);
	(void)append(512, true);
	segments[2].gpa = FAKE_GPA + FAKE_BYTES - 511;

	CHECK_EQ(decode(), -EINVAL);
	segments[2].gpa = UINT64_MAX - 100;
	CHECK_EQ(decode(), -EINVAL);
	end();
}

TEST(a_hostile_guest_cannot_configure_sizes_out_of_bounds)
{
	static const uint32_t values[] = { 0, 33, 253, UINT32_MAX };

	begin();

	for (uint32_t offset = 0; offset < 64; offset++)
		for (uint32_t i = 0; i < 4; i++)
			virtio_scsi_config_write(
				&shape, offset, (const uint8_t *)&values[i], 4);
	virtio_scsi_config_write(&shape, UINT32_MAX,
				 (const uint8_t *)&values[0], 4);
	CHECK_EQ(shape.cdb_bytes, 32);
	CHECK(shape.sense_bytes <= VIRTIO_SCSI_SENSE_MAX);
	CHECK_EQ(shape.target_count, 3);
	end();
}
