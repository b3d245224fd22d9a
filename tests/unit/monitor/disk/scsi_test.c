/* SPDX-License-Identifier: MIT */
/* Two units behind one virtio-scsi device, turn by turn. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "channel/scsi_request.h"
#include "lib/fake_driver.h"
#include "lib/harness.h"
#include "monitor/disk/disk.h"
#include "scsi/sense.h"

#define UNITS     2
#define RING_SIZE 64
#define BLOCK     512
#define PIECES    REQUEST_SEGMENTS

enum { READ_10 = 0x28, WRITE_10 = 0x2a, RESERVE_OUT = 0x5f, READY = 0x00 };

struct command {
	uint16_t head;
	uint32_t bytes;
	uint8_t *data;
	struct virtio_scsi_cmd_resp *response;
};

static struct fake_driver driver;  /* of the request queue */
static struct fake_driver control; /* of the control queue, same memory */
static struct front front;
static struct disk disks[UNITS];
static struct channel services[UNITS];
static struct notices notices;
static struct virtio_queue_place places[3];
static uint64_t generation, witness_asked;

static void ask_witness(void *context, uint32_t disk_index, uint64_t asked)
{
	witness_asked = asked;
}

static void lay_control_ring(void)
{
	gpa_t descriptors, available, used;

	control = driver;
	descriptors = fake_driver_alloc(&driver, 16ull * RING_SIZE);
	available = fake_driver_alloc(&driver, 6 + 2ull * RING_SIZE);
	used = fake_driver_alloc(&driver, 6 + 8ull * RING_SIZE);
	control.descriptors = fake_driver_at(&driver, descriptors);
	control.available = fake_driver_at(&driver, available);
	control.used = fake_driver_at(&driver, used);
	control.addresses = (struct ring_addresses){
		descriptors - FAKE_GPA + FAKE_USER,
		available - FAKE_GPA + FAKE_USER,
		used - FAKE_GPA + FAKE_USER,
	};
}

static void start_queue(uint32_t index, const struct fake_driver *ring)
{
	places[index] = (struct virtio_queue_place){
		.size = RING_SIZE,
		.descriptors = ring->addresses.descriptors,
		.available = ring->addresses.available,
		.used = ring->addresses.used,
		.kick_fd = NO_FD,
		.call_fd = NO_FD,
	};
	CHECK_EQ(scsi_device_ops.queue_start(&front, index, &places[index]), 0);
}

static void make_front(enum outage_policy outage)
{
	const struct disk_ops ops = { &notices, ask_witness, NULL };

	CHECK_EQ(front_init_scsi(&front, 1), 0);
	for (uint32_t i = 0; i < UNITS; i++) {
		const struct monitor_disk settings = {
			.attachment_id = i + 1,
			.size_bytes = 1 << 20,
			.index = i,
			.target = i,
			.logical_block_bytes = BLOCK,
			.physical_block_bytes = BLOCK,
			.outage = outage,
			.outage_ms = 100,
			.hang_ms = 1000,
			.queue_count = 1,
			.bus = DISK_BUS_SCSI,
		};

		CHECK_EQ(disk_init(&disks[i], &settings, &ops), 0);
		front_add_unit(&front, &disks[i]);
	}
	fake_driver_map(&driver, &front.memory);
}

static void start_as(enum outage_policy outage)
{
	CHECK_EQ(notices_open(&notices), 0);
	fake_driver_open(&driver, RING_SIZE);
	lay_control_ring();
	make_front(outage);
	CHECK_EQ(scsi_device_ops.set_features(&front, 0), 0);
	start_queue(SCSI_CONTROL_QUEUE, &control);
	start_queue(SCSI_REQUEST_QUEUE, &driver);
}

static void start(void)
{
	start_as(OUTAGE_HOLD);
}

static void release_front(void)
{
	(void)scsi_device_ops.queue_stop(&front, SCSI_CONTROL_QUEUE);
	(void)scsi_device_ops.queue_stop(&front, SCSI_REQUEST_QUEUE);
	guestmem_clear(&front.memory);
	front_release(&front);
	for (uint32_t i = 0; i < UNITS; i++)
		disk_release(&disks[i]);
}

