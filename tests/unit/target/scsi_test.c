/* SPDX-License-Identifier: MIT */
/*
 * SCSI channels of one service, in this process, over a provider that keeps its
 * bytes in memory, fails when it is told to, and lets a request wait in the
 * "kernel" until it is told to go on.
 */
#include "target/scsi.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "channel/scsi_request.h"
#include "lib/harness.h"

#define DISK_BYTES (1u << 20)
#define BLOCK      512u
#define ROWS       512u
#define DATA       (SCSI_SENSE_AREA_BYTES)

/* The provider. ------------------------------------------------------------ */

static uint8_t disk[DISK_BYTES];
static int fail_with; /* what every change fails with */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static bool is_gated; /* requests wait for the gate, on a worker */
static int write_count;

static int fake_open(int *fd, struct provider **ret_provider);

static void fake_close(struct provider *provider)
{
	(void)provider;
}

static int fake_do(struct job *job)
{
	if (job->op == DISK_READ) {
		memcpy(job->buffer, disk + job->offset_bytes,
		       job->length_bytes);
		return 0;
	}
	if (fail_with)
		return fail_with;
	write_count++;
	if (job->op == DISK_WRITE)
		memcpy(disk + job->offset_bytes, job->buffer,
		       job->length_bytes);
	else
		memset(disk + job->offset_bytes, 0, job->length_bytes);
	return 0;
}

static int fake_try_now(struct job *job)
{
	return is_gated ? -EAGAIN : fake_do(job);
}

static int fake_run(struct job *job)
{
	int r;

	(void)pthread_mutex_lock(&gate);
	r = fake_do(job);
	(void)pthread_mutex_unlock(&gate);
	return r;
}

static const struct provider_ops fake_ops = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.try_now = fake_try_now,
	.run = fake_run,
};

static int fake_open(int *fd, struct provider **ret_provider)
{
	static struct provider provider = { .ops = &fake_ops,
					    .direct_fd = NO_FD };

	close_fd(fd);
	*ret_provider = &provider;
	return 0;
}

static void hold_kernel(void)
{
	(void)pthread_mutex_lock(&gate);
	is_gated = true;
}

static void let_go(void)
{
	is_gated = false;
	(void)pthread_mutex_unlock(&gate);
}

/* The service and its clients. --------------------------------------------- */

struct peer {
	struct channel channel;
	struct client *client;
	int memfd, kick, call;
	uint64_t next_id;
};

static struct service service;
static struct peer one, two;
static int ledger_fd;
static bool is_shared = true;
static uint64_t life = 1; /* of the initiators */
static struct channel_response response;

static void start(void)
{
	service = (struct service){ .provider_ops = &fake_ops };
	service.child.link.fd = NO_FD;
	CHECK_EQ(service_init(&service), 0);
}

static void make_ledger(void)
{
	ledger_fd = memfd_create("ledger", MFD_CLOEXEC);
	CHECK_EQ(ftruncate(ledger_fd, SCSI_LEDGER_BYTES), 0);
}

