/* SPDX-License-Identifier: MIT */
/* What a unit remembers: commands that change it, and that come again. */
#include <errno.h>
#include <string.h>

#include "lib/harness.h"
#include "lib/scsi_memory.h"
#include "scsi/bytes.h"

#define BLOCK  512u
#define BLOCKS 1024u

static struct scsi_memory memory;
static struct scsi_task task;
static uint8_t data[SCSI_TRANSFER_MAX];

static void open_disk(bool is_removable)
{
	memset(&memory, 0, sizeof(memory));
	memory.unit = (struct scsi_unit){ .type = SCSI_DISK,
					  .block_bytes = BLOCK,
					  .physical_block_bytes = BLOCK,
					  .block_count = BLOCKS,
					  .is_shared = true,
					  .is_removable = is_removable };
	scsi_memory_make(&memory);
}

static void prepare(const void *cdb, size_t cdb_bytes, uint32_t data_bytes)
{
	struct scsi_extent extent;

	memset(&task, 0, sizeof(task));
	memcpy(task.cdb, cdb, cdb_bytes);
	scsi_command_decode(memory.unit.type, task.cdb, BLOCK, &extent);
	task.direction = extent.direction;
	task.data = data;
	task.data_bytes = data_bytes;
}

/* A command of at most 16 bytes, of one of the nexuses. */
#define RUN(nexus, data_bytes, ...)                                        \
	do {                                                               \
		prepare((uint8_t[]){ __VA_ARGS__ },                        \
			sizeof((uint8_t[]){ __VA_ARGS__ }), (data_bytes)); \
		scsi_memory_run(&memory, (nexus), &task);                  \
	} while (0)

/* The last command once more, as after the death of its service. */
static void replay(uint32_t nexus)
{
	struct scsi_task again = { .data = data,
				   .data_bytes = task.data_bytes,
				   .direction = task.direction,
				   .row = task.row,
				   .row_sequence = task.row_sequence };

	memcpy(again.cdb, task.cdb, sizeof(again.cdb));
	task = again;
	CHECK(scsi_ledger_open(&memory.ledger, memory.memory, memory.unit.uuid,
			       memory.unit.uuid) == 0);
	CHECK(scsi_memory_replay(&memory, nexus, &task));
}

static unsigned sense_code(void)
{
	const uint8_t *sense = task.outcome.sense;

	if (task.outcome.status != SCSI_CHECK_CONDITION)
		return 0;
	if (sense[0] == 0x72)
		return sense[1] << 16 | get_be16(sense + 2);
	return (sense[2] & 0xfu) << 16 | get_be16(sense + 12);
}

static void test_ready(uint32_t nexus)
{
	RUN(nexus, 0, 0x00);
}

/* Modes. ------------------------------------------------------------------- */

/* MODE SELECT(6) of a page as MODE SENSE(6) returns it, with some bits set. */
static void select_mode(uint8_t page, uint8_t byte, uint8_t bits)
{
	uint8_t bytes;

	RUN(0, 255, 0x1a, 0x08, page, 0, 255);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	bytes = data[0] + 1;
	data[0] = 0;
	data[2] = 0;
	data[4 + byte] ^= bits;
	RUN(0, bytes, 0x15, 0x10, 0, 0, bytes);
}