static void stop(void)
{
	release_front();
	for (uint32_t i = 0; i < UNITS; i++)
		channel_close(&services[i]);
	fake_driver_close(&driver);
	notices_close(&notices);
}

static void turn(void)
{
	while (front_turn(&front))
		;
	(void)front_prepare_sleep(&front);
}

static void come_up_as(uint32_t unit, bool is_alone)
{
	const struct channel_shape shape = {
		.kind = CHANNEL_KIND_SCSI,
		.slot_count = 16,
		.buffer_bytes = 2u << 20,
		.generation = (uint32_t)++generation,
	};
	int fds[3] = { NO_FD, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		       eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	struct lane lane;

	channel_close(&services[unit]);
	CHECK_EQ(channel_create(&shape, &fds[0]), 0);
	CHECK_EQ(channel_open(&services[unit], fds[0], CHANNEL_SERVER,
			      CHANNEL_KIND_SCSI),
		 0);
	CHECK_EQ(lane_open(&lane, CHANNEL_KIND_SCSI, generation, fds), 0);
	disk_up(&disks[unit], &lane, is_alone);
	turn();
}

static bool take(uint32_t unit, struct channel_request *request)
{
	return channel_receive_request(&services[unit], request) == 0;
}

static void respond(uint32_t unit, const struct channel_request *request,
		    int32_t status, uint32_t bytes)
{
	const struct channel_response response = { request->id, status, bytes };

	channel_send_response(&services[unit], &response);
	(void)channel_publish(&services[unit]);
	turn();
}

/* What an instance does first: all of the old life has been sent again. */
static void come_up(uint32_t unit)
{
	struct channel_request request;

	come_up_as(unit, false);
	if (!take(unit, &request))
		return;
	CHECK_EQ(request.op, SCSI_REPLAYED);
	respond(unit, &request, 0, 0);
}

static void crash(uint32_t unit)
{
	disk_down(&disks[unit], DISK_DOWN_CRASHED);
	turn();
}

static struct command offer(uint8_t target, uint8_t code, uint32_t bytes,
			    uint64_t tag)
{
	bool is_write = code == WRITE_10 || code == RESERVE_OUT;
	struct virtio_scsi_cmd_req header = {
		.lun = { 1, target },
		.tag = tag,
		.cdb = { code, [8] = (uint8_t)(bytes / BLOCK) },
	};
	struct command command = { .bytes = bytes };
	gpa_t header_gpa = fake_driver_alloc(&driver, sizeof(header));
	gpa_t response_gpa =
		fake_driver_alloc(&driver, sizeof(struct virtio_scsi_cmd_resp));
	gpa_t data_gpa = fake_driver_alloc(&driver, bytes + 1);
	struct fake_buffer buffers[3] = {
		{ header_gpa, sizeof(header), false },
		{ response_gpa, sizeof(struct virtio_scsi_cmd_resp), true },
		{ data_gpa, bytes, true },
	};

	if (is_write) {
		buffers[2] = buffers[1];
		buffers[1] = (struct fake_buffer){ data_gpa, bytes, false };
	}
	command.data = fake_driver_at(&driver, data_gpa);
	memset(command.data, 0x55, bytes);
	command.response = fake_driver_at(&driver, response_gpa);
	memset(command.response, 0xee, sizeof(*command.response));
	memcpy(fake_driver_at(&driver, header_gpa), &header, sizeof(header));
	command.head = fake_driver_chain(&driver, buffers, bytes > 0 ? 3 : 2);
	fake_driver_offer(&driver, command.head);
	turn();
	return command;
}

/* A write of a block in more pieces than a request has room for. */
static struct command offer_in_pieces(uint8_t block, uint64_t tag)
{
	const struct virtio_scsi_cmd_req header = {
		.lun = { 1, 0 },
		.tag = tag,
		.cdb = { WRITE_10, [5] = block, [8] = 1 },
	};
	gpa_t header_gpa = fake_driver_alloc(&driver, sizeof(header));
	gpa_t data_gpa = fake_driver_alloc(&driver, BLOCK);
	gpa_t response_gpa =
		fake_driver_alloc(&driver, sizeof(struct virtio_scsi_cmd_resp));
	struct fake_buffer buffers[PIECES + 2] = {
		{ header_gpa, sizeof(header), false },
	};
	struct command command = { .bytes = BLOCK };

	memcpy(fake_driver_at(&driver, header_gpa), &header, sizeof(header));
	for (uint32_t i = 0; i < PIECES; i++)
		buffers[1 + i] =
			(struct fake_buffer){ data_gpa + i * BLOCK / PIECES,
					      BLOCK / PIECES, false };
	buffers[PIECES + 1] = (struct fake_buffer){
		response_gpa, sizeof(struct virtio_scsi_cmd_resp), true
	};
	command.response = fake_driver_at(&driver, response_gpa);
	memset(command.response, 0xee, sizeof(*command.response));
	command.head = fake_driver_chain(&driver, buffers, PIECES + 2);
	fake_driver_offer(&driver, command.head);
	turn();
	return command;
}

static uint8_t *manage(uint8_t target, uint32_t function, uint64_t tag)
{
	const struct virtio_scsi_ctrl_tmf_req request = {
		.type = VIRTIO_SCSI_T_TMF,
		.subtype = function,
		.lun = { 1, target },
		.tag = tag,
	};
	gpa_t request_gpa = fake_driver_alloc(&driver, sizeof(request));
	gpa_t response_gpa = fake_driver_alloc(&driver, 1);
	const struct fake_buffer buffers[] = {
		{ request_gpa, sizeof(request), false },
		{ response_gpa, 1, true },
	};
	uint8_t *response = fake_driver_at(&driver, response_gpa);

	*response = 0xee;
	memcpy(fake_driver_at(&driver, request_gpa), &request, sizeof(request));
	fake_driver_offer(&control, fake_driver_chain(&control, buffers, 2));
	turn();
	return response;
}

static bool is_told(const struct command *command)
{
	return command->response->response != 0xee;
}

static void save(struct state_writer *writer)
{
	state_writer_init(writer);
	front_freeze(&front);
	front_state_save(&front, writer);
	CHECK_EQ(state_writer_result(writer), 0);
}

/* Another monitor goes on with the same guest. */
static void restore(const struct state_writer *writer)
{
	struct state_reader reader;

	release_front();
	make_front(OUTAGE_HOLD);
	state_reader_init(&reader, writer->bytes, writer->used);
	front_state_restore(&front, &reader);
	CHECK_EQ(state_reader_result(&reader), 0);
	start_queue(SCSI_CONTROL_QUEUE, &control);
	start_queue(SCSI_REQUEST_QUEUE, &driver);
	front_thaw(&front);
	turn();
}

/* Commands. ------------------------------------------------------------------ */

TEST(a_command_reaches_the_unit_of_its_target_and_the_guest_its_outcome)
{
	struct channel_request request, other;
	struct command command;
	uint8_t *sense;

	start();
	come_up(0);
	come_up(1);
	command = offer(1, READ_10, 2 * BLOCK, 7);

	CHECK(!take(0, &other));
	CHECK(take(1, &request));
	CHECK_EQ(request.op, SCSI_COMMAND);
	CHECK_EQ(request.flags, SCSI_DATA_IN);
	CHECK_EQ(request.length_bytes, 2 * BLOCK);
	CHECK_EQ(request.payload[0], READ_10);
	CHECK_EQ(scsi_place_row(request.offset_bytes),
		 SCSI_QUEUE_ROWS + command.head);
	CHECK(request.buffer_offset >= SCSI_SENSE_AREA_BYTES);
	memset(services[1].buffers + request.buffer_offset, 0x77, 2 * BLOCK);
	sense = services[1].buffers +
		scsi_place_sense_slot(request.offset_bytes) *
			SCSI_SENSE_SLOT_BYTES;
	sense[2] = SCSI_MEDIUM_ERROR;
	respond(1, &request, scsi_outcome(SCSI_CHECK_CONDITION, 0, 18), BLOCK);

	CHECK_EQ(command.response->response, VIRTIO_SCSI_S_OK);
	CHECK_EQ(command.response->status, SCSI_CHECK_CONDITION);
	CHECK_EQ(command.response->sense_len, 18);
	CHECK_EQ(command.response->sense[2], SCSI_MEDIUM_ERROR);
	CHECK_EQ(command.response->resid, BLOCK);
	CHECK_EQ(command.data[BLOCK - 1], 0x77);
	CHECK_EQ(command.data[BLOCK], 0x55);
	stop();
}

TEST(what_a_guest_writes_is_in_the_buffer_of_its_command)
{
	struct channel_request request;
	struct command command;

	start();
	come_up(0);
	command = offer(0, WRITE_10, BLOCK, 7);

	CHECK(take(0, &request));
	CHECK_EQ(request.flags, SCSI_DATA_OUT);
	CHECK_EQ(services[0].buffers[request.buffer_offset], 0x55);
	CHECK_EQ(services[0].buffers[request.buffer_offset + BLOCK - 1], 0x55);
	respond(0, &request, 0, BLOCK);
	CHECK_EQ(command.response->status, SCSI_GOOD);
	CHECK_EQ(command.response->resid, 0);
	stop();
}

TEST(a_unit_without_a_service_holds_up_no_other)
{
	struct channel_request request;
	struct command held[RING_SIZE / 4], served;

	start();
	come_up(1);

	for (uint64_t i = 0; i < RING_SIZE / 4; i++)
		held[i] = offer(0, READ_10, BLOCK, i);
	served = offer(1, READY, 0, 99);
	CHECK(take(1, &request));
	respond(1, &request, 0, 0);

	CHECK(is_told(&served));
	CHECK(!is_told(&held[0]));
	stop();
}

TEST(an_address_without_a_unit_is_a_bad_target)
{
	struct command command;

	start();

	command = offer(UNITS, READY, 0, 1);

	CHECK_EQ(command.response->response, VIRTIO_SCSI_S_BAD_TARGET);
	CHECK_EQ(*manage(UNITS, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0),
		 VIRTIO_SCSI_S_BAD_TARGET);
	stop();
}

TEST(a_hostile_guest_cannot_transfer_more_than_a_channel_carries)
{
	struct command command;

	start();
	come_up(0);

	command = offer(0, READ_10, SCSI_TRANSFER_MAX + BLOCK, 1);

	CHECK_EQ(command.response->status, SCSI_CHECK_CONDITION);
	CHECK_EQ(command.response->sense[2], SCSI_ILLEGAL_REQUEST);
	CHECK_EQ(disks[0].request_count, 0);
	stop();
}

TEST(a_hostile_guest_cannot_have_rings_longer_than_there_are_rows)
{
	struct virtio_queue_place place;

	start();
	place = places[SCSI_REQUEST_QUEUE];
	(void)scsi_device_ops.queue_stop(&front, SCSI_REQUEST_QUEUE);
	place.size = 2 * SCSI_QUEUE_ROWS;

	CHECK_EQ(
		scsi_device_ops.queue_start(&front, SCSI_REQUEST_QUEUE, &place),
		-EINVAL);
	stop();
}

/* Replays. ------------------------------------------------------------------- */

TEST(what_was_begun_is_sent_again_as_it_was_and_then_the_end_of_it)
{
	struct channel_request first[2], again[3];
	struct command commands[2];

	start();
	come_up(0);
	commands[0] = offer(0, RESERVE_OUT, 24, 1);
	commands[1] = offer(0, READ_10, BLOCK, 2);
	CHECK(take(0, &first[0]) && take(0, &first[1]));

	crash(0);
	come_up_as(0, false);
	for (int i = 0; i < 3; i++)
		CHECK(take(0, &again[i]));

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(scsi_place_row(again[i].offset_bytes),
			 scsi_place_row(first[i].offset_bytes));
		CHECK_EQ(scsi_place_sequence(again[i].offset_bytes),
			 scsi_place_sequence(first[i].offset_bytes));
		CHECK_EQ(memcmp(again[i].payload, first[i].payload,
				sizeof(first[i].payload)),
			 0);
	}
	CHECK_EQ(again[2].op, SCSI_REPLAYED);
	respond(0, &again[2], 0, 0);
	respond(0, &again[1], 0, BLOCK);
	respond(0, &again[0], 0, 24);
	CHECK(is_told(&commands[0]) && is_told(&commands[1]));
	stop();
}

