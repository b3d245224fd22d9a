/* SPDX-License-Identifier: MIT */
/* Of each row of the table of commands, what holds of every row. */
#include "scsi/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "lib/harness.h"
#include "lib/scsi_memory.h"
#include "scsi/bytes.h"
#include "scsi/limits.h"

#define BLOCK  512u
#define BLOCKS 8192u

static struct scsi_memory memory;
static struct scsi_task task;
static uint8_t data[2 * SCSI_TRANSFER_MAX];

static const enum scsi_type types[] = { SCSI_DISK, SCSI_CD };

static void open_unit(enum scsi_type type)
{
	memset(&memory, 0, sizeof(memory));
	memory.unit = (struct scsi_unit){ .type = type,
					  .block_bytes = BLOCK,
					  .physical_block_bytes = BLOCK,
					  .block_count = BLOCKS,
					  .is_removable = type == SCSI_CD,
					  .is_thin = type == SCSI_DISK };
	scsi_memory_make(&memory);
}

static void new_task(const struct scsi_command *command)
{
	memset(&task, 0, sizeof(task));
	task.cdb[0] = command->code;
	if (command->action != SCSI_NO_ACTION)
		task.cdb[1] = (uint8_t)command->action;
	task.data = data;
	task.direction = (enum scsi_direction)command->direction;
}

static unsigned sense_code(void)
{
	if (task.outcome.status != SCSI_CHECK_CONDITION)
		return 0;
	return (task.outcome.sense[2] & 0xfu) << 16 |
	       get_be16(task.outcome.sense + 12);
}

/* Call it for each row that the unit has. */
static void for_each_row(void (*check)(const struct scsi_command *command))
{
	size_t count;
	const struct scsi_command *table = scsi_command_table(&count);

	for (size_t type = 0; type < ARRAY_COUNT(types); type++) {
		open_unit(types[type]);
		for (size_t i = 0; i < count; i++)
			if (scsi_unit_has(&memory.unit, &table[i])) {
				new_task(&table[i]);
				check(&table[i]);
			}
		scsi_memory_close(&memory);
	}
}

TEST(rows_are_sorted_and_none_is_twice)
{
	size_t count;
	const struct scsi_command *table = scsi_command_table(&count);

	CHECK(count > 30);
	for (size_t i = 1; i < count; i++) {
		CHECK(table[i - 1].code <= table[i].code);
		for (size_t j = 0; j < i; j++)
			CHECK(table[i].code != table[j].code ||
			      table[i].action != table[j].action ||
			      (table[i].types & table[j].types) == 0);
	}
}

static void check_shape(const struct scsi_command *command)
{
	static const uint8_t bytes_of_group[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };

	CHECK_EQ(command->cdb_bytes, bytes_of_group[command->code >> 5]);
	CHECK(command->handler != NULL && command->name != NULL);
	CHECK_EQ(command->usage[0], command->code);
	CHECK_EQ(command->usage[command->cdb_bytes - 1], 0);
	if (command->action != SCSI_NO_ACTION)
		CHECK_EQ(command->usage[1] & 0x1f, 0x1f);
	if (command->class == SCSI_CLASS_CHANGE)
		CHECK_EQ(command->access, SCSI_ACCESS_WRITE);
	if (command->need == SCSI_NEED_WRITABLE)
		CHECK(command->class != SCSI_CLASS_READ);
}

TEST(rows_have_the_length_of_their_group_and_a_full_description)
{
	for_each_row(check_shape);
}

static void check_stray_bits(const struct scsi_command *command)
{
	for (int byte = 1; byte < command->cdb_bytes; byte++) {
		for (int bit = 0; bit < 8; bit++) {
			if (command->usage[byte] & 1 << bit)
				continue;
			new_task(command);
			task.cdb[byte] |= (uint8_t)(1 << bit);
			scsi_memory_run(&memory, 0, &task);
			CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
			CHECK_EQ(task.outcome.sense[15], 0xc8 | bit);
			CHECK_EQ(get_be16(task.outcome.sense + 16), byte);
			CHECK_EQ(memory.step_count, 0);
		}
	}
}

TEST(a_bit_outside_of_the_usage_mask_is_refused_and_pointed_to)
{
	for_each_row(check_stray_bits);
}

