/* SPDX-License-Identifier: MIT */
/* What commands of disks do, and what units tell about themselves. */
#include <errno.h>
#include <string.h>

#include "lib/harness.h"
#include "lib/scsi_memory.h"
#include "scsi/bytes.h"
#include "scsi/limits.h"

#define BLOCK  512u
#define BLOCKS 4096u

static struct scsi_memory memory;
static struct scsi_task task;
static uint8_t data[SCSI_TRANSFER_MAX];

static void open_disk(bool is_thin)
{
	memset(&memory, 0, sizeof(memory));
	memory.unit = (struct scsi_unit){ .type = SCSI_DISK,
					  .block_bytes = BLOCK,
					  .physical_block_bytes = BLOCK,
					  .block_count = BLOCKS,
					  .is_thin = is_thin,
					  .serial = "0123456789" };
	memset(memory.unit.uuid, 0xab, sizeof(memory.unit.uuid));
	scsi_memory_make(&memory);
}

/* A command of at most 16 bytes; direction as its row says. */
static void run(const void *cdb, size_t cdb_bytes, uint32_t data_bytes)
{
	struct scsi_extent extent;

	memset(&task, 0, sizeof(task));
	memcpy(task.cdb, cdb, cdb_bytes);
	scsi_command_decode(memory.unit.type, task.cdb, BLOCK, &extent);
	task.direction = extent.direction;
	task.data = data;
	task.data_bytes = data_bytes;
	scsi_memory_run(&memory, 0, &task);
}

#define RUN(data_bytes, ...)                                                \
	run((uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }), \
	    (data_bytes))

static unsigned sense_code(void)
{
	if (task.outcome.status != SCSI_CHECK_CONDITION)
		return 0;
	return (task.outcome.sense[2] & 0xfu) << 16 |
	       get_be16(task.outcome.sense + 12);
}