static void reset_guest(void)
{
	(void)scsi_device_ops.queue_stop(&front, SCSI_REQUEST_QUEUE);
	(void)scsi_device_ops.queue_stop(&front, SCSI_CONTROL_QUEUE);
	scsi_device_ops.reset(&front);
	fake_driver_reset(&driver);
	lay_control_ring();
	start_queue(SCSI_CONTROL_QUEUE, &control);
	start_queue(SCSI_REQUEST_QUEUE, &driver);
}

TEST(a_row_that_is_used_again_has_a_greater_sequence_after_a_reset_too)
{
	struct channel_request request;
	uint32_t sequence[3];

	start();
	come_up(0);

	for (int i = 0; i < 3; i++) {
		driver.next_descriptor = 0;
		(void)offer(0, READY, 0, 1);
		CHECK(take(0, &request));
		CHECK_EQ(scsi_place_row(request.offset_bytes), SCSI_QUEUE_ROWS);
		sequence[i] = scsi_place_sequence(request.offset_bytes);
		respond(0, &request, 0, 0);
		if (i == 1)
			reset_guest();
	}

	CHECK_EQ(sequence[1], sequence[0] + 1);
	CHECK_EQ(sequence[2], sequence[1] + 1);
	stop();
}

/* The row's record says that it has begun: another would break the channel. */
TEST(a_row_whose_command_was_given_up_is_settled_before_its_next_command)
{
	struct channel_request begun, first, second;
	struct command command;

	start();
	come_up(0);
	(void)offer(0, RESERVE_OUT, 24, 1);
	CHECK(take(0, &begun));
	crash(0);
	reset_guest();
	command = offer(0, RESERVE_OUT, 24, 1);

	come_up_as(0, false);

	CHECK(take(0, &first));
	CHECK_EQ(first.op, SCSI_REPLAYED);
	CHECK(!take(0, &second));
	respond(0, &first, 0, 0);
	CHECK(take(0, &second));
	CHECK_EQ(scsi_place_row(second.offset_bytes),
		 scsi_place_row(begun.offset_bytes));
	respond(0, &second, 0, 24);
	CHECK(is_told(&command));
	stop();
}

