/* SPDX-License-Identifier: MIT */
#include "channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "channel/layout.h"
#include "channel/scsi_request.h"
#include "lib/harness.h"
#include "lib/race.h"
#include "resealed.h"

#define SLOTS 8u

static const struct channel_shape small = {
	.kind = CHANNEL_KIND_DISK,
	.slot_count = SLOTS,
	.buffer_bytes = 16 * CHANNEL_BUFFER_UNIT,
	.generation = 3,
};

static struct channel client, server;
static struct channel_request request;
static struct channel_response response;

static void open_pair(void)
{
	SCOPED(close_fd) int memfd = NO_FD;

	CHECK_EQ(channel_create(&small, &memfd), 0);
	CHECK_EQ(
		channel_open(&client, memfd, CHANNEL_CLIENT, CHANNEL_KIND_DISK),
		0);
	CHECK_EQ(
		channel_open(&server, memfd, CHANNEL_SERVER, CHANNEL_KIND_DISK),
		0);
}

static void close_pair(void)
{
	channel_close(&client);
	channel_close(&server);
}

/* As if that many requests had passed already. */
static void start_at(uint32_t position)
{
	struct channel *ends[] = { &client, &server };

	for (int i = 0; i < 2; i++) {
		ends[i]->out.produced = ends[i]->out.published = position;
		ends[i]->in.consumed = ends[i]->in.known = position;
		*ends[i]->out.shared_index = position;
		*ends[i]->out.shared_wake_at = position - 1;
		*ends[i]->in.shared_taken = position;
	}
}

static bool send_request(uint64_t id)
{
	request = (struct channel_request){ .id = id, .op = 1 };
	CHECK_EQ(channel_send_request(&client, &request), 0);
	return channel_publish(&client);
}

static uint64_t receive_request(void)
{
	CHECK_EQ(channel_receive_request(&server, &request), 0);
	return request.id;
}

static bool send_response(uint64_t id)
{
	response = (struct channel_response){ .id = id, .status = -EIO };
	channel_send_response(&server, &response);
	return channel_publish(&server);
}

static uint64_t receive_response(void)
{
	CHECK_EQ(channel_receive_response(&client, &response), 0);
	return response.id;
}

TEST(a_request_and_its_response_arrive_as_they_were_sent)
{
	open_pair();
	request = (struct channel_request){
		.id = 0x1122334455667788,
		.offset_bytes = 1ull << 40,
		.length_bytes = 4096,
		.buffer_offset = 8192,
		.generation = 3,
		.op = 2,
		.flags = 1,
		.payload = "inline",
	};
	struct channel_request sent = request;

	CHECK_EQ(channel_send_request(&client, &request), 0);
	CHECK_EQ(channel_receive_request(&server, &request), -EAGAIN);
	(void)channel_publish(&client);
	CHECK_EQ(channel_receive_request(&server, &request), 0);
	CHECK(memcmp(&sent, &request, sizeof(sent)) == 0);
	(void)send_response(sent.id);

	CHECK_EQ(receive_response(), 0x1122334455667788);
	CHECK_EQ(response.status, -EIO);
	CHECK_EQ(channel_receive_response(&client, &response), -EAGAIN);
	close_pair();
}

TEST(a_client_has_no_more_requests_out_than_there_are_slots)
{
	open_pair();
	for (uint64_t id = 0; id < SLOTS; id++)
		(void)send_request(id);

	CHECK_EQ(channel_send_request(&client, &request), -EAGAIN);
	CHECK_EQ(receive_request(), 0);
	CHECK_EQ(channel_send_request(&client, &request), -EAGAIN);
	(void)send_response(0);
	CHECK_EQ(receive_response(), 0);
	CHECK_EQ(channel_send_request(&client, &request), 0);
	CHECK_EQ(channel_outstanding(&client), SLOTS);
	close_pair();
}

TEST(positions_wrap_at_32_bits)
{
	open_pair();
	start_at(UINT32_MAX - 2);

	for (uint64_t round = 0; round < 3 * SLOTS; round += SLOTS) {
		for (uint64_t id = 0; id < SLOTS; id++)
			(void)send_request(round + id);
		for (uint64_t id = 0; id < SLOTS; id++)
			CHECK_EQ(receive_request(), round + id);
		for (uint64_t id = 0; id < SLOTS; id++)
			(void)send_response(round + id);
		for (uint64_t id = 0; id < SLOTS; id++)
			CHECK_EQ(receive_response(), round + id);
	}
	CHECK(!client.is_broken && !server.is_broken);
	close_pair();
}