TEST(a_mode_that_may_change_is_changed_and_told_to_others_once)
{
	open_disk(false);
	select_mode(0x0a, 2, 0x04);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	test_ready(0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	test_ready(1);
	CHECK_EQ(task.outcome.sense[0], 0x72);
	CHECK_EQ(sense_code(), SENSE_MODE_CHANGED);
	test_ready(1);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(a_mode_that_is_as_it_was_is_told_to_nobody)
{
	open_disk(false);
	select_mode(0x0a, 2, 0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	test_ready(1);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(a_bit_that_may_not_change_is_refused_and_pointed_to)
{
	open_disk(false);
	select_mode(0x0a, 3, 0x20);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_FIELD);
	CHECK_EQ(task.outcome.sense[15], 0x8d);
	CHECK_EQ(get_be16(task.outcome.sense + 16), 4 + 3);
	scsi_memory_close(&memory);
}

TEST(write_protection_can_be_asked_for)
{
	open_disk(false);
	select_mode(0x0a, 4, 0x08);
	RUN(0, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_WRITE_PROTECTED);
	RUN(0, 255, 0x1a, 0x08, 0x0a, 0, 255);
	CHECK_EQ(data[2] & 0x80, 0x80);
	select_mode(0x0a, 4, 0x08);
	RUN(0, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(without_a_write_cache_every_change_is_stored)
{
	open_disk(false);
	RUN(0, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK(!task.outcome.is_stored);
	select_mode(0x08, 2, 0x04);
	RUN(0, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK(task.outcome.is_stored);
	RUN(0, BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK(!task.outcome.is_stored);
	scsi_memory_close(&memory);
}

TEST(a_hostile_guest_cannot_send_a_mode_list_that_is_cut)
{
	uint8_t bytes;

	open_disk(false);
	RUN(0, 255, 0x1a, 0, 0x3f, 0, 255);
	bytes = data[0] + 1;
	data[0] = data[2] = 0;
	for (uint8_t cut = 1; cut < bytes; cut++) {
		RUN(0, cut, 0x15, 0x10, 0, 0, cut);
		if (task.outcome.status == SCSI_GOOD)
			continue;
		CHECK_EQ(sense_code(), SENSE_BAD_LIST_LENGTH);
		RUN(0, cut - 1u, 0x15, 0x10, 0, 0, cut);
		CHECK_EQ(sense_code(), SENSE_BAD_LIST_LENGTH);
	}
	RUN(0, bytes, 0x15, 0x10, 0, 0, bytes);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(a_page_of_another_length_or_code_is_refused)
{
	open_disk(false);
	RUN(0, 255, 0x1a, 0x08, 0x0a, 0, 255);
	data[0] = data[2] = 0;
	data[5] = 9;
	RUN(0, 16, 0x15, 0x10, 0, 0, 16);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_FIELD);
	data[4] = 0x3e;
	RUN(0, 16, 0x15, 0x10, 0, 0, 16);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_FIELD);
	RUN(0, 255, 0x1a, 0x08, 0x3e, 0, 255);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(0, 255, 0x1a, 0x08, 0x0a, 1, 255);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(0, 255, 0x1a, 0x08, 0xca, 0, 255);
	CHECK_EQ(sense_code(), SENSE_NO_SAVING);
	scsi_memory_close(&memory);
}

TEST(a_block_descriptor_may_say_what_is_so)
{
	open_disk(false);
	RUN(0, 255, 0x5a, 0, 0x0a, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(get_be16(data + 6), 8);
	CHECK_EQ(get_be32(data + 8), BLOCKS);
	CHECK_EQ(get_be32(data + 12), BLOCK);
	data[0] = data[1] = data[3] = 0;
	RUN(0, 28, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 28);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	put_be32(data + 12, 4096);
	RUN(0, 28, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 28);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_FIELD);
	scsi_memory_close(&memory);
}

/* Media. ------------------------------------------------------------------- */

TEST(an_ejected_medium_is_away_for_all_and_comes_back_as_another)
{
	open_disk(true);
	RUN(0, 0, 0x1b, 0, 0, 0, 0x02);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	test_ready(1);
	CHECK_EQ(sense_code(), SENSE_NO_MEDIUM);
	RUN(0, BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_NO_MEDIUM);
	RUN(0, 0, 0x1b, 0, 0, 0, 0x03);
	test_ready(0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	test_ready(1);
	CHECK_EQ(sense_code(), SENSE_MEDIUM_CHANGED);
	scsi_memory_close(&memory);
}

TEST(a_medium_stays_while_any_nexus_prevents_its_removal)
{
	open_disk(true);
	RUN(1, 0, 0x1e, 0, 0, 0, 1);
	RUN(0, 0, 0x1b, 0, 0, 0, 0x02);
	CHECK_EQ(sense_code(), SENSE_REMOVAL_PREVENTED);
	RUN(0, 0, 0x1e, 0, 0, 0, 0);
	RUN(0, 0, 0x1b, 0, 0, 0, 0x02);
	CHECK_EQ(sense_code(), SENSE_REMOVAL_PREVENTED);
	scsi_ledger_detach(&memory.ledger, memory.nexuses[1].index);
	RUN(0, 0, 0x1b, 0, 0, 0, 0x02);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(a_disk_that_is_not_removable_stays)
{
	open_disk(false);
	RUN(0, 0, 0x1b, 0, 0, 0, 0x02);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(0, 0, 0x1b, 0, 0, 0, 0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	test_ready(0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

/* COMPARE AND WRITE. ------------------------------------------------------- */

static void compare_and_write(uint32_t nexus, uint8_t old, uint8_t new)
{
	memset(data, old, 2 * BLOCK);
	memset(data + 2 * BLOCK, new, 2 * BLOCK);
	RUN(nexus, 4 * BLOCK, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2);
}

TEST(what_is_as_expected_is_overwritten_and_nothing_else)
{
	open_disk(false);
	compare_and_write(0, 0, 5);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(task.outcome.transferred_bytes, 4 * BLOCK);
	CHECK_EQ(memory.image[3 * BLOCK] + memory.image[5 * BLOCK - 1], 10);
	memory.image[3 * BLOCK + 700] = 6;
	compare_and_write(0, 5, 7);
	CHECK_EQ(sense_code(), SENSE_MISCOMPARE);
	CHECK_EQ(get_be32(task.outcome.sense + 3), 700);
	CHECK_EQ(memory.image[3 * BLOCK], 5);
	scsi_memory_close(&memory);
}

TEST(a_compare_and_write_that_comes_again_is_answered_and_not_executed)
{
	open_disk(false);
	compare_and_write(0, 0, 5);
	memory.image[3 * BLOCK] = 9;
	replay(0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(task.outcome.transferred_bytes, 4 * BLOCK);
	CHECK_EQ(memory.image[3 * BLOCK], 9);
	compare_and_write(0, 5, 6);
	CHECK_EQ(sense_code(), SENSE_MISCOMPARE);
	memset(memory.image + 3 * BLOCK, 5, 2 * BLOCK);
	replay(0);
	CHECK_EQ(sense_code(), SENSE_MISCOMPARE);
	CHECK_EQ(memory.image[3 * BLOCK], 5);
	scsi_memory_close(&memory);
}

TEST(a_compare_and_write_that_has_begun_to_write_goes_on_with_its_own_data)
{
	open_disk(false);
	memory.fail_with = 0;
	memset(data, 0, 2 * BLOCK);
	memset(data + 2 * BLOCK, 4, 2 * BLOCK);
	prepare((uint8_t[]){ 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2 }, 14,
		4 * BLOCK);
	task.row_sequence = ++*memory.row_sequence;
	task.scratch = memory.scratch;
	CHECK_EQ(scsi_unit_begin(&memory.unit, &memory.nexuses[0], &task), 0);
	for (int result = 0;;) {
		struct scsi_step step =
			scsi_unit_step(&memory.unit, &task, result);

		if (step.kind == SCSI_STEP_WRITE)
			break;
		if (step.kind == SCSI_STEP_READ)
			memset(step.memory, 0, step.length_bytes);
	}
	/* Its service died over the write, and its peer has other data now. */
	memset(memory.image + 3 * BLOCK, 0x77, BLOCK);
	memset(data, 0xee, 4 * BLOCK);
	replay(0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(memory.image[3 * BLOCK], 4);
	CHECK_EQ(memory.image[5 * BLOCK - 1], 4);
	scsi_memory_close(&memory);
}

TEST(a_hostile_peer_cannot_replay_a_row_with_another_place)
{
	open_disk(false);
	memset(data, 0, 4 * BLOCK);
	prepare((uint8_t[]){ 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2 }, 14,
		4 * BLOCK);
	task.row_sequence = ++*memory.row_sequence;
	task.scratch = memory.scratch;
	CHECK_EQ(scsi_unit_begin(&memory.unit, &memory.nexuses[0], &task), 0);
	for (struct scsi_step step = { .kind = SCSI_STEP_LOCK };
	     step.kind != SCSI_STEP_WRITE;)
		step = scsi_unit_step(&memory.unit, &task, 0);
	task.cdb[9] = 4;
	CHECK(!scsi_memory_replay(&memory, 0, &task));
	task.cdb[0] = 0x8a;
	CHECK(!scsi_memory_replay(&memory, 0, &task));
	scsi_memory_close(&memory);
}

TEST(a_write_of_several_writers_is_not_executed_again_over_theirs)
{
	open_disk(false);
	memset(data, 1, BLOCK);
	RUN(0, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	memory.image[0] = 2;
	replay(0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(task.outcome.transferred_bytes, BLOCK);
	CHECK_EQ(memory.image[0], 2);
	scsi_memory_close(&memory);
}

TEST(a_write_of_a_shared_unit_is_recorded_though_nobody_else_is_there_yet)
{
	open_disk(false);
	for (uint32_t i = 1; i < SCSI_MEMORY_NEXUSES; i++)
		scsi_ledger_detach(&memory.ledger, memory.nexuses[i].index);
	memset(data, 1, BLOCK);
	RUN(0, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	memory.image[0] = 2;
	replay(0);
	CHECK_EQ(memory.image[0], 2);
	scsi_memory_close(&memory);
}

TEST(a_write_of_the_only_writer_is_executed_again)
{
	open_disk(false);
	memory.unit.is_shared = false;
	memset(data, 1, BLOCK);
	RUN(0, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	memory.image[0] = 2;
	replay(0);
	CHECK_EQ(memory.image[0], 1);
	scsi_memory_close(&memory);
}

TEST(a_compare_of_wrong_size_is_refused)
{
	open_disk(false);
	RUN(0, BLOCK, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(0, 66 * BLOCK, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 33);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	scsi_memory_close(&memory);
}

/* Reservations and attentions. --------------------------------------------- */

static void persistent_out(uint32_t nexus, uint8_t action, uint8_t type,
			   uint64_t key, uint64_t service_key)
{
	memset(data, 0, 24);
	put_be64(data, key);
	put_be64(data + 8, service_key);
	RUN(nexus, 24, 0x5f, action, type, 0, 0, 0, 0, 0, 24);
}

TEST(a_reservation_keeps_others_from_writing_before_any_effect)
{
	open_disk(false);
	persistent_out(0, 0, 0, 0, 11);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	persistent_out(0, 1, 1, 11, 0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	memset(data, 3, BLOCK);
	RUN(1, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(task.outcome.status, SCSI_RESERVATION_CONFLICT);
	CHECK_EQ(memory.image[0], 0);
	RUN(1, BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	RUN(0, 255, 0x5e, 0, 0, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(get_be32(data + 4), 8);
	CHECK_EQ(get_be64(data + 8), 11);
	RUN(0, 255, 0x5e, 1, 0, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(get_be64(data + 8), 11);
	scsi_memory_close(&memory);
}

TEST(a_reservation_that_comes_again_is_answered_as_it_was)
{
	open_disk(false);
	persistent_out(0, 0, 0, 0, 11);
	replay(0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	RUN(0, 255, 0x5e, 0, 0, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(get_be32(data), 1);
	scsi_memory_close(&memory);
}

TEST(what_cannot_outlive_the_host_is_refused_and_changes_nothing)
{
	open_disk(false);
	memory.unit.has_plate = true;
	memory.fail_plate_with = -EIO;
	memset(data, 0, 24);
	data[15] = 11;
	data[20] = 1;
	RUN(0, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24);
	CHECK_EQ(sense_code(), SENSE_INTERNAL_FAILURE);
	RUN(0, 255, 0x5e, 0, 0, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(get_be32(data + 4), 0);
	memory.fail_plate_with = 0;
	data[15] = 11;
	memset(data, 0, 15);
	RUN(0, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(a_unit_without_a_plate_promises_nobody_to_outlive_the_host)
{
	open_disk(false);
	memset(data, 0, 24);
	data[15] = 11;
	data[20] = 1;
	RUN(0, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_FIELD);
	CHECK_EQ(task.outcome.sense[17], 20);
	RUN(0, 255, 0x5e, 2, 0, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(data[2] & 1, 0);
	scsi_memory_close(&memory);
}

TEST(reservations_are_read_at_every_allocation_length)
{
	static uint8_t whole[8 + 2 * 48];

	open_disk(false);
	for (uint8_t nexus = 0; nexus < 2; nexus++) {
		memset(data, 0, 24);
		data[15] = 11 + nexus;
		RUN(nexus, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24);
	}
	memset(data, 0, 24);
	data[7] = 11;
	RUN(0, 24, 0x5f, 1, 1, 0, 0, 0, 0, 0, 24);
	for (uint8_t action = 0; action < 4; action++) {
		uint32_t bytes;

		RUN(1, sizeof(whole), 0x5e, action, 0, 0, 0, 0, 0, 0, 255);
		bytes = task.outcome.transferred_bytes;
		CHECK(bytes >= 8);
		memcpy(whole, data, bytes);
		for (uint32_t length = 0; length < 2 * sizeof(whole);
		     length++) {
			memset(data, 0xee, sizeof(whole) + 1);
			RUN(1, 255, 0x5e, action, 0, 0, 0, 0, 0, 0,
			    (uint8_t)length);
			CHECK_EQ(task.outcome.status, SCSI_GOOD);
			CHECK_EQ(task.outcome.transferred_bytes,
				 length < bytes ? length : bytes);
			CHECK(memcmp(data, whole,
				     task.outcome.transferred_bytes) == 0);
			CHECK_EQ(data[task.outcome.transferred_bytes], 0xee);
		}
	}
	scsi_memory_close(&memory);
}

TEST(a_hostile_guest_cannot_send_a_reservation_list_of_another_length)
{
	open_disk(false);
	RUN(0, 24, 0x5f, 0, 0, 0, 0, 0, 0, 0, 23);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_LENGTH);
	RUN(0, 23, 0x5f, 0, 0, 0, 0, 0, 0, 0, 24);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_LENGTH);
	scsi_memory_close(&memory);
}

TEST(reserve_keeps_others_off_until_it_is_released)
{
	open_disk(false);
	RUN(0, 0, 0x16);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	test_ready(1);
	CHECK_EQ(task.outcome.status, SCSI_RESERVATION_CONFLICT);
	RUN(1, 255, 0x12, 0, 0, 0, 255);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	RUN(1, 0, 0x17);
	test_ready(1);
	CHECK_EQ(task.outcome.status, SCSI_RESERVATION_CONFLICT);
	RUN(0, 0, 0x17);
	test_ready(1);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(an_attention_is_told_to_one_command_and_again_to_that_alone)
{
	open_disk(false);
	scsi_ledger_raise(&memory.ledger, 1, ATTENTION_RESET);
	RUN(0, 255, 0x12, 0, 0, 0, 255);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	test_ready(0);
	CHECK_EQ(sense_code(), SENSE_RESET);
	replay(0);
	CHECK_EQ(sense_code(), SENSE_RESET);
	test_ready(0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(request_sense_has_the_attention_as_data_and_again_when_it_is_replayed)
{
	open_disk(false);
	scsi_ledger_raise(&memory.ledger, 1, ATTENTION_RESET);
	for (int i = 0; i < 2; i++) {
		memset(data, 0, 32);
		if (i == 0)
			RUN(0, 252, 0x03, 0, 0, 0, 252);
		else
			replay(0);
		CHECK_EQ(task.outcome.status, SCSI_GOOD);
		CHECK_EQ(task.outcome.sense_bytes, 0);
		CHECK_EQ(task.outcome.transferred_bytes, 18);
		CHECK_EQ(data[2], SCSI_UNIT_ATTENTION);
		CHECK_EQ(get_be16(data + 12), 0x2903);
	}
	RUN(0, 252, 0x03, 0, 0, 0, 252);
	CHECK_EQ(data[2], 0);
	scsi_memory_close(&memory);
}