TEST(overlapping_changes_are_never_with_the_service_together)
{
	struct channel_request first, second;

	start();
	come_up(0);
	(void)offer(0, WRITE_10, BLOCK, 1);
	(void)offer(0, WRITE_10, BLOCK, 2);

	CHECK(take(0, &first));
	CHECK(!take(0, &second));
	respond(0, &first, 0, BLOCK);
	CHECK(take(0, &second));
	stop();
}

TEST(a_command_that_kills_each_service_fails_alone_in_the_end)
{
	struct channel_request request;
	struct command poison;

	start();
	come_up(0);
	poison = offer(0, READ_10, BLOCK, 1);
	for (int i = 0; i < 3; i++) {
		CHECK(take(0, &request));
		crash(0);
		come_up_as(0, i == 2);
	}
	CHECK(take(0, &request));
	crash(0);

	CHECK_EQ(poison.response->status, SCSI_CHECK_CONDITION);
	CHECK_EQ(poison.response->sense[2], SCSI_HARDWARE_ERROR);
	CHECK_EQ(poison.response->sense[12], 0x44);
	stop();
}

TEST(an_outage_beyond_its_bound_fails_commands_as_a_lost_path)
{
	struct command command;
	uint8_t *query;

	start_as(OUTAGE_FAIL);
	come_up(0);
	crash(0);
	command = offer(0, READY, 0, 1);
	query = manage(0, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET, 0);
	CHECK(!is_told(&command));

	front_run_timers(&front, clock_now_ns() + 200 * NS_PER_MS);

	CHECK_EQ(command.response->response, VIRTIO_SCSI_S_TRANSPORT_FAILURE);
	CHECK_EQ(*query, VIRTIO_SCSI_S_TRANSPORT_FAILURE);
	stop();
}