TEST(only_a_sleeping_end_is_woken_and_only_once)
{
	open_pair();
	start_at(UINT32_MAX);

	CHECK(!send_request(1));
	CHECK_EQ(receive_request(), 1);
	CHECK(channel_prepare_sleep(&server, 1));
	CHECK(send_request(2));
	CHECK(!send_request(3));
	close_pair();
}

static bool is_asleep, is_signalled;

static void publish_request(void)
{
	is_signalled = channel_publish(&client);
}

static void go_to_sleep(void)
{
	is_asleep = channel_prepare_sleep(&server, 1);
}

static void check_that_none_sleeps_on(void)
{
	CHECK(is_signalled || !is_asleep);
	CHECK_EQ(receive_request(), 1);
	(void)send_response(1);
	CHECK_EQ(receive_response(), 1);
	CHECK_EQ(channel_send_request(&client, &request), 0);
}

TEST(a_server_that_goes_to_sleep_while_a_request_comes_is_woken_or_sees_it)
{
	static const struct race race = { publish_request, go_to_sleep,
					  check_that_none_sleeps_on };

	open_pair();
	start_at(0);
	request = (struct channel_request){ .id = 1, .op = 1 };
	CHECK_EQ(channel_send_request(&client, &request), 0);

	race_run(&race);

	close_pair();
}

TEST(an_end_with_something_to_receive_does_not_sleep)
{
	open_pair();
	start_at(0);

	(void)send_request(1);

	CHECK(channel_has_waiting(&server));
	CHECK(!channel_prepare_sleep(&server, 1));
	close_pair();
}

TEST(completions_can_be_batched_by_threshold)
{
	open_pair();
	start_at(UINT32_MAX - 1);
	for (uint64_t id = 0; id < 4; id++)
		(void)send_request(id);
	for (uint64_t id = 0; id < 4; id++)
		(void)receive_request();

	CHECK(channel_prepare_sleep(&client, 3));
	CHECK(!send_response(0));
	CHECK(!send_response(1));
	CHECK(channel_prepare_sleep(&client, 3));
	CHECK(send_response(2));
	CHECK(!channel_prepare_sleep(&client, 3));
	close_pair();
}

TEST(a_client_is_woken_with_its_last_response_at_the_latest)
{
	open_pair();
	start_at(0);
	(void)send_request(1);
	(void)receive_request();

	CHECK(channel_prepare_sleep(&client, 16));
	CHECK(send_response(1));
	close_pair();
}

TEST(a_beat_is_seen_by_the_peer)
{
	uint64_t before;

	open_pair();
	before = channel_peer_beats(&client);

	channel_beat(&server);

	CHECK_EQ(channel_peer_beats(&client), before + 1);
	CHECK_EQ(channel_peer_beats(&server), 0);
	close_pair();
}

TEST(what_the_server_has_taken_is_known_to_the_client)
{
	uint32_t first;

	open_pair();
	start_at(UINT32_MAX);
	first = channel_next_position(&client);
	(void)send_request(1);
	(void)send_request(2);
	CHECK(!channel_peer_has_taken(&client, first));
	CHECK_EQ(receive_request(), 1);

	CHECK(channel_peer_has_taken(&client, first));
	CHECK(!channel_peer_has_taken(&client, first + 1));
	close_pair();
}

TEST(the_cpu_of_the_other_end_is_known_once_it_tells)
{
	open_pair();
	CHECK_EQ(channel_peer_cpu(&server), -1);

	channel_publish_cpu(&client);

	CHECK(channel_peer_cpu(&server) >= 0);
	CHECK_EQ(channel_peer_cpu(&client), -1);
	close_pair();
}

TEST(a_shape_that_cannot_be_is_refused)
{
	struct channel_shape shapes[] = { small, small, small, small, small };
	int memfd;

	shapes[0].slot_count = 0;
	shapes[1].slot_count = 3;
	shapes[2].slot_count = CHANNEL_SLOTS_MAX * 2;
	shapes[3].buffer_bytes = CHANNEL_BUFFER_UNIT + 1;
	shapes[4].kind = 99;

	for (int i = 0; i < 5; i++)
		CHECK_EQ(channel_create(&shapes[i], &memfd), -EINVAL);
}