static void check_trailing_bytes(const struct scsi_command *command)
{
	struct scsi_outcome want;

	scsi_memory_run(&memory, 0, &task);
	want = task.outcome;
	new_task(command);
	memset(task.cdb + command->cdb_bytes, 0xff,
	       SCSI_CDB_BYTES - command->cdb_bytes);
	scsi_memory_run(&memory, 0, &task);
	CHECK(memcmp(&want, &task.outcome, sizeof(want)) == 0);
}

TEST(what_follows_a_short_cdb_is_ignored)
{
	for_each_row(check_trailing_bytes);
}

TEST(a_code_without_a_row_is_no_command)
{
	bool is_known;

	open_unit(SCSI_DISK);
	for (int code = 0; code < 256; code++) {
		memset(&task, 0, sizeof(task));
		task.cdb[0] = (uint8_t)code;
		if (!scsi_command_find(SCSI_DISK, task.cdb, &is_known) &&
		    !is_known) {
			scsi_memory_run(&memory, 0, &task);
			CHECK_EQ(sense_code(), SENSE_BAD_OPCODE);
		}
	}
	scsi_memory_close(&memory);
}

TEST(a_service_action_without_a_row_is_a_bad_field)
{
	bool is_known;

	open_unit(SCSI_DISK);
	for (uint8_t action = 0; action < 32; action++) {
		memset(&task, 0, sizeof(task));
		task.cdb[0] = 0x9e;
		task.cdb[1] = action;
		if (scsi_command_find(SCSI_DISK, task.cdb, &is_known))
			continue;
		scsi_memory_run(&memory, 0, &task);
		CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
		CHECK_EQ(task.outcome.sense[15], 0xcc);
	}
	scsi_memory_close(&memory);
}

/* Where the length of a CDB's allocation is; 0: it has none. */
static int allocation_byte(const struct scsi_command *command, int *ret_bytes)
{
	if (command->direction != SCSI_DATA_TO_INITIATOR ||
	    (command->place != SCSI_PLACE_NONE && command->code != 0x9e) ||
	    command->code == 0x25)
		return 0;
	*ret_bytes = 4;
	if (command->cdb_bytes == 16)
		return 10;
	if (command->code == 0xbd) {
		*ret_bytes = 2;
		return 8;
	}
	if (command->cdb_bytes == 12)
		return 6;
	*ret_bytes = command->cdb_bytes == 6 ? 1 : 2;
	if (command->code == 0x12) {
		*ret_bytes = 2;
		return 3;
	}
	return command->cdb_bytes == 6 ? 4 : 7;
}

static void run_with_allocation(const struct scsi_command *command,
				uint32_t allocation_bytes)
{
	int bytes = 0, at = allocation_byte(command, &bytes);

	new_task(command);
	if (command->code == 0x4a)
		task.cdb[1] = 1; /* events are polled */
	if (command->code == 0x1a || command->code == 0x5a)
		task.cdb[2] = 0x3f;
	for (int i = 0; i < bytes; i++)
		task.cdb[at + i] =
			(uint8_t)(allocation_bytes >> 8 * (bytes - 1 - i));
	memset(data, 0xee, sizeof(data));
	task.data_bytes = allocation_bytes;
	scsi_memory_run(&memory, 0, &task);
}

static void check_allocation(const struct scsi_command *command)
{
	static uint8_t whole[4096];
	int bytes = 0;
	uint32_t full;

	if (!allocation_byte(command, &bytes))
		return;
	run_with_allocation(command, bytes == 1 ? 255 : 4096);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	full = task.outcome.transferred_bytes;
	CHECK(full > 0 && full <= sizeof(whole));
	memcpy(whole, data, full);
	for (uint32_t ask = 0; ask <= full && ask < 256; ask++) {
		run_with_allocation(command, ask);
		if (task.outcome.status != SCSI_GOOD) {
			/* Two that have a minimum, by the standard. */
			CHECK(command->code == SCSI_REPORT_LUNS ||
			      command->code == 0xa3);
			CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
			continue;
		}
		CHECK(task.outcome.transferred_bytes <= ask);
		/* Whole descriptors are counted by what is asked for. */
		if (command->action != 0x12) {
			CHECK_EQ(task.outcome.transferred_bytes, ask);
			CHECK(memcmp(data, whole, ask) == 0);
		}
		CHECK_EQ(data[ask], 0xee);
	}
}

TEST(an_allocation_length_cuts_the_answer_and_is_no_error)
{
	for_each_row(check_allocation);
}