/* Stable storage, space. ------------------------------------------------------ */

TEST(an_answer_that_promises_stable_storage_waits_for_the_witness)
{
	struct channel_request request;
	struct command command;

	start();
	come_up(0);
	command = offer(0, WRITE_10, BLOCK, 1);
	CHECK(take(0, &request));
	respond(0, &request, scsi_outcome(SCSI_GOOD, SCSI_STORED, 0), BLOCK);
	CHECK(!is_told(&command));

	disk_witnessed(&disks[0], witness_asked, 0);

	CHECK_EQ(command.response->status, SCSI_GOOD);
	stop();
}

TEST(an_error_of_the_witness_is_a_write_error)
{
	struct channel_request request;
	struct command command;

	start();
	come_up(0);
	command = offer(0, WRITE_10, BLOCK, 1);
	CHECK(take(0, &request));
	respond(0, &request, scsi_outcome(SCSI_GOOD, SCSI_STORED, 0), BLOCK);

	disk_witnessed(&disks[0], witness_asked, -EIO);

	CHECK_EQ(command.response->status, SCSI_CHECK_CONDITION);
	CHECK_EQ(command.response->sense[2], SCSI_MEDIUM_ERROR);
	CHECK_EQ(command.response->sense[12], 0x0c);
	stop();
}