TEST(a_scsi_channel_has_a_sense_slot_for_each_request_and_room_for_data)
{
	struct channel_shape shape = {
		.kind = CHANNEL_KIND_SCSI,
		.slot_count = SCSI_SENSE_SLOTS,
		.buffer_bytes = SCSI_SENSE_AREA_BYTES + CHANNEL_BUFFER_UNIT,
	};
	SCOPED(close_fd) int memfd = NO_FD;
	int other;

	CHECK_EQ(channel_create(&shape, &memfd), 0);
	shape.buffer_bytes = SCSI_SENSE_AREA_BYTES;
	CHECK_EQ(channel_create(&shape, &other), -EINVAL);
	shape.buffer_bytes = 2 * SCSI_SENSE_AREA_BYTES;
	shape.slot_count = 2 * SCSI_SENSE_SLOTS;
	CHECK_EQ(channel_create(&shape, &other), -EINVAL);
}

TEST(a_hostile_client_cannot_pass_sense_slots_as_a_buffer)
{
	const struct channel scsi = { .shape = {
					      .kind = CHANNEL_KIND_SCSI,
					      .buffer_bytes =
						      2 * SCSI_SENSE_AREA_BYTES,
				      } };

	CHECK(channel_has_buffer(&scsi, SCSI_SENSE_AREA_BYTES,
				 SCSI_SENSE_AREA_BYTES));
	CHECK(!channel_has_buffer(&scsi, 0, CHANNEL_BUFFER_UNIT));
	CHECK(!channel_has_buffer(&scsi, SCSI_SENSE_AREA_BYTES - 4096, 8192));
}

TEST(place_and_outcome_of_a_scsi_request_keep_their_parts)
{
	uint64_t place = scsi_place(0xfffe, 0xfd, 0x80000001);
	int32_t outcome = scsi_outcome(0xff, SCSI_ABORTED, SCSI_SENSE_MAX);

	CHECK_EQ(scsi_place_row(place), 0xfffe);
	CHECK_EQ(scsi_place_sense_slot(place), 0xfd);
	CHECK_EQ(scsi_place_sequence(place), 0x80000001);
	CHECK_EQ(scsi_outcome_status(outcome), 0xff);
	CHECK_EQ(scsi_outcome_flags(outcome), SCSI_ABORTED);
	CHECK_EQ(scsi_outcome_sense_bytes(outcome), SCSI_SENSE_MAX);
	CHECK(scsi_outcome(0xff, 0xff, 0xff) > 0);
}

TEST(a_buffer_range_does_not_wrap)
{
	open_pair();

	CHECK(channel_has_buffer(&client, 0, small.buffer_bytes));
	CHECK(channel_has_buffer(&client, small.buffer_bytes, 0));
	CHECK(!channel_has_buffer(&client, 1, small.buffer_bytes));
	CHECK(!channel_has_buffer(&client, UINT32_MAX, 2));
	CHECK(!channel_has_buffer(&client, 4096, UINT32_MAX - 4095));
	close_pair();
}

/* The peer scribbles over the header before we open. */
static int open_after(void (*scribble)(struct layout *layout))
{
	SCOPED(close_fd) int memfd = NO_FD;
	struct channel channel;
	struct layout *layout;

	CHECK_EQ(channel_create(&small, &memfd), 0);
	layout = mmap(NULL, sizeof(*layout), PROT_READ | PROT_WRITE, MAP_SHARED,
		      memfd, 0);
	CHECK(layout != MAP_FAILED);
	scribble(layout);
	(void)munmap(layout, sizeof(*layout));
	return channel_open(&channel, memfd, CHANNEL_SERVER, CHANNEL_KIND_DISK);
}

static void claim_more_buffers(struct layout *layout)
{
	layout->buffer_bytes *= 2;
}

static void claim_more_slots(struct layout *layout)
{
	layout->slot_count = 1024;
}

static void claim_odd_slots(struct layout *layout)
{
	layout->slot_count = 7;
}

static void claim_another_version(struct layout *layout)
{
	layout->version++;
}