static void put_place(const struct scsi_command *command, uint64_t lba,
		      uint32_t count)
{
	switch ((enum scsi_place)command->place) {
	case SCSI_PLACE_6:
		put_be16(task.cdb + 2, (uint16_t)lba);
		task.cdb[1] = (uint8_t)(lba >> 16 & 0x1f);
		task.cdb[4] = (uint8_t)count;
		return;
	case SCSI_PLACE_10:
		put_be32(task.cdb + 2, (uint32_t)lba);
		put_be16(task.cdb + 7, (uint16_t)count);
		return;
	case SCSI_PLACE_12:
		put_be32(task.cdb + 2, (uint32_t)lba);
		put_be32(task.cdb + 6, count);
		return;
	case SCSI_PLACE_16:
		put_be64(task.cdb + 2, lba);
		put_be32(task.cdb + 10, count);
		return;
	case SCSI_PLACE_COMPARE:
		put_be64(task.cdb + 2, lba);
		task.cdb[13] = (uint8_t)count;
		return;
	case SCSI_PLACE_NONE:
	case SCSI_PLACE_WHOLE:
		return;
	}
}

static bool is_write_same(const struct scsi_command *command)
{
	return command->code == SCSI_WRITE_SAME_10 ||
	       command->code == SCSI_WRITE_SAME_16;
}

static void run_at(const struct scsi_command *command, uint64_t lba,
		   uint32_t count)
{
	new_task(command);
	put_place(command, lba, count);
	task.data_bytes = count * BLOCK;
	if (is_write_same(command))
		task.data_bytes = BLOCK;
	if (command->place == SCSI_PLACE_COMPARE)
		task.data_bytes *= 2;
	if (task.data_bytes > sizeof(data))
		task.data_bytes = sizeof(data);
	memset(data, 0, sizeof(data));
	scsi_memory_run(&memory, 0, &task);
}

static bool has_place(const struct scsi_command *command)
{
	return command->place != SCSI_PLACE_NONE &&
	       command->place != SCSI_PLACE_WHOLE && command->action != 0x12;
}

/* The highest address that a CDB of this row can have. */
static uint64_t last_address(const struct scsi_command *command)
{
	if (command->place == SCSI_PLACE_6)
		return 0x1fffff;
	return command->cdb_bytes == 16 ? UINT64_MAX : UINT32_MAX;
}

static void check_range(const struct scsi_command *command)
{
	uint64_t last = last_address(command);

	if (!has_place(command))
		return;
	run_at(command, BLOCKS - 2, 2);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	run_at(command, BLOCKS - 1, 2);
	CHECK_EQ(sense_code(), SENSE_LBA_OUT_OF_RANGE);
	run_at(command, BLOCKS, 1);
	CHECK_EQ(sense_code(), SENSE_LBA_OUT_OF_RANGE);
	run_at(command, last, 1);
	CHECK_EQ(sense_code(), SENSE_LBA_OUT_OF_RANGE);
	run_at(command, last, 2);
	CHECK_EQ(sense_code(), SENSE_LBA_OUT_OF_RANGE);
	run_at(command, last - 5, 255);
	CHECK_EQ(sense_code(), SENSE_LBA_OUT_OF_RANGE);
	CHECK_EQ(memory.step_count, 0);
}

TEST(a_hostile_guest_cannot_leave_the_volume_by_any_command)
{
	for_each_row(check_range);
}