TEST(a_full_host_disk_holds_a_command_in_its_row)
{
	struct channel_request first, again;
	struct command command;

	start();
	come_up(0);
	command = offer(0, WRITE_10, BLOCK, 1);
	CHECK(take(0, &first));
	respond(0, &first, -ENOSPC, 0);
	CHECK(!is_told(&command));

	front_run_timers(&front, clock_now_ns() + 600 * NS_PER_MS);
	turn();

	CHECK(take(0, &again));
	CHECK_EQ(scsi_place_sequence(again.offset_bytes),
		 scsi_place_sequence(first.offset_bytes));
	respond(0, &again, 0, BLOCK);
	CHECK_EQ(command.response->status, SCSI_GOOD);
	stop();
}

/* Task management. ------------------------------------------------------------- */

TEST(task_management_names_the_row_of_its_task)
{
	struct channel_request task, abort;
	struct command command;
	uint8_t *response;

	start();
	come_up(0);
	command = offer(0, READ_10, BLOCK, 77);
	CHECK(take(0, &task));
	response = manage(0, VIRTIO_SCSI_T_TMF_ABORT_TASK, 77);

	CHECK(take(0, &abort));
	CHECK_EQ(abort.op, SCSI_TASK_MANAGEMENT);
	CHECK_EQ(abort.payload[0], SCSI_ABORT_TASK);
	CHECK_EQ(abort.payload[2] | abort.payload[3] << 8,
		 scsi_place_row(task.offset_bytes));
	respond(0, &task, scsi_outcome(0, SCSI_ABORTED, 0), 0);
	respond(0, &abort, scsi_outcome(SCSI_FUNCTION_COMPLETE, 0, 0), 0);
	CHECK_EQ(command.response->response, VIRTIO_SCSI_S_ABORTED);
	CHECK_EQ(*response, SCSI_FUNCTION_COMPLETE);
	stop();
}