static int try_attach(struct peer *peer, uint8_t port)
{
	struct disk_attach attach = {
		.attachment = { .id = port, .generation = 1 },
		.size_bytes = DISK_BYTES,
		.logical_block_bytes = BLOCK,
		.physical_block_bytes = 4096,
		.kind = CHANNEL_KIND_SCSI,
		.volume_id = 9,
		.row_count = ROWS,
		.initiator_port = { port },
		.initiator_life = life,
		.is_shared = is_shared,
		.unit_uuid = { 1 },
		.serial = "S1",
	};
	const struct channel_shape shape = { .kind = CHANNEL_KIND_SCSI,
					     .slot_count = 64,
					     .buffer_bytes = 1u << 20,
					     .generation = 1 };
	int fds[ATTACH_FD_COUNT];

	*peer = (struct peer){ .kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			       .call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	CHECK_EQ(channel_create(&shape, &peer->memfd), 0);
	CHECK_EQ(channel_open(&peer->channel, peer->memfd, CHANNEL_CLIENT,
			      CHANNEL_KIND_SCSI),
		 0);
	fds[ATTACH_FILE] = dup(peer->kick);
	fds[ATTACH_MEMORY] = dup(peer->memfd);
	fds[ATTACH_KICK] = dup(peer->kick);
	fds[ATTACH_CALL] = dup(peer->call);
	fds[ATTACH_LEDGER] = ledger_fd;
	return client_new(&service, &attach, fds, &peer->client);
}

static void attach(struct peer *peer, uint8_t port)
{
	CHECK_EQ(try_attach(peer, port), 0);
	service.clients[service.client_count++] = peer->client;
}

static void close_peer(struct peer *peer)
{
	channel_close(&peer->channel);
	close_fd(&peer->memfd);
	close_fd(&peer->kick);
	close_fd(&peer->call);
}

/* The service dies here: nothing of it is left but the ledger's memory. What
 * its clients held in this process is given back without a word to anybody. */
static void die(void)
{
	while (service.client_count) {
		struct client *client = service.clients[--service.client_count];

		/* Nothing is written on the way: the ledger is not touched by
		 * who only forgets. */
		client_free(&service, client);
	}
	close_fd(&service.done_fd);
	close_peer(&one);
	if (two.client)
		close_peer(&two);
	two.client = NULL;
}

static void stop(void)
{
	die();
	close_fd(&ledger_fd);
}

/* One volume, empty, with one client that has been told of power on. */
static void forget_attention(struct peer *peer);

static void start_with_one(void)
{
	make_ledger();
	start();
	attach(&one, 1);
	forget_attention(&one);
}

static void start_with_two(void)
{
	start_with_one();
	attach(&two, 2);
	forget_attention(&two);
}

static struct channel_request make(const uint8_t *cdb, size_t cdb_bytes,
				   uint16_t row, uint32_t sequence)
{
	struct channel_request request = {
		.op = SCSI_COMMAND,
		.offset_bytes =
			scsi_place(row, row % SCSI_SENSE_SLOTS, sequence),
		.generation = 1,
	};

	memcpy(request.payload, cdb, cdb_bytes);
	return request;
}

static void send(struct peer *peer, const struct channel_request *request)
{
	struct channel_request numbered = *request;

	numbered.id = ++peer->next_id;
	CHECK_EQ(channel_send_request(&peer->channel, &numbered), 0);
	(void)channel_publish(&peer->channel);
}

static bool receive_now(struct peer *peer)
{
	return channel_receive_response(&peer->channel, &response) == 0;
}

/* Turns until the service has answered. */
static void receive(struct peer *peer)
{
	while (!receive_now(peer))
		if (!service_turn(&service))
			(void)poll(NULL, 0, 1);
}

/* Whoever left something has had his time to come back. */
static void let_time_pass(void)
{
	struct share_range *range = service.volumes->share.first;

	service.volumes->expire_at_ns = 0;
	for (; range; range = range->next)
		hold_of(range)->settle_at_ns = 0;
}

static void turn_until_idle(void)
{
	while (service_turn(&service))
		;
}

static int status_of(struct peer *peer, const struct channel_request *request)
{
	send(peer, request);
	receive(peer);
	return response.status < 0 ? response.status
				   : scsi_outcome_status(response.status);
}

static const uint8_t *sense_of(struct peer *peer, uint16_t row)
{
	return peer->channel.buffers +
	       (row % SCSI_SENSE_SLOTS) * SCSI_SENSE_SLOT_BYTES;
}

static struct channel_request make_write(uint32_t block, uint8_t value,
					 struct peer *peer, uint16_t row,
					 uint32_t sequence)
{
	const uint8_t cdb[10] = {
		0x2a, 0, 0, 0, (uint8_t)(block >> 8), (uint8_t)block, 0, 0, 1
	};
	struct channel_request request = make(cdb, sizeof(cdb), row, sequence);

	request.flags = SCSI_DATA_OUT;
	request.length_bytes = BLOCK;
	request.buffer_offset = DATA + row * 4096u;
	memset(peer->channel.buffers + request.buffer_offset, value, BLOCK);
	return request;
}

static struct channel_request make_read(uint32_t block, uint16_t row,
					uint32_t sequence)
{
	const uint8_t cdb[10] = {
		0x28, 0, 0, 0, (uint8_t)(block >> 8), (uint8_t)block, 0, 0, 1
	};
	struct channel_request request = make(cdb, sizeof(cdb), row, sequence);

	request.flags = SCSI_DATA_IN;
	request.length_bytes = BLOCK;
	request.buffer_offset = DATA + row * 4096u;
	return request;
}

/* COMPARE AND WRITE of a block: `from` becomes `to`. */
static struct channel_request make_compare(uint32_t block, uint8_t from,
					   uint8_t to, struct peer *peer,
					   uint16_t row, uint32_t sequence)
{
	const uint8_t cdb[16] = {
		0x89,           0, 0, 0, 0, 0, 0, 0, (uint8_t)(block >> 8),
		(uint8_t)block, 0, 0, 0, 1
	};
	struct channel_request request = make(cdb, sizeof(cdb), row, sequence);
	uint8_t *data = peer->channel.buffers + DATA + row * 4096u;

	request.flags = SCSI_DATA_OUT;
	request.length_bytes = 2 * BLOCK;
	request.buffer_offset = DATA + row * 4096u;
	memset(data, from, BLOCK);
	memset(data + BLOCK, to, BLOCK);
	return request;
}

static struct channel_request make_manage(uint8_t function, uint16_t managed,
					  uint16_t row, uint32_t sequence)
{
	const uint8_t payload[4] = { function, 0, (uint8_t)managed,
				     (uint8_t)(managed >> 8) };
	struct channel_request request =
		make(payload, sizeof(payload), row, sequence);

	request.op = SCSI_TASK_MANAGEMENT;
	return request;
}

static const uint8_t test_ready[6] = { 0 };

static struct channel_request make_replayed(void)
{
	struct channel_request request = make(test_ready, 6, 0, 0);

	request.op = SCSI_REPLAYED;
	return request;
}

static void forget_attention(struct peer *peer)
{
	struct channel_request request = make(test_ready, 6, 100, 1);

	CHECK_EQ(status_of(peer, &request), SCSI_CHECK_CONDITION);
}

/* Tests. ------------------------------------------------------------------- */

TEST(what_was_written_is_read_back)
{
	struct channel_request request;

	start_with_one();
	request = make_write(7, 0x5a, &one, 0, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	CHECK_EQ(response.bytes, BLOCK);
	CHECK_EQ(disk[7 * BLOCK], 0x5a);

	request = make_read(7, 1, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);

	CHECK_EQ(response.bytes, BLOCK);
	CHECK_EQ(one.channel.buffers[DATA + 4096], 0x5a);
	stop();
}

TEST(a_run_of_zeroes_is_written_in_one_step)
{
	const uint8_t cdb[10] = { 0x41, [5] = 3, [8] = 4 };
	struct channel_request request;
	int before;

	start_with_one();
	memset(disk, 0x5a, sizeof(disk));
	request = make_write(0, 0, &one, 0, 1);
	memcpy(request.payload, cdb, sizeof(cdb));
	before = write_count;

	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);

	CHECK_EQ(write_count, before + 1);
	CHECK_EQ(disk[3 * BLOCK - 1], 0x5a);
	CHECK_EQ(disk[3 * BLOCK], 0);
	CHECK_EQ(disk[7 * BLOCK - 1], 0);
	CHECK_EQ(disk[7 * BLOCK], 0x5a);
	stop();
}

TEST(a_device_that_fails_is_told_in_sense_data)
{
	struct channel_request request;

	start_with_one();
	request = make_write(3, 1, &one, 0, 1);
	fail_with = -EIO;

	CHECK_EQ(status_of(&one, &request), SCSI_CHECK_CONDITION);

	CHECK_EQ(sense_of(&one, 0)[2] & 0xf, SCSI_MEDIUM_ERROR);
	stop();
}

TEST(a_hostile_peer_cannot_reuse_a_row_whose_command_is_in_flight)
{
	struct channel_request request;

	start_with_two();
	hold_kernel();
	request = make_write(1, 1, &one, 0, 1);
	send(&one, &request);
	turn_until_idle();
	request = make_write(2, 1, &one, 0, 2);
	send(&one, &request);
	turn_until_idle();
	let_go();
	while (service.client_count == 2)
		(void)service_turn(&service);

	request = make_read(0, 0, 1);
	CHECK_EQ(status_of(&two, &request), SCSI_GOOD);
	CHECK_EQ(disk[2 * BLOCK], 0);
	stop();
}

TEST(a_hostile_peer_cannot_use_a_row_that_it_has_not)
{
	struct channel_request request;

	start_with_two();
	request = make_read(0, ROWS, 1);
	send(&one, &request);
	turn_until_idle();

	CHECK_EQ(service.client_count, 1);
	request = make_read(0, 0, 1);
	CHECK_EQ(status_of(&two, &request), SCSI_GOOD);
	stop();
}

TEST(a_hostile_peer_cannot_abort_a_task_of_another)
{
	struct channel_request request;

	start_with_two();
	hold_kernel();
	request = make_write(1, 1, &one, 0, 1);
	send(&one, &request);
	turn_until_idle();
	request = make_manage(SCSI_ABORT_TASK, 0, 1, 1);
	CHECK_EQ(status_of(&two, &request), SCSI_FUNCTION_COMPLETE);
	CHECK(!receive_now(&one));
	let_go();

	receive(&one);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	stop();
}

TEST(an_ordered_command_waits_for_older_ones_and_younger_ones_for_it)
{
	struct channel_request request;

	start_with_one();
	hold_kernel();
	request = make_write(1, 1, &one, 0, 1);
	send(&one, &request);
	request = make(test_ready, 6, 1, 1);
	request.flags = SCSI_ORDERED;
	send(&one, &request);
	request = make(test_ready, 6, 2, 1);
	send(&one, &request);
	turn_until_idle();
	CHECK(!receive_now(&one));
	request = make(test_ready, 6, 3, 1);
	request.flags = SCSI_HEAD_OF_QUEUE;
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	let_go();

	for (uint64_t i = 0; i < 3; i++) {
		uint64_t first = one.next_id - 3;

		receive(&one);
		CHECK_EQ(response.id, first + i);
	}
	stop();
}

TEST(a_damaged_ledger_is_never_taken_for_an_empty_one)
{
	struct channel_request request = make(test_ready, 6, 3, 2);
	uint8_t byte = 0xff;

	start_with_one();
	die();
	for (off_t at = 0; at < 4096; at += 64)
		CHECK_EQ(pwrite(ledger_fd, &byte, 1, at), 1);
	start();
	attach(&one, 1);

	CHECK_EQ(status_of(&one, &request), SCSI_CHECK_CONDITION);

	CHECK_EQ(sense_of(&one, 3)[12], 0x04);
	CHECK_EQ(sense_of(&one, 3)[13], 0x03);
	stop();
}

TEST(two_clients_cannot_have_one_port)
{
	start_with_one();

	CHECK_EQ(try_attach(&two, 1), -EBUSY);

	close_peer(&two);
	two.client = NULL;
	stop();
}

TEST(a_change_without_room_is_kept_and_comes_again)
{
	struct channel_request request;

	start_with_one();
	request = make_compare(3, 0, 1, &one, 0, 1);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	fail_with = 0;

	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);

	CHECK_EQ(disk[3 * BLOCK], 1);
	stop();
}