static void check_no_blocks(const struct scsi_command *command)
{
	if (!has_place(command) || command->place == SCSI_PLACE_6 ||
	    is_write_same(command))
		return;
	run_at(command, 0, 0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(memory.step_count, 0);
	run_at(command, BLOCKS, 0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	run_at(command, BLOCKS + 1, 0);
	CHECK_EQ(sense_code(), SENSE_LBA_OUT_OF_RANGE);
}

TEST(no_blocks_are_no_error_inside_of_the_volume)
{
	for_each_row(check_no_blocks);
}

static void check_limit(const struct scsi_command *command)
{
	uint32_t most = SCSI_TRANSFER_MAX / BLOCK;
	bool has_limit = command->code != 0x34 && command->code != 0x35 &&
			 command->code != 0x90 && command->code != 0x91;

	if (!has_place(command) || !has_limit || is_write_same(command) ||
	    command->place == SCSI_PLACE_6 ||
	    command->place == SCSI_PLACE_COMPARE)
		return;
	run_at(command, 0, most);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	run_at(command, 0, most + 1);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	CHECK_EQ(memory.step_count, 0);
}

TEST(a_hostile_guest_cannot_transfer_more_than_the_limit)
{
	for_each_row(check_limit);
}

static void check_protection(const struct scsi_command *command)
{
	memory.nexuses[0].is_read_only = true;
	if (command->need == SCSI_NEED_WRITABLE) {
		run_at(command, 0, 1);
		CHECK_EQ(sense_code(), SENSE_WRITE_PROTECTED);
		CHECK_EQ(memory.step_count, 0);
	} else if (has_place(command)) {
		run_at(command, 0, 1);
		CHECK(task.outcome.status == SCSI_GOOD);
	}
	memory.nexuses[0].is_read_only = false;
}

TEST(a_hostile_guest_cannot_write_a_read_only_unit_by_any_command)
{
	for_each_row(check_protection);
}

static void check_wrong_direction(const struct scsi_command *command)
{
	new_task(command);
	put_place(command, 0, 1);
	if (command->direction == SCSI_DATA_TO_INITIATOR)
		task.direction = SCSI_DATA_FROM_INITIATOR;
	else
		task.direction = SCSI_DATA_TO_INITIATOR;
	memset(data, 0xee, BLOCK);
	memset(memory.image, 0x11, BLOCK);
	task.data_bytes = BLOCK;
	scsi_memory_run(&memory, 0, &task);
	for (uint32_t i = 0; i < BLOCK; i++) {
		CHECK_EQ(data[i], 0xee);
		CHECK_EQ(memory.image[i], 0x11);
	}
}

TEST(a_hostile_peer_cannot_have_data_moved_the_wrong_way)
{
	for_each_row(check_wrong_direction);
}

static void check_decode(const struct scsi_command *command)
{
	struct scsi_extent extent;

	put_place(command, 4, 2);
	scsi_command_decode(memory.unit.type, task.cdb, BLOCK, &extent);
	CHECK_EQ(extent.class, command->class);
	CHECK_EQ(extent.direction, command->direction);
	if (command->place == SCSI_PLACE_WHOLE)
		CHECK(extent.length_bytes == UINT64_MAX);
	if (!has_place(command))
		return;
	CHECK_EQ(extent.offset_bytes, 4 * BLOCK);
	CHECK_EQ(extent.length_bytes, 2 * BLOCK);
	if (command->cdb_bytes < 16)
		return;
	put_place(command, UINT64_MAX, 2);
	scsi_command_decode(memory.unit.type, task.cdb, BLOCK, &extent);
	CHECK_EQ(extent.offset_bytes, 0);
	CHECK(extent.length_bytes == UINT64_MAX);
}

TEST(a_cdb_says_what_it_is_about_before_it_executes)
{
	struct scsi_extent extent;

	for_each_row(check_decode);

	task.cdb[0] = 0xff;
	scsi_command_decode(SCSI_DISK, task.cdb, BLOCK, &extent);
	CHECK_EQ(extent.class, SCSI_CLASS_ONCE);
	CHECK_EQ(extent.length_bytes, 0);
	memset(task.cdb, 0, sizeof(task.cdb));
	task.cdb[0] = SCSI_WRITE_SAME_16;
	scsi_command_decode(SCSI_DISK, task.cdb, BLOCK, &extent);
	CHECK(extent.length_bytes == UINT64_MAX);
}

static void check_report(const struct scsi_command *command)
{
	bool has_action = command->action != SCSI_NO_ACTION;

	memset(&task, 0, sizeof(task));
	task.data = data;
	task.data_bytes = sizeof(data);
	task.direction = SCSI_DATA_TO_INITIATOR;
	task.cdb[0] = 0xa3;
	task.cdb[1] = 0x0c;
	task.cdb[2] = has_action ? 2 : 1;
	task.cdb[3] = command->code;
	task.cdb[5] = has_action ? (uint8_t)command->action : 0;
	task.cdb[8] = 0xff;
	scsi_memory_run(&memory, 0, &task);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(data[1], 3);
	CHECK_EQ(get_be16(data + 2), command->cdb_bytes);
	CHECK_EQ(task.outcome.transferred_bytes, 4 + command->cdb_bytes);
	for (int i = 0; i < command->cdb_bytes; i++)
		if (i != 1 || !has_action)
			CHECK_EQ(data[4 + i], command->usage[i]);
}

TEST(what_is_reported_of_a_command_is_what_it_is_checked_against)
{
	for_each_row(check_report);
}
