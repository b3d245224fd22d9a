/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "lib/harness.h"
#include "lib/scsi_memory.h"
#include "scsi/bytes.h"

#define BLOCK  2048u
#define BLOCKS 64u

/* The first size that has no address in minutes, seconds and frames. */
#define DVD_BLOCKS 449851u

static struct scsi_memory memory;
static struct scsi_task task;
static uint8_t data[256];

static void open_drive(void)
{
	memset(&memory, 0, sizeof(memory));
	memory.unit = (struct scsi_unit){ .type = SCSI_CD,
					  .block_bytes = BLOCK,
					  .physical_block_bytes = BLOCK,
					  .block_count = BLOCKS,
					  .is_removable = true,
					  .is_read_only = true };
	scsi_memory_make(&memory);
}

static void close_drive(void)
{
	scsi_memory_close(&memory);
}

static void run(const void *cdb, size_t cdb_bytes)
{
	memset(&task, 0, sizeof(task));
	memset(data, 0xee, sizeof(data));
	memcpy(task.cdb, cdb, cdb_bytes);
	task.direction = SCSI_DATA_TO_INITIATOR;
	task.data = data;
	task.data_bytes = sizeof(data);
	scsi_memory_run(&memory, 0, &task);
}

#define RUN(...) \
	run((uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

#define CHECK_ANSWER(bytes)                       \
	CHECK_EQ(task.outcome.status, SCSI_GOOD); \
	CHECK_EQ(task.outcome.transferred_bytes, (bytes))

#define CHECK_REFUSED(code)                                    \
	CHECK_EQ(task.outcome.status, SCSI_CHECK_CONDITION);   \
	CHECK_EQ(task.outcome.sense[2], SCSI_SENSE_KEY(code)); \
	CHECK_EQ(get_be16(task.outcome.sense + 12), (uint16_t)(code))

TEST(a_disc_has_one_track_and_its_end)
{
	open_drive();

	RUN(0x43, 0, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_ANSWER(20);
	CHECK_EQ(get_be16(data), 18);
	CHECK_EQ(data[6], 1);
	CHECK_EQ(get_be32(data + 8), 0);
	CHECK_EQ(data[14], 0xaa);
	CHECK_EQ(get_be32(data + 16), BLOCKS);

	close_drive();
}

TEST(a_table_of_contents_begins_at_the_track_asked_for)
{
	open_drive();

	RUN(0x43, 0, 0, 0, 0, 0, 0xaa, 0, 255, 0);
	CHECK_ANSWER(12);
	CHECK_EQ(data[6], 0xaa);
	RUN(0x43, 0, 0, 0, 0, 0, 2, 0, 255, 0);
	CHECK_REFUSED(SENSE_BAD_CDB_FIELD);

	close_drive();
}

TEST(addresses_are_told_in_minutes_if_that_is_asked_for)
{
	open_drive();
	memory.unit.block_count = 75 * 60 * 2 + 75 * 3 + 4;

	RUN(0x43, 0x02, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_ANSWER(20);
	CHECK_EQ(get_be32(data + 8), 0x000200);  /* two seconds */
	CHECK_EQ(get_be32(data + 16), 0x020504); /* and those */

	close_drive();
}

TEST(a_disc_has_one_session)
{
	open_drive();

	RUN(0x43, 0, 1, 0, 0, 0, 0, 0, 255, 0);
	CHECK_ANSWER(12);
	CHECK_EQ(get_be16(data + 2), 0x0101);
	CHECK_EQ(data[6], 1);
	RUN(0x43, 0, 2, 0, 0, 0, 1, 0, 255, 0);
	CHECK_ANSWER(4 + 4 * 11);
	CHECK_EQ(data[4 + 2 * 11 + 3], 0xa2);
	CHECK_EQ(get_be32(data + 4 + 2 * 11 + 7), 0x000200 + BLOCKS);
	RUN(0x43, 0, 4, 0, 0, 0, 0, 0, 255, 0);
	CHECK_REFUSED(SENSE_BAD_CDB_FIELD);

	close_drive();
}

TEST(a_disc_is_complete)
{
	open_drive();

	RUN(0x51, 0, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_ANSWER(34);
	CHECK_EQ(get_be16(data), 32);
	CHECK_EQ(data[2], 0x0e);
	RUN(0x51, 1, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_REFUSED(SENSE_BAD_CDB_FIELD);

	close_drive();
}

/* The profile, having checked that the features fill the length told. */
static uint16_t check_features(uint32_t *ret_count)
{
	uint32_t at = 8, bytes = get_be32(data) + 4;

	CHECK_EQ(task.outcome.transferred_bytes, bytes);
	for (*ret_count = 0; at < bytes; (*ret_count)++)
		at += 4u + data[at + 3];
	CHECK_EQ(at, bytes);
	return get_be16(data + 6);
}

TEST(a_drive_tells_what_it_can_do_with_its_disc)
{
	uint32_t all, count;

	open_drive();
	RUN(0x46, 0, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_EQ(check_features(&all), 0x0008);

	RUN(0x46, 1, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_EQ(check_features(&count), 0x0008);
	CHECK_EQ(count, all - 1);
	RUN(0x46, 2, 0, 0x1e, 0, 0, 0, 0, 255, 0);
	(void)check_features(&count);
	CHECK_EQ(count, 1);
	CHECK_EQ(get_be16(data + 8), 0x001e);
	RUN(0x46, 0, 0, 0x1f, 0, 0, 0, 0, 255, 0);
	(void)check_features(&count);
	CHECK_EQ(count, 1);
	RUN(0x46, 3, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_REFUSED(SENSE_BAD_CDB_FIELD);

	close_drive();
}

TEST(what_no_compact_disc_can_hold_is_a_dvd)
{
	uint32_t count;

	open_drive();

	memory.unit.block_count = DVD_BLOCKS - 1;
	RUN(0x46, 0, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_EQ(check_features(&count), 0x0008);
	memory.unit.block_count = DVD_BLOCKS;
	RUN(0x46, 0, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_EQ(check_features(&count), 0x0010);

	close_drive();
}

TEST(a_drive_tells_whether_a_disc_is_in_it)
{
	uint32_t count;

	open_drive();

	RUN(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 255, 0);
	CHECK_ANSWER(8);
	CHECK_EQ(data[5], 0x02);
	RUN(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0);
	CHECK_ANSWER(8);
	CHECK_EQ(data[1], 0);
	memory.unit.block_count = 0;
	RUN(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 255, 0);
	CHECK_EQ(data[5], 0x01);
	RUN(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0);
	CHECK_EQ(data[1], 0x10);
	RUN(0x46, 0, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_EQ(check_features(&count), 0);
	RUN(0x43, 0, 0, 0, 0, 0, 0, 0, 255, 0);
	CHECK_REFUSED(SENSE_NO_MEDIUM);
	RUN(0x00, 0, 0, 0, 0, 0);
	CHECK_REFUSED(SENSE_NO_MEDIUM);

	close_drive();
}

TEST(events_are_polled_and_only_of_the_medium)
{
	open_drive();

	RUN(0x4a, 0, 0, 0, 0x10, 0, 0, 0, 255, 0);
	CHECK_REFUSED(SENSE_BAD_CDB_FIELD);
	RUN(0x4a, 1, 0, 0, 0x02, 0, 0, 0, 255, 0);
	CHECK_ANSWER(4);
	CHECK_EQ(data[2], 0x80);
	CHECK_EQ(data[3], 0x10);

	close_drive();
}

TEST(a_disc_is_read_and_never_written)
{
	open_drive();
	memory.image[3 * BLOCK] = 7;

	RUN(0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0);
	CHECK_EQ(task.outcome.transferred_bytes, sizeof(data) / BLOCK * BLOCK);
	RUN(0x2a, 0, 0, 0, 0, 3, 0, 0, 1, 0);
	CHECK_REFUSED(SENSE_BAD_OPCODE);

	close_drive();
}

TEST(a_drive_tells_its_capabilities)
{
	open_drive();

	RUN(0x1a, 8, 0x2a, 0, 255, 0);
	CHECK_ANSWER(4 + 20);
	CHECK_EQ(data[4], 0x2a);
	CHECK_EQ(data[5], 18);
	CHECK_EQ(data[4 + 3], 0);    /* it writes nothing */
	CHECK_EQ(data[4 + 6], 0x29); /* it locks and ejects a tray */

	close_drive();
}