TEST(task_management_is_held_in_an_outage_and_follows_what_it_is_about)
{
	struct channel_request request, task;
	struct command command;
	uint8_t *response;

	start();
	come_up(0);
	command = offer(0, WRITE_10, BLOCK, 1);
	CHECK(take(0, &request));
	crash(0);
	response = manage(0, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0);
	CHECK_EQ(*response, 0xee);
	CHECK(!is_told(&command));

	come_up_as(0, false);

	CHECK(take(0, &task));
	CHECK_EQ(task.op, SCSI_COMMAND);
	CHECK(take(0, &request));
	CHECK_EQ(request.op, SCSI_REPLAYED);
	respond(0, &request, 0, 0);
	CHECK(take(0, &request));
	CHECK_EQ(request.op, SCSI_TASK_MANAGEMENT);
	respond(0, &task, scsi_outcome(0, SCSI_RESET, 0), 0);
	respond(0, &request, 0, 0);
	CHECK_EQ(command.response->response, VIRTIO_SCSI_S_RESET);
	CHECK_EQ(*response, SCSI_FUNCTION_COMPLETE);
	stop();
}

TEST(a_hostile_guest_cannot_keep_its_task_management_out_with_long_chains)
{
	struct command waiting;
	uint32_t room;

	start();
	room = front.free_spill_count;
	front.free_spill_count = 0;
	waiting = offer(0, READ_10, BLOCK, 1);
	CHECK_EQ(disks[0].request_count, 0);
	CHECK(front_prepare_sleep(&front));

	CHECK_EQ(*manage(0, VIRTIO_SCSI_T_TMF_ABORT_TASK, 1),
		 SCSI_FUNCTION_COMPLETE);
	(void)manage(0, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0);
	CHECK_EQ(disks[0].request_count, 1);

	front.free_spill_count = room;
	turn();
	CHECK_EQ(disks[0].request_count, 2);
	CHECK(!is_told(&waiting));
	stop();
}

TEST(a_command_that_no_service_had_is_aborted_at_once)
{
	struct command command, other;

	start();
	command = offer(0, READ_10, BLOCK, 1);
	other = offer(0, READ_10, BLOCK, 2);

	CHECK_EQ(*manage(0, VIRTIO_SCSI_T_TMF_ABORT_TASK, 1),
		 SCSI_FUNCTION_COMPLETE);

	CHECK_EQ(command.response->response, VIRTIO_SCSI_S_ABORTED);
	CHECK(!is_told(&other));
	CHECK_EQ(*manage(0, VIRTIO_SCSI_T_TMF_QUERY_TASK, 1),
		 SCSI_FUNCTION_COMPLETE);
	stop();
}

TEST(an_abort_ends_a_command_that_waits_for_space)
{
	struct channel_request task, again, abort;
	struct command command;
	uint8_t *response;

	start();
	come_up(0);
	command = offer(0, WRITE_10, BLOCK, 1);
	CHECK(take(0, &task));
	respond(0, &task, -ENOSPC, 0);

	response = manage(0, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 0);

	CHECK(take(0, &again));
	CHECK(take(0, &abort));
	respond(0, &again, -ENOSPC, 0);
	respond(0, &abort, 0, 0);
	CHECK_EQ(command.response->response, VIRTIO_SCSI_S_ABORTED);
	CHECK_EQ(*response, SCSI_FUNCTION_COMPLETE);
	stop();
}

TEST(a_hostile_guest_cannot_ask_for_a_function_that_there_is_not)
{
	start();

	CHECK_EQ(*manage(0, SCSI_FUNCTION_COUNT, 0),
		 VIRTIO_SCSI_S_FUNCTION_REJECTED);
	CHECK_EQ(*manage(0, UINT32_MAX, 0), VIRTIO_SCSI_S_FUNCTION_REJECTED);
	stop();
}

/* A hostile service. ----------------------------------------------------------- */

static void expect_broken(int32_t status, uint32_t bytes)
{
	struct channel_request request;
	struct command command;

	start();
	come_up(0);
	command = offer(0, READ_10, BLOCK, 1);
	CHECK(take(0, &request));

	respond(0, &request, status, bytes);

	CHECK(!disks[0].lane.is_open);
	CHECK(!is_told(&command));
	stop();
}