static void claim_another_kind(struct layout *layout)
{
	layout->kind = CHANNEL_KIND_SCSI;
}

TEST(a_hostile_peer_cannot_lie_about_the_shape)
{
	CHECK_EQ(open_after(claim_more_buffers), -EBADMSG);
	CHECK_EQ(open_after(claim_more_slots), -EBADMSG);
	CHECK_EQ(open_after(claim_odd_slots), -EBADMSG);
	CHECK_EQ(open_after(claim_another_version), -EBADMSG);
	CHECK_EQ(open_after(claim_another_kind), -EBADMSG);
}

TEST(a_hostile_peer_cannot_change_the_shape_of_an_open_channel)
{
	struct layout *layout;

	open_pair();
	layout = client.map;

	layout->slot_count = 1u << 30;
	layout->buffer_bytes = UINT32_MAX & ~4095u;
	layout->generation = 99;

	CHECK_EQ(server.shape.slot_count, SLOTS);
	CHECK(!channel_has_buffer(&server, small.buffer_bytes, 4096));
	CHECK_EQ(server.shape.generation, 3);
	close_pair();
}

static int open_without_seal(int left_out)
{
	SCOPED(close_fd) int memfd = NO_FD;
	struct channel channel = { 0 };
	int result;

	CHECK_EQ(channel_create(&small, &memfd), 0);
	memfd = resealed_without(memfd, left_out);
	result = channel_open(&channel, memfd, CHANNEL_SERVER,
			      CHANNEL_KIND_DISK);
	if (result == 0)
		channel_close(&channel);
	return result;
}

TEST(a_hostile_peer_cannot_pass_memory_that_it_could_cut_short)
{
	CHECK_EQ(open_without_seal(-1), 0);
	for (int i = 0; i < SEAL_COUNT; i++)
		CHECK_EQ(open_without_seal(i), -EBADMSG);
}

TEST(a_hostile_client_cannot_claim_more_requests_than_slots)
{
	open_pair();

	*client.out.shared_index = SLOTS + 1;

	CHECK_EQ(channel_receive_request(&server, &request), -EBADMSG);
	CHECK(server.is_broken);
	close_pair();
}

TEST(a_hostile_client_cannot_go_backwards)
{
	open_pair();
	(void)send_request(1);
	CHECK_EQ(receive_request(), 1);

	*client.out.shared_index = 0;

	CHECK_EQ(channel_receive_request(&server, &request), -EBADMSG);
	close_pair();
}

TEST(a_hostile_client_cannot_have_more_outstanding_than_slots)
{
	open_pair();
	for (uint64_t id = 0; id < SLOTS; id++) {
		(void)send_request(id);
		(void)receive_request();
	}

	*client.out.shared_index = SLOTS + 1;

	CHECK_EQ(channel_receive_request(&server, &request), -EBADMSG);
	close_pair();
}

TEST(a_hostile_server_cannot_answer_what_was_not_asked)
{
	open_pair();
	(void)send_request(1);

	*server.out.shared_index = 2;

	CHECK_EQ(channel_receive_response(&client, &response), -EBADMSG);
	close_pair();
}

TEST(a_hostile_peer_cannot_mend_a_channel_it_broke)
{
	open_pair();
	*client.out.shared_index = 1000;
	CHECK_EQ(channel_receive_request(&server, &request), -EBADMSG);

	*client.out.shared_index = 1;

	CHECK_EQ(channel_receive_request(&server, &request), -EBADMSG);
	CHECK(!channel_prepare_sleep(&server, 1));
	close_pair();
}

TEST(a_hostile_peer_cannot_change_a_request_after_it_was_taken)
{
	open_pair();
	(void)send_request(1);
	CHECK_EQ(receive_request(), 1);

	memset(client.requests, 0xff, SLOTS * sizeof(request));

	CHECK_EQ(request.id, 1);
	close_pair();
}

TEST(a_hostile_peer_cannot_do_worse_than_wake_us_by_its_wake_index)
{
	open_pair();

	for (uint32_t step = 0; step < 5; step++) {
		*client.out.shared_wake_at = step * 0x3fffffffu;
		(void)send_request(step);
	}

	for (uint64_t id = 0; id < 5; id++)
		CHECK_EQ(receive_request(), id);
	close_pair();
}