static bool is_filled(const uint8_t *bytes, uint8_t value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

TEST(what_is_written_is_read_by_every_length_of_cdb)
{
	open_disk(false);
	memset(data, 0x5a, 3 * BLOCK);
	RUN(3 * BLOCK, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(task.outcome.transferred_bytes, 3 * BLOCK);
	CHECK(is_filled(memory.image + 7 * BLOCK, 0x5a, 3 * BLOCK));
	CHECK_EQ(memory.image[7 * BLOCK - 1] | memory.image[10 * BLOCK], 0);
	for (int i = 0; i < 4; i++) {
		memset(data, 0, sizeof(data));
		if (i == 0)
			RUN(3 * BLOCK, 0x08, 0, 0, 7, 3);
		else if (i == 1)
			RUN(3 * BLOCK, 0x28, 0, 0, 0, 0, 7, 0, 0, 3);
		else if (i == 2)
			RUN(3 * BLOCK, 0xa8, 0, 0, 0, 0, 7, 0, 0, 0, 3);
		else
			RUN(3 * BLOCK, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0,
			    3);
		CHECK_EQ(task.outcome.transferred_bytes, 3 * BLOCK);
		CHECK(is_filled(data, 0x5a, 3 * BLOCK));
	}
	scsi_memory_close(&memory);
}

TEST(a_six_byte_count_of_zero_is_256_blocks)
{
	open_disk(false);
	RUN(256 * BLOCK, 0x08, 0, 0, 0, 0);
	CHECK_EQ(task.outcome.transferred_bytes, 256 * BLOCK);
	scsi_memory_close(&memory);
}

TEST(less_data_than_the_cdb_says_moves_whole_blocks)
{
	open_disk(false);
	memset(data, 1, 2 * BLOCK);
	RUN(BLOCK + 100, 0x2a, 0, 0, 0, 0, 0, 0, 0, 2);
	CHECK_EQ(task.outcome.transferred_bytes, BLOCK);
	CHECK_EQ(memory.image[BLOCK], 0);
	RUN(100, 0x28, 0, 0, 0, 0, 0, 0, 0, 2);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(task.outcome.transferred_bytes, 0);
	scsi_memory_close(&memory);
}

TEST(only_what_asks_for_stable_storage_is_stored)
{
	open_disk(false);
	RUN(BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK(!task.outcome.is_stored);
	RUN(BLOCK, 0x2a, 0x08, 0, 0, 0, 0, 0, 0, 1);
	CHECK(task.outcome.is_stored);
	RUN(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0);
	CHECK(task.outcome.is_stored);
	RUN(0, 0x91, 0x02);
	CHECK(task.outcome.is_stored);
	RUN(BLOCK, 0x2e, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK(task.outcome.is_stored);
	scsi_memory_close(&memory);
}

TEST(a_failed_read_or_write_is_a_medium_error)
{
	open_disk(true);
	memory.fail_with = -EIO;
	RUN(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_READ_ERROR);
	RUN(BLOCK, 0x2a, 0x08, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_WRITE_ERROR);
	CHECK(!task.outcome.is_stored);
	RUN(BLOCK, 0x41, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_WRITE_ERROR);
	RUN(BLOCK, 0x2f, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_READ_ERROR);
	RUN(BLOCK, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_READ_ERROR);
	CHECK_EQ(task.error, 0);
	scsi_memory_close(&memory);
}

TEST(a_full_volume_keeps_a_change_and_is_no_sense)
{
	open_disk(true);
	memory.fail_with = -ENOSPC;
	RUN(BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(task.error, -ENOSPC);
	CHECK_EQ(task.outcome.sense_bytes, 0);
	RUN(BLOCK, 0x41, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(task.error, -ENOSPC);
	RUN(BLOCK, 0x2e, 0, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(task.error, -ENOSPC);
	scsi_memory_close(&memory);
}

TEST(a_verify_finds_the_first_byte_that_differs)
{
	uint32_t bytes = 300 * BLOCK;

	open_disk(false);
	memory.image[200 * BLOCK + 17] = 1;
	RUN(bytes, 0x2f, 0x02, 0, 0, 0, 0, 0, 1, 44);
	CHECK_EQ(sense_code(), SENSE_MISCOMPARE);
	CHECK_EQ(task.outcome.sense[0], 0xf0);
	CHECK_EQ(get_be32(task.outcome.sense + 3), 200 * BLOCK + 17);
	data[200 * BLOCK + 17] = 1;
	RUN(bytes, 0x2f, 0x02, 0, 0, 0, 0, 0, 1, 44);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(task.outcome.transferred_bytes, bytes);
	RUN(0, 0x2f, 0, 0, 0, 0, 0, 0, 1, 44);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	data[200 * BLOCK + 17] = 0;
	scsi_memory_close(&memory);
}

TEST(a_verify_can_compare_each_block_with_one)
{
	open_disk(false);
	memset(memory.image, 9, 300 * BLOCK);
	memset(data, 9, BLOCK);
	RUN(BLOCK, 0x2f, 0x06, 0, 0, 0, 0, 0, 1, 44);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	memory.image[299 * BLOCK + 3] = 8;
	RUN(BLOCK, 0x2f, 0x06, 0, 0, 0, 0, 0, 1, 44);
	CHECK_EQ(sense_code(), SENSE_MISCOMPARE);
	RUN(BLOCK, 0x2f, 0x04, 0, 0, 0, 0, 0, 0, 1);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	scsi_memory_close(&memory);
}

TEST(a_verify_with_too_little_data_is_refused)
{
	open_disk(false);
	RUN(BLOCK, 0x2f, 0x02, 0, 0, 0, 0, 0, 0, 2);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	scsi_memory_close(&memory);
}

TEST(write_and_verify_writes_and_compares)
{
	open_disk(false);
	memset(data, 3, 2 * BLOCK);
	RUN(2 * BLOCK, 0x2e, 0x02, 0, 0, 0, 5, 0, 0, 2);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(task.outcome.transferred_bytes, 2 * BLOCK);
	CHECK(is_filled(memory.image + 5 * BLOCK, 3, 2 * BLOCK));
	scsi_memory_close(&memory);
}

TEST(orwrite_keeps_bits_over_many_pieces)
{
	uint32_t bytes = 400 * BLOCK;

	open_disk(false);
	memset(memory.image, 0x0f, bytes + BLOCK);
	memset(data, 0xa0, bytes);
	RUN(bytes, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x90);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK(is_filled(memory.image, 0xaf, bytes));
	CHECK_EQ(memory.image[bytes], 0x0f);
	scsi_memory_close(&memory);
}

TEST(write_same_fills_with_one_block)
{
	open_disk(false);
	memset(data, 0x33, BLOCK);
	RUN(BLOCK, 0x41, 0, 0, 0, 0, 2, 0, 1, 0x90);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK_EQ(task.outcome.transferred_bytes, BLOCK);
	CHECK(is_filled(memory.image + 2 * BLOCK, 0x33, 400 * BLOCK));
	CHECK_EQ(memory.image[2 * BLOCK - 1] | memory.image[402 * BLOCK], 0);
	scsi_memory_close(&memory);
}

TEST(write_same_of_zeroes_is_one_step_and_needs_no_data)
{
	open_disk(false);
	memset(memory.image, 1, 400 * BLOCK);
	memset(data, 0, BLOCK);
	RUN(BLOCK, 0x41, 0, 0, 0, 0, 0, 0, 1, 0x90);
	CHECK_EQ(memory.step_count, 1);
	CHECK(is_filled(memory.image, 0, 400 * BLOCK));
	memset(memory.image, 1, 4 * BLOCK);
	RUN(0, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	CHECK(is_filled(memory.image, 0, 4 * BLOCK));
	RUN(BLOCK, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	scsi_memory_close(&memory);
}

TEST(write_same_of_no_blocks_reaches_the_end_but_for_thin_units)
{
	open_disk(false);
	memset(data, 7, BLOCK);
	RUN(BLOCK, 0x41, 0, 0, 0, 0x0f, 0xf0, 0, 0, 0);
	CHECK(is_filled(memory.image + 4080 * BLOCK, 7, 16 * BLOCK));
	scsi_memory_close(&memory);

	open_disk(true);
	RUN(BLOCK, 0x41, 0, 0, 0, 0x0f, 0xf0, 0, 0, 0);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(64, 0x12, 1, 0xb0, 0, 64);
	CHECK_EQ(data[4], 1);
	scsi_memory_close(&memory);
}

TEST(write_same_frees_zeroes_alone_and_writes_what_else_it_is_given)
{
	open_disk(true);
	memset(memory.is_allocated, 1, BLOCKS);
	memset(data, 0, BLOCK);
	RUN(BLOCK, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4);
	CHECK(is_filled(memory.is_allocated, 0, 4));
	memset(data, 0xff, BLOCK);
	RUN(BLOCK, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 4);
	CHECK(is_filled(memory.image + 8 * BLOCK, 0xff, 4 * BLOCK));
	CHECK(is_filled(memory.is_allocated + 8, 1, 4));
	scsi_memory_close(&memory);
}

TEST(a_unit_that_is_not_thin_frees_nothing)
{
	open_disk(false);
	RUN(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
	CHECK_EQ(sense_code(), SENSE_BAD_OPCODE);
	RUN(BLOCK, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(255, 0xa3, 0x0c, 1, 0x42, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(data[1], 1);
	scsi_memory_close(&memory);
}

/* An UNMAP list of `count` ranges of one block each, at 10, 20, ... */
static uint16_t put_ranges(uint16_t count)
{
	memset(data, 0, 8 + 16 * (size_t)count);
	put_be16(data, (uint16_t)(6 + 16 * count));
	put_be16(data + 2, (uint16_t)(16 * count));
	for (uint16_t i = 0; i < count; i++) {
		put_be64(data + 8 + 16 * i, 10u * (i + 1u));
		put_be32(data + 16 + 16 * i, 1);
	}
	return (uint16_t)(8 + 16 * count);
}

static void unmap(uint16_t bytes)
{
	RUN(bytes, 0x42, 0, 0, 0, 0, 0, 0, (uint8_t)(bytes >> 8),
	    (uint8_t)bytes);
}

TEST(unmap_frees_each_range)
{
	open_disk(true);
	memset(memory.image, 1, BLOCKS * BLOCK);
	memset(memory.is_allocated, 1, BLOCKS);
	unmap(put_ranges(3));
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	for (uint32_t i = 0; i < 50; i++)
		CHECK_EQ(memory.image[i * BLOCK],
			 i == 10 || i == 20 || i == 30 ? 0 : 1);
	scsi_memory_close(&memory);
}

TEST(unmap_checks_every_range_before_it_frees_one)
{
	open_disk(true);
	memset(memory.image, 1, BLOCKS * BLOCK);
	put_ranges(2);
	put_be64(data + 24, UINT64_MAX);
	unmap(40);
	CHECK_EQ(sense_code(), SENSE_LBA_OUT_OF_RANGE);
	CHECK_EQ(memory.step_count, 0);
	CHECK_EQ(memory.image[10 * BLOCK], 1);
	scsi_memory_close(&memory);
}

TEST(a_hostile_guest_cannot_send_an_unmap_list_longer_than_its_data)
{
	open_disk(true);
	put_ranges(1);
	RUN(23, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_LENGTH);
	RUN(7, 0x42, 0, 0, 0, 0, 0, 0, 0, 7);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_LENGTH);
	put_ranges(2);
	RUN(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_FIELD);
	unmap(put_ranges(257));
	CHECK_EQ(sense_code(), SENSE_BAD_LIST_FIELD);
	unmap(put_ranges(256));
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	RUN(0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0);
	CHECK_EQ(task.outcome.status, SCSI_GOOD);
	scsi_memory_close(&memory);
}

TEST(blocks_are_told_to_be_there_or_not)
{
	open_disk(true);
	memset(memory.is_allocated + 10, 1, 5);
	memset(data, 0xee, 64);
	RUN(40, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 40);
	CHECK_EQ(task.outcome.transferred_bytes, 40);
	CHECK_EQ(get_be32(data), 36);
	CHECK_EQ(get_be64(data + 8), 8);
	CHECK_EQ(get_be32(data + 16), 2);
	CHECK_EQ(data[20], 1);
	CHECK_EQ(get_be64(data + 24), 10);
	CHECK_EQ(get_be32(data + 32), 5);
	CHECK_EQ(data[36], 0);
	RUN(40, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 40);
	CHECK_EQ(sense_code(), SENSE_LBA_OUT_OF_RANGE);
	scsi_memory_close(&memory);
}

TEST(the_capacity_is_told_short_and_long)
{
	open_disk(true);
	RUN(8, 0x25);
	CHECK_EQ(get_be32(data), BLOCKS - 1);
	CHECK_EQ(get_be32(data + 4), BLOCK);
	RUN(32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
	CHECK_EQ(get_be64(data), BLOCKS - 1);
	CHECK_EQ(data[14], 0xc0);
	memory.unit.block_count = 1ull << 33;
	RUN(8, 0x25);
	CHECK_EQ(get_be32(data), UINT32_MAX);
	RUN(32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
	CHECK(get_be64(data) == (1ull << 33) - 1);
	scsi_memory_close(&memory);
}

TEST(every_listed_page_of_product_data_can_be_read)
{
	uint8_t pages[16];
	uint32_t count;

	open_disk(true);
	RUN(255, 0x12, 1, 0, 0, 255);
	count = get_be16(data + 2);
	CHECK(count <= sizeof(pages));
	memcpy(pages, data + 4, count);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(i == 0 || pages[i - 1] < pages[i]);
		RUN(255, 0x12, 1, pages[i], 0, 255);
		CHECK_EQ(task.outcome.status, SCSI_GOOD);
		CHECK_EQ(data[1], pages[i]);
		CHECK_EQ(get_be16(data + 2) + 4,
			 task.outcome.transferred_bytes);
	}
	RUN(255, 0x12, 1, 0xc0, 0, 255);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(255, 0x12, 0, 0x80, 0, 255);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	scsi_memory_close(&memory);
}

TEST(a_unit_is_known_by_its_serial_number_and_its_own_designators)
{
	open_disk(false);
	RUN(255, 0x12, 1, 0x80, 0, 255);
	CHECK_EQ(task.outcome.transferred_bytes, 14);
	CHECK(memcmp(data + 4, "0123456789", 10) == 0);
	RUN(255, 0x12, 1, 0x83, 0, 255);
	CHECK_EQ(data[8], 0x3b);
	CHECK(memcmp(data + 20, "BULKHEADabababab", 16) == 0);
	scsi_memory_close(&memory);
}

TEST(there_is_one_lun)
{
	open_disk(false);
	RUN(64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64);
	CHECK_EQ(get_be32(data), 8);
	CHECK(is_filled(data + 4, 0, 12));
	RUN(64, 0xa0, 0, 1, 0, 0, 0, 0, 0, 0, 64);
	CHECK_EQ(get_be32(data), 0);
	RUN(64, 0xa0, 0, 3, 0, 0, 0, 0, 0, 0, 64);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	scsi_memory_close(&memory);
}

TEST(codes_with_actions_are_asked_for_with_them)
{
	open_disk(false);
	RUN(255, 0xa3, 0x0c, 1, 0x9e, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(255, 0xa3, 0x0c, 2, 0x28, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(255, 0xa3, 0x0c, 3, 0x28, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(data[1], 3);
	RUN(255, 0xa3, 0x0c, 3, 0x9e, 0, 0x10, 0, 0, 0, 255);
	CHECK_EQ(data[1], 3);
	CHECK_EQ(data[5], 0x10);
	RUN(255, 0xa3, 0x0c, 2, 0x9e, 0, 0x11, 0, 0, 0, 255);
	CHECK_EQ(data[1], 1);
	RUN(255, 0xa3, 0x0c, 2, 0x9e, 1, 0x10, 0, 0, 0, 255);
	CHECK_EQ(data[1], 1);
	RUN(255, 0xa3, 0x0c, 1, 0xc0, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(data[1], 1);
	RUN(255, 0xa3, 0x0c, 4, 0, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(sense_code(), SENSE_BAD_CDB_FIELD);
	RUN(255, 0xa3, 0x0c, 0x81, 0x28, 0, 0, 0, 0, 0, 255);
	CHECK_EQ(data[1], 0x83);
	CHECK_EQ(task.outcome.transferred_bytes, 4 + 10 + 12);
	scsi_memory_close(&memory);
}

TEST(sense_can_be_asked_for_in_either_format)
{
	open_disk(false);
	RUN(252, 0x03, 0, 0, 0, 252);
	CHECK_EQ(task.outcome.transferred_bytes, 18);
	CHECK_EQ(data[0], 0x70);
	RUN(252, 0x03, 1, 0, 0, 252);
	CHECK_EQ(task.outcome.transferred_bytes, 8);
	CHECK_EQ(data[0], 0x72);
	scsi_memory_close(&memory);
}