TEST(a_first_command_is_told_that_the_unit_was_powered_on_and_where)
{
	struct channel_request request = make(test_ready, 6, 5, 1);

	make_ledger();
	start();
	attach(&one, 1);

	CHECK_EQ(status_of(&one, &request), SCSI_CHECK_CONDITION);

	CHECK(scsi_outcome_sense_bytes(response.status) >= 14);
	CHECK_EQ(sense_of(&one, 5)[12], 0x29);
	request = make(test_ready, 6, 5, 2);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	stop();
}

TEST(a_hostile_peer_cannot_put_another_command_for_one_that_has_begun)
{
	struct channel_request request;

	start_with_two();
	request = make_compare(3, 0, 1, &one, 0, 7);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	fail_with = 0;
	request = make_write(3, 2, &one, 0, 7);
	send(&one, &request);
	turn_until_idle();

	CHECK_EQ(service.client_count, 1);
	CHECK_EQ(disk[3 * BLOCK], 0);
	stop();
}

TEST(of_two_clients_that_change_the_same_block_one_waits_for_the_other)
{
	struct channel_request request;

	start_with_two();
	hold_kernel();
	request = make_compare(3, 0, 1, &one, 0, 1);
	send(&one, &request);
	turn_until_idle();
	request = make_compare(3, 1, 2, &two, 0, 1);
	send(&two, &request);
	turn_until_idle();
	let_go();

	receive(&one);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	receive(&two);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(an_ended_command_that_comes_again_is_answered_and_not_executed)
{
	struct channel_request request;
	int writes;

	start_with_one();
	request = make_compare(3, 0, 1, &one, 0, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	writes = write_count;
	die();
	start();
	attach(&one, 1);

	request = make_compare(3, 0, 1, &one, 0, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);

	CHECK_EQ(write_count, writes);
	stop();
}

/* A command of client one that was begun and has moved when the service dies,
 * and a change of the same block by client two in the next life. */
static void die_in_the_middle(void)
{
	struct channel_request request;

	start_with_two();
	request = make_compare(3, 0, 1, &one, 0, 1);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	fail_with = 0;
	die();
	start();
	attach(&one, 1);
	attach(&two, 2);
	request = make_compare(3, 1, 2, &two, 0, 1);
	send(&two, &request);
	turn_until_idle();
	CHECK(!receive_now(&two));
}

TEST(after_a_death_others_wait_for_what_had_begun_until_it_comes_again)
{
	struct channel_request request;

	die_in_the_middle();

	request = make_compare(3, 0, 1, &one, 0, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	receive(&two);

	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(after_a_death_what_overlaps_nothing_that_had_begun_does_not_wait)
{
	struct channel_request request;

	die_in_the_middle();

	request = make_compare(4, 0, 1, &two, 1, 1);
	CHECK_EQ(status_of(&two, &request), SCSI_GOOD);

	stop();
}

TEST(after_a_death_what_had_moved_and_nobody_replays_is_completed)
{
	struct channel_request request;

	die_in_the_middle();

	request = make_replayed();
	CHECK_EQ(status_of(&one, &request), 0);
	receive(&two);

	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(a_client_that_does_not_come_back_holds_others_up_for_a_time_only)
{
	die_in_the_middle();

	let_time_pass();
	receive(&two);

	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(a_task_that_waits_is_aborted_at_once)
{
	struct channel_request request;

	start_with_two();
	hold_kernel();
	request = make_compare(3, 0, 1, &one, 0, 1);
	send(&one, &request);
	turn_until_idle();
	request = make_compare(3, 1, 2, &two, 0, 1);
	send(&two, &request);
	turn_until_idle();
	request = make_manage(SCSI_ABORT_TASK, 0, 1, 1);
	send(&two, &request);

	receive(&two);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_TASK_ABORTED);
	CHECK_EQ(scsi_outcome_flags(response.status), SCSI_ABORTED);
	receive(&two);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_FUNCTION_COMPLETE);
	let_go();
	receive(&one);
	CHECK_EQ(disk[3 * BLOCK], 1);
	stop();
}

TEST(a_reset_is_answered_when_every_task_has_left_the_kernel)
{
	struct channel_request request;

	start_with_two();
	hold_kernel();
	request = make_write(1, 1, &one, 0, 1);
	send(&one, &request);
	turn_until_idle();
	request = make_manage(SCSI_LOGICAL_UNIT_RESET, 0, 1, 1);
	send(&two, &request);
	turn_until_idle();
	CHECK(!receive_now(&two));
	request = make(test_ready, 6, 3, 1);
	send(&one, &request);
	turn_until_idle();
	CHECK(!receive_now(&one));
	let_go();

	receive(&two);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_FUNCTION_COMPLETE);
	receive(&one);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	receive(&one);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_CHECK_CONDITION);
	CHECK_EQ(sense_of(&one, 3)[13], 0x03);
	stop();
}

TEST(a_reset_that_comes_again_resets_once)
{
	struct channel_request request;

	start_with_one();
	request = make_manage(SCSI_LOGICAL_UNIT_RESET, 0, 1, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_FUNCTION_COMPLETE);
	request = make(test_ready, 6, 3, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_CHECK_CONDITION);
	die();
	start();
	attach(&one, 1);

	request = make_manage(SCSI_LOGICAL_UNIT_RESET, 0, 1, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_FUNCTION_COMPLETE);

	request = make(test_ready, 6, 3, 2);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	stop();
}

TEST(an_initiator_that_begins_anew_is_not_bound_to_its_old_rows)
{
	struct channel_request request;

	start_with_one();
	request = make_compare(3, 0, 1, &one, 0, 7);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	die();
	start();
	life++;
	attach(&one, 1);

	request = make(test_ready, 6, 0, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_CHECK_CONDITION);
	CHECK_EQ(sense_of(&one, 0)[12], 0x29);
	CHECK_EQ(sense_of(&one, 0)[13], 0x07);
	request = make_compare(3, 1, 2, &one, 0, 2);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	stop();
}

TEST(what_a_dead_initiator_had_moved_is_completed_before_its_next_life)
{
	struct channel_request request;

	die_in_the_middle();
	die();
	start();
	life++;
	attach(&one, 1);
	attach(&two, 2);

	request = make_read(3, 0, 1);
	(void)status_of(&one, &request);
	CHECK_EQ(disk[3 * BLOCK], 1);
	stop();
}

TEST(what_says_that_all_was_replayed_has_no_row)
{
	struct channel_request request;

	start_with_one();
	hold_kernel();
	request = make_write(1, 1, &one, 0, 1);
	send(&one, &request);
	turn_until_idle();
	request = make_replayed();

	CHECK_EQ(status_of(&one, &request), 0);

	let_go();
	receive(&one);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	stop();
}

TEST(a_replayed_change_without_room_is_kept_when_all_was_replayed)
{
	struct channel_request request;

	start_with_one();
	request = make_write(3, 7, &one, 0, 1);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	die();
	start();
	attach(&one, 1);
	request = make_write(3, 7, &one, 0, 1);
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	request = make_replayed();
	CHECK_EQ(status_of(&one, &request), 0);
	fail_with = 0;

	request = make_write(3, 7, &one, 0, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);

	CHECK_EQ(disk[3 * BLOCK], 7);
	stop();
}

TEST(a_command_that_its_initiator_forgot_makes_room_in_its_row)
{
	struct channel_request request;

	start_with_two();
	request = make_write(3, 7, &one, 0, 1);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	fail_with = 0;

	request = make_write(4, 8, &one, 0, 2);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);

	CHECK_EQ(disk[3 * BLOCK], 0);
	CHECK_EQ(disk[4 * BLOCK], 8);
	request = make_write(3, 9, &two, 0, 1);
	CHECK_EQ(status_of(&two, &request), SCSI_GOOD);
	stop();
}

TEST(what_had_moved_is_completed_before_its_row_is_used_again)
{
	struct channel_request request;

	start_with_one();
	request = make_compare(3, 0, 1, &one, 0, 1);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	hold_kernel();
	request = make_compare(3, 1, 2, &one, 0, 2);
	send(&one, &request);
	turn_until_idle();
	CHECK(!receive_now(&one));
	fail_with = 0;
	let_go();

	receive(&one);

	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(what_is_being_completed_is_not_taken_up_by_its_owner_as_well)
{
	struct channel_request request;
	int writes;

	die_in_the_middle();
	writes = write_count;
	hold_kernel();
	let_time_pass();
	turn_until_idle();
	request = make_compare(3, 0, 1, &one, 0, 1);
	send(&one, &request);
	request = make_replayed();
	send(&one, &request);
	turn_until_idle();
	CHECK(!receive_now(&one));
	CHECK(!receive_now(&two));
	let_go();

	for (int i = 0; i < 2; i++) {
		receive(&one);
		CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
		CHECK(response.id != one.next_id - 1 ||
		      response.bytes == 2 * BLOCK);
	}
	receive(&two);
	CHECK_EQ(write_count, writes + 2);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(what_cannot_be_completed_yet_is_held_and_tried_again)
{
	die_in_the_middle();
	fail_with = -ENOSPC;
	let_time_pass();
	turn_until_idle();
	while (service.in_kernel)
		(void)service_turn(&service);
	CHECK(!receive_now(&two));
	fail_with = 0;

	receive(&two);

	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

/* PERSISTENT RESERVE OUT, with both keys in the list. */
static struct channel_request make_reserve(uint8_t action, uint8_t key,
					   uint8_t other, struct peer *peer,
					   uint16_t row)
{
	const uint8_t cdb[10] = { 0x5f, action, 1, [8] = 24 };
	struct channel_request request = make(cdb, sizeof(cdb), row, 1);
	uint8_t *list = peer->channel.buffers + DATA + row * 4096u;

	request.flags = SCSI_DATA_OUT;
	request.length_bytes = 24;
	request.buffer_offset = DATA + row * 4096u;
	memset(list, 0, 24);
	list[7] = key;
	list[15] = other;
	return request;
}

TEST(a_preempt_and_abort_waits_for_what_began_before_it_was_executed)
{
	struct channel_request request;

	die_in_the_middle();
	request = make_reserve(0, 0, 1, &one, 10);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	request = make_reserve(0, 0, 2, &two, 10);
	CHECK_EQ(status_of(&two, &request), SCSI_GOOD);
	request = make_reserve(5, 2, 1, &two, 11);
	request.flags |= SCSI_ORDERED;
	send(&two, &request);
	turn_until_idle();
	hold_kernel();
	request = make_write(9, 1, &one, 12, 1);
	send(&one, &request);
	turn_until_idle();
	request = make_manage(SCSI_ABORT_TASK, 0, 13, 1);
	send(&two, &request);
	receive(&two);
	receive(&two);
	turn_until_idle();

	CHECK(!receive_now(&two));

	let_go();
	receive(&two);
	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[9 * BLOCK], 1);
	stop();
}

/* A change of client one without room, and one of the same block by two. */
static void wait_for_a_change_without_room(void)
{
	struct channel_request request;

	start_with_two();
	request = make_write(3, 1, &one, 0, 1);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	fail_with = 0;
	request = make_write(3, 2, &two, 0, 1);
	send(&two, &request);
	turn_until_idle();
	CHECK(!receive_now(&two));
}

TEST(a_change_without_room_whose_client_is_gone_holds_others_for_a_time_only)
{
	struct channel_request request = make_read(0, ROWS, 1);

	wait_for_a_change_without_room();
	send(&one, &request);
	turn_until_idle();
	CHECK_EQ(service.client_count, 1);

	let_time_pass();
	receive(&two);

	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(a_hostile_peer_cannot_hold_others_with_a_change_that_it_never_sends_again)
{
	wait_for_a_change_without_room();

	let_time_pass();
	receive(&two);

	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(service.client_count, 2);
	stop();
}

TEST(a_hostile_peer_cannot_move_a_command_that_has_begun_to_another_place)
{
	struct channel_request request;

	start_with_two();
	request = make_write(3, 1, &one, 0, 7);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	fail_with = 0;
	request = make_write(5, 1, &one, 0, 7);
	send(&one, &request);
	turn_until_idle();

	CHECK_EQ(service.client_count, 1);
	CHECK_EQ(disk[5 * BLOCK], 0);
	stop();
}

TEST(what_had_moved_is_not_aborted_while_it_waits_for_its_turn)
{
	struct channel_request request;

	start_with_one();
	request = make_compare(3, 0, 1, &one, 0, 1);
	fail_with = -ENOSPC;
	CHECK_EQ(status_of(&one, &request), -ENOSPC);
	fail_with = 0;
	hold_kernel();
	request = make_write(9, 1, &one, 1, 1);
	send(&one, &request);
	request = make_compare(3, 0, 1, &one, 0, 1);
	request.flags |= SCSI_ORDERED;
	send(&one, &request);
	request = make_manage(SCSI_ABORT_TASK, 0, 2, 1);
	send(&one, &request);
	turn_until_idle();
	CHECK(!receive_now(&one));
	let_go();

	for (int i = 0; i < 3; i++) {
		receive(&one);
		CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	}
	CHECK_EQ(disk[3 * BLOCK], 1);
	stop();
}

TEST(what_an_absent_client_had_moved_takes_no_room_for_ever)
{
	struct channel_request request;

	start_with_two();
	fail_with = -ENOSPC;
	for (uint16_t i = 0; i < SCSI_AREA_COUNT; i++) {
		request = make_compare(i, 0, 1, &one, i, 1);
		CHECK_EQ(status_of(&one, &request), -ENOSPC);
	}
	fail_with = 0;
	request = make_compare(9, 0, 1, &two, 0, 1);
	CHECK_EQ(status_of(&two, &request), SCSI_BUSY);
	let_time_pass();
	turn_until_idle();
	while (service.in_kernel)
		(void)service_turn(&service);

	request = make_compare(9, 0, 1, &two, 1, 1);
	CHECK_EQ(status_of(&two, &request), SCSI_GOOD);
	CHECK_EQ(disk[0], 1);
	stop();
}

TEST(a_change_without_room_that_is_aborted_holds_nobody)
{
	struct channel_request request;

	wait_for_a_change_without_room();
	request = make_manage(SCSI_ABORT_TASK, 0, 1, 1);
	CHECK_EQ(status_of(&one, &request), SCSI_FUNCTION_COMPLETE);

	turn_until_idle();
	CHECK(receive_now(&two));

	CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(a_preempt_and_abort_waits_for_what_its_victim_had_moved)
{
	struct channel_request request;

	die_in_the_middle();
	request = make_reserve(0, 0, 1, &one, 10);
	CHECK_EQ(status_of(&one, &request), SCSI_GOOD);
	request = make_reserve(0, 0, 2, &two, 10);
	CHECK_EQ(status_of(&two, &request), SCSI_GOOD);
	hold_kernel();
	request = make_reserve(5, 2, 1, &two, 11);
	send(&two, &request);
	turn_until_idle();
	CHECK(!receive_now(&two));
	let_go();

	for (int i = 0; i < 2; i++) {
		receive(&two);
		CHECK_EQ(scsi_outcome_status(response.status), SCSI_GOOD);
	}
	CHECK_EQ(disk[3 * BLOCK], 2);
	stop();
}

TEST(what_had_moved_is_completed_by_a_client_that_may_write)
{
	die_in_the_middle();
	two.client->limits.is_read_only = true;
	hold_kernel();
	let_time_pass();
	turn_until_idle();

	CHECK(one.client->scsi->settled != NULL);
	CHECK(two.client->scsi->settled == NULL);

	let_go();
	receive(&two);
	stop();
}

TEST(a_volume_that_is_not_shared_has_one_client)
{
	is_shared = false;
	start_with_one();

	CHECK_EQ(try_attach(&two, 2), -EBUSY);

	close_peer(&two);
	two.client = NULL;
	stop();
}