TEST(a_hostile_service_cannot_answer_with_what_is_no_outcome)
{
	expect_broken(scsi_outcome(2, 0, SCSI_SENSE_MAX + 1), 0);
	expect_broken(scsi_outcome(2, 8, 0), 0);
	expect_broken(1 << 24, 0);
	expect_broken(0, BLOCK + 1);
}

/* Saved partitions. -------------------------------------------------------------- */

TEST(a_saved_unit_goes_on_with_its_rows_and_outcomes)
{
	struct channel_request done, waiting, again;
	struct state_writer writer;
	struct command commands[2];

	start();
	come_up(0);
	commands[0] = offer(0, READY, 0, 1);
	commands[1] = offer(0, WRITE_10, BLOCK, 2);
	CHECK(take(0, &done) && take(0, &waiting));
	front_freeze(&front);
	respond(0, &done, scsi_outcome(SCSI_RESERVATION_CONFLICT, 0, 0), 0);
	CHECK(!is_told(&commands[0]));

	save(&writer);
	restore(&writer);
	come_up(0);

	CHECK_EQ(commands[0].response->status, SCSI_RESERVATION_CONFLICT);
	CHECK(take(0, &again));
	CHECK_EQ(scsi_place_sequence(again.offset_bytes),
		 scsi_place_sequence(waiting.offset_bytes));
	respond(0, &again, 0, BLOCK);
	CHECK_EQ(commands[1].response->status, SCSI_GOOD);
	state_writer_release(&writer);
	stop();
}

TEST(outcomes_kept_for_long_chains_reach_each_its_own_command)
{
	static const uint8_t status[] = { SCSI_RESERVATION_CONFLICT,
					  SCSI_TASK_ABORTED };
	struct channel_request requests[2];
	struct state_writer writer;
	struct command commands[2];

	start();
	come_up(0);
	for (uint8_t i = 0; i < 2; i++) {
		commands[i] = offer_in_pieces(i, i);
		CHECK(take(0, &requests[i]));
	}
	front_freeze(&front);
	for (uint8_t i = 0; i < 2; i++)
		respond(0, &requests[i], scsi_outcome(status[i], 0, 0), 0);
	save(&writer);
	restore(&writer);

	for (uint8_t i = 0; i < 2; i++) {
		CHECK(is_told(&commands[i]));
		CHECK_EQ(commands[i].response->status, status[i]);
	}
	CHECK_EQ(front.free_spill_count, front.spill_count);
	state_writer_release(&writer);
	stop();
}

TEST(an_outcome_without_data_is_kept_while_frozen)
{
	struct channel_request request;
	struct command command;

	start();
	come_up(0);
	command = offer(0, READ_10, BLOCK, 1);
	CHECK(take(0, &request));
	front_freeze(&front);

	respond(0, &request, scsi_outcome(SCSI_RESERVATION_CONFLICT, 0, 0), 0);

	CHECK_EQ(disks[0].request_count, 0);
	front_thaw(&front);
	CHECK_EQ(command.response->status, SCSI_RESERVATION_CONFLICT);
	stop();
}

TEST(a_save_waits_for_what_must_not_be_executed_again)
{
	struct channel_request request;

	start();
	come_up(0);
	(void)offer(0, RESERVE_OUT, 24, 1);

	CHECK(!front_may_be_saved(&front));
	CHECK(take(0, &request));
	respond(0, &request, 0, 24);
	CHECK(front_may_be_saved(&front));
	stop();
}

TEST(a_save_waits_for_a_write_to_a_shared_unit)
{
	struct channel_request request;

	start();
	come_up(0);
	(void)offer(0, WRITE_10, BLOCK, 1);
	CHECK(front_may_be_saved(&front));
	disks[0].settings.is_shared = true;

	CHECK(!front_may_be_saved(&front));

	CHECK(take(0, &request));
	respond(0, &request, 0, BLOCK);
	CHECK(front_may_be_saved(&front));
	stop();
}
