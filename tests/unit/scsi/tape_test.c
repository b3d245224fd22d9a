/* SPDX-License-Identifier: MIT */
#include "scsi/tape.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"
#include "media_rig.h"
#include "scsi/bytes.h"
#include "tape_reader.h"

/* In byte 2 of sense data. */
#define FILEMARK 0x80
#define END      0x40
#define LENGTH   0x20

#define FIXED  0x01
#define SILENT 0x02

#define BLOCKS    0
#define FILEMARKS 1
#define TO_END    3

/* The three bytes of a count. */
#define COUNT(value) \
	(uint8_t)((value) >> 16), (uint8_t)((value) >> 8), (uint8_t)(value)

static struct media_rig rig;

static void open_tape(void)
{
	media_rig_open(&rig, SCSI_TAPE);
}

static void close_tape(void)
{
	media_rig_close(&rig);
}

static int write_text(const char *text)
{
	rig.data_bytes = (uint32_t)strlen(text);
	memcpy(rig.data, text, rig.data_bytes);
	return RUN(&rig, 0x0a, 0, COUNT(rig.data_bytes), 0);
}

static int write_filemarks(uint32_t count)
{
	return RUN(&rig, 0x10, 0, COUNT(count), 0);
}

static int rewind_tape(void)
{
	return RUN(&rig, 0x01, 0, 0, 0, 0, 0);
}

static int space(uint8_t code, int32_t count)
{
	return RUN(&rig, 0x11, code, COUNT((uint32_t)count), 0);
}

static int read_block(uint8_t flags, uint32_t bytes)
{
	memset(rig.data, '.', sizeof(rig.data));
	rig.data_bytes = bytes;
	return RUN(&rig, 0x08, flags, COUNT(bytes), 0);
}

static void set_block_bytes(uint32_t bytes)
{
	static const uint8_t list[] = { 0, 0, 0x10, 8, 0, 0, 0, 0, 0 };

	memcpy(rig.data, list, sizeof(list));
	rig.data[9] = (uint8_t)(bytes >> 16);
	rig.data[10] = (uint8_t)(bytes >> 8);
	rig.data[11] = (uint8_t)bytes;
	rig.data_bytes = 12;
	CHECK_EQ(RUN(&rig, 0x15, 0x10, 0, 0, 12, 0), SCSI_GOOD);
}

#define CHECK_DATA(text)                                     \
	CHECK_EQ(memcmp(rig.data, (text), strlen(text)), 0); \
	CHECK_EQ(rig.outcome.transferred_bytes, strlen(text))

#define CHECK_SENSE(code, marks_, information)              \
	CHECK_EQ(rig.outcome.status, SCSI_CHECK_CONDITION); \
	CHECK_EQ(media_rig_sense(&rig), (code));            \
	CHECK_EQ(media_rig_marks(&rig), (marks_));          \
	CHECK_EQ(media_rig_information(&rig), (information))

static void check_place(uint32_t object, uint32_t file)
{
	rig.data_bytes = 32;
	CHECK_EQ(RUN(&rig, 0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_GOOD);
	CHECK_EQ(get_be64(rig.data + 8), object);
	CHECK_EQ(get_be64(rig.data + 16), file);
}

static void check_tape(const char *want)
{
	char got[4096];

	tape_read_all(rig.memory.image, RIG_MEDIUM_BYTES, got, sizeof(got));
	if (strcmp(got, want) != 0)
		check_failed(__FILE__, __LINE__, got, 0, 0);
}

/* first second | third | */
static void record_tape(void)
{
	open_tape();
	CHECK_EQ(write_text("first"), SCSI_GOOD);
	CHECK_EQ(write_text("second"), SCSI_GOOD);
	CHECK_EQ(write_filemarks(1), SCSI_GOOD);
	CHECK_EQ(write_text("third"), SCSI_GOOD);
	CHECK_EQ(write_filemarks(1), SCSI_GOOD);
	CHECK_EQ(rewind_tape(), SCSI_GOOD);
}

TEST(what_is_written_is_read_again)
{
	record_tape();

	check_tape("first second | third | end");
	CHECK_EQ(read_block(0, 5), SCSI_GOOD);
	CHECK_DATA("first");
	CHECK_EQ(read_block(0, 6), SCSI_GOOD);
	CHECK_DATA("second");

	close_tape();
}

TEST(a_filemark_ends_a_read_and_is_passed)
{
	record_tape();
	CHECK_EQ(space(BLOCKS, 2), SCSI_GOOD);

	(void)read_block(0, 100);
	CHECK_SENSE(SENSE_TAPE_FILEMARK, FILEMARK, 100);
	CHECK_EQ(rig.outcome.transferred_bytes, 0);
	CHECK_EQ(read_block(0, 5), SCSI_GOOD);
	CHECK_DATA("third");

	close_tape();
}

TEST(a_block_of_another_length_is_told)
{
	record_tape();

	(void)read_block(0, 8);
	CHECK_SENSE(SENSE_NONE, LENGTH, 3);
	CHECK_DATA("first");
	(void)read_block(0, 4);
	CHECK_SENSE(SENSE_NONE, LENGTH, -2);
	CHECK_DATA("seco");
	check_place(2, 0);

	close_tape();
}

TEST(a_block_of_another_length_is_not_told_if_that_is_asked_for)
{
	record_tape();

	CHECK_EQ(read_block(SILENT, 8), SCSI_GOOD);
	CHECK_DATA("first");
	CHECK_EQ(read_block(SILENT, 4), SCSI_GOOD);
	CHECK_DATA("seco");

	/* With blocks of a fixed length, a longer one is. */
	set_block_bytes(512);
	CHECK_EQ(rewind_tape(), SCSI_GOOD);
	(void)read_block(SILENT, 4);
	CHECK_SENSE(SENSE_NONE, LENGTH, -1);

	close_tape();
}

TEST(behind_the_last_object_the_tape_is_blank)
{
	record_tape();
	CHECK_EQ(space(TO_END, 0), SCSI_GOOD);

	(void)read_block(0, 7);
	CHECK_SENSE(SENSE_TAPE_BLANK, 0, 7);
	(void)space(FILEMARKS, 3);
	CHECK_SENSE(SENSE_TAPE_BLANK, 0, 3);
	check_place(5, 2);

	close_tape();
}

TEST(blocks_of_a_fixed_length_are_counted)
{
	open_tape();
	set_block_bytes(4);
	memcpy(rig.data, "onetwo", 6);
	memcpy(rig.data, "one.two.six.", 12);
	rig.data_bytes = 12;

	CHECK_EQ(RUN(&rig, 0x0a, FIXED, COUNT(3), 0), SCSI_GOOD);
	CHECK_EQ(write_filemarks(1), SCSI_GOOD);
	check_tape("one. two. six. | end");
	CHECK_EQ(rewind_tape(), SCSI_GOOD);
	rig.data_bytes = 8;
	CHECK_EQ(RUN(&rig, 0x08, FIXED, COUNT(2), 0), SCSI_GOOD);
	CHECK_DATA("one.two.");
	rig.data_bytes = 20;
	(void)RUN(&rig, 0x08, FIXED, COUNT(5), 0);
	CHECK_SENSE(SENSE_TAPE_FILEMARK, FILEMARK, 4);
	CHECK_DATA("six.");

	close_tape();
}

TEST(a_block_that_is_not_of_the_fixed_length_ends_a_read)
{
	record_tape();
	set_block_bytes(5);

	rig.data_bytes = 15;
	(void)RUN(&rig, 0x08, FIXED, COUNT(3), 0);
	CHECK_SENSE(SENSE_NONE, LENGTH, 2);
	check_place(2, 0);

	close_tape();
}

TEST(fixed_blocks_want_a_length)
{
	open_tape();

	(void)RUN(&rig, 0x08, FIXED, COUNT(1), 0);
	CHECK_EQ(media_rig_sense(&rig), SENSE_BAD_CDB_FIELD);
	set_block_bytes(512);
	(void)RUN(&rig, 0x08, FIXED | SILENT, COUNT(1), 0);
	CHECK_EQ(media_rig_sense(&rig), SENSE_BAD_CDB_FIELD);

	close_tape();
}

TEST(spacing_stops_at_filemarks_and_at_the_beginning)
{
	record_tape();

	(void)space(BLOCKS, 5);
	CHECK_SENSE(SENSE_TAPE_FILEMARK, FILEMARK, 3);
	check_place(3, 1);
	(void)space(BLOCKS, -2);
	CHECK_SENSE(SENSE_TAPE_FILEMARK, FILEMARK, 2);
	check_place(2, 0);
	CHECK_EQ(space(FILEMARKS, 2), SCSI_GOOD);
	check_place(5, 2);
	CHECK_EQ(space(FILEMARKS, -2), SCSI_GOOD);
	check_place(2, 0);
	(void)space(BLOCKS, -4);
	CHECK_SENSE(SENSE_TAPE_BEGIN, END, 2);
	check_place(0, 0);

	close_tape();
}

TEST(locating_goes_to_an_object_from_either_side)
{
	record_tape();

	for (uint8_t object = 0; object < 6; object++) {
		uint8_t back = (uint8_t)(5 - object);

		CHECK_EQ(RUN(&rig, 0x2b, 0, 0, 0, 0, 0, object, 0, 0, 0),
			 SCSI_GOOD);
		check_place(object, object < 3 ? 0 : object < 5 ? 1 : 2);
		CHECK_EQ(RUN(&rig, 0x92, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, back, 0,
			     0, 0, 0),
			 SCSI_GOOD);
		check_place(back, back < 3 ? 0 : back < 5 ? 1 : 2);
	}
	(void)RUN(&rig, 0x2b, 0, 0, 0, 0, 0, 9, 0, 0, 0);
	CHECK_SENSE(SENSE_TAPE_BLANK, 0, 4);

	close_tape();
}

TEST(locating_goes_to_a_file_and_to_the_end)
{
	record_tape();

	CHECK_EQ(RUN(&rig, 0x92, 3 << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		     0),
		 SCSI_GOOD);
	check_place(5, 2);
	CHECK_EQ(RUN(&rig, 0x92, 1 << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
		     0),
		 SCSI_GOOD);
	check_place(3, 1);
	/* There is no other partition. */
	(void)RUN(&rig, 0x2b, 0x02, 0, 0, 0, 0, 0, 0, 1, 0);
	CHECK_EQ(media_rig_sense(&rig), SENSE_BAD_CDB_FIELD);

	close_tape();
}

TEST(what_is_written_is_the_end_of_the_tape)
{
	record_tape();
	CHECK_EQ(space(BLOCKS, 1), SCSI_GOOD);

	CHECK_EQ(write_text("new"), SCSI_GOOD);

	check_tape("first new end");
	(void)read_block(0, 5);
	CHECK_SENSE(SENSE_TAPE_BLANK, 0, 5);

	close_tape();
}

TEST(erasing_ends_the_tape_and_leaves_nothing_behind)
{
	static const uint8_t nothing[64];
	uint64_t end;

	record_tape();
	CHECK_EQ(space(BLOCKS, 1), SCSI_GOOD);
	end = rig.memory.ledger.state.tape.place + 4;

	CHECK_EQ(RUN(&rig, 0x19, 1, 0, 0, 0, 0), SCSI_GOOD);

	check_tape("first end");
	CHECK_EQ(memcmp(rig.memory.image + end, nothing, sizeof(nothing)), 0);

	close_tape();
}

/* Blocks of 1000 bytes until the drive says something. */
static uint32_t fill_tape(void)
{
	for (uint32_t count = 1;; count++) {
		rig.data_bytes = 1000;
		memset(rig.data, 'x', rig.data_bytes);
		if (RUN(&rig, 0x0a, 0, COUNT(1000), 0) != SCSI_GOOD)
			return count;
	}
}

TEST(a_writer_is_warned_before_the_end_and_stopped_at_it)
{
	uint32_t warned;

	open_tape();

	warned = fill_tape();
	CHECK_SENSE(SENSE_TAPE_END, END, 0);
	CHECK_EQ(rig.outcome.transferred_bytes, 1000);
	while (media_rig_sense(&rig) == SENSE_TAPE_END)
		warned += fill_tape();
	CHECK_SENSE(SENSE_TAPE_OVERFLOW, END, 1000);
	CHECK_EQ(rig.outcome.transferred_bytes, 0);
	check_place(warned - 1, 0);
	CHECK_EQ(rewind_tape(), SCSI_GOOD);
	CHECK_EQ(read_block(0, 1000), SCSI_GOOD);

	close_tape();
}

TEST(a_hostile_guest_cannot_write_beyond_its_tape)
{
	open_tape();

	/* The rig checks each step. */
	while (write_filemarks(0xffffff) != SCSI_CHECK_CONDITION ||
	       media_rig_sense(&rig) != SENSE_TAPE_OVERFLOW)
		;
	(void)fill_tape();
	CHECK_EQ(media_rig_sense(&rig), SENSE_TAPE_OVERFLOW);

	close_tape();
}

TEST(a_hostile_guest_cannot_write_more_than_it_sends)
{
	open_tape();
	rig.data_bytes = 4;

	(void)RUN(&rig, 0x0a, 0, COUNT(5), 0);
	CHECK_EQ(media_rig_sense(&rig), SENSE_BAD_CDB_FIELD);
	(void)RUN(&rig, 0x0a, 0, 0xff, 0xff, 0xff, 0);
	CHECK_EQ(media_rig_sense(&rig), SENSE_BAD_CDB_FIELD);

	close_tape();
}

TEST(a_read_stays_within_what_the_initiator_expects)
{
	record_tape();
	memset(rig.data, '.', 8);
	rig.data_bytes = 3;

	CHECK_EQ(RUN(&rig, 0x08, 0, COUNT(5), 0), SCSI_GOOD);

	CHECK_EQ(memcmp(rig.data, "fir.....", 8), 0);
	CHECK_EQ(rig.outcome.transferred_bytes, 3);

	close_tape();
}

TEST(a_damaged_block_is_an_error_of_the_medium)
{
	record_tape();
	rig.memory.image[4 + 6] ^= 1; /* the length behind the first block */

	(void)read_block(0, 5);
	CHECK_SENSE(SENSE_READ_ERROR, 0, 5);
	check_place(0, 0);
	(void)space(FILEMARKS, 1);
	CHECK_SENSE(SENSE_READ_ERROR, 0, 1);

	close_tape();
}

TEST(a_block_that_another_tool_marked_as_bad_is_told_and_passed)
{
	record_tape();
	rig.memory.image[3] |= 0x80;
	rig.memory.image[4 + 6 + 3] |= 0x80;

	(void)read_block(0, 5);
	CHECK_SENSE(SENSE_READ_ERROR, 0, 5);
	check_place(1, 0);

	close_tape();
}

TEST(a_device_that_fails_moves_no_tape)
{
	record_tape();

	rig.memory.fail_with = -EIO;
	(void)read_block(0, 5);
	CHECK_EQ(media_rig_sense(&rig), SENSE_READ_ERROR);
	(void)write_text("lost");
	CHECK_EQ(media_rig_sense(&rig), SENSE_WRITE_ERROR);
	rig.memory.fail_with = 0;
	check_place(0, 0);

	close_tape();
}

TEST(filemarks_promise_stable_storage_unless_they_may_be_late)
{
	open_tape();

	CHECK_EQ(write_filemarks(0), SCSI_GOOD);
	CHECK(rig.outcome.is_stored);
	CHECK_EQ(RUN(&rig, 0x10, 1, COUNT(1), 0), SCSI_GOOD);
	CHECK(!rig.outcome.is_stored);
	check_tape("| end");

	close_tape();
}

TEST(a_tape_tells_its_place_in_short)
{
	record_tape();

	rig.data_bytes = 20;
	CHECK_EQ(RUN(&rig, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_GOOD);
	CHECK_EQ(rig.data[0], 0x80);
	CHECK_EQ(space(FILEMARKS, 1), SCSI_GOOD);
	CHECK_EQ(RUN(&rig, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_GOOD);
	CHECK_EQ(rig.data[0], 0);
	CHECK_EQ(get_be32(rig.data + 4), 3);
	CHECK_EQ(get_be32(rig.data + 8), 3);

	close_tape();
}

TEST(an_unloaded_tape_is_not_ready_until_it_is_loaded)
{
	record_tape();
	CHECK_EQ(space(FILEMARKS, 1), SCSI_GOOD);

	CHECK_EQ(RUN(&rig, 0x1b, 0, 0, 0, 0, 0), SCSI_GOOD);
	(void)read_block(0, 5);
	CHECK_EQ(media_rig_sense(&rig), SENSE_NO_MEDIUM);
	CHECK_EQ(RUN(&rig, 0x1b, 0, 0, 0, 1, 0), SCSI_GOOD);
	check_place(0, 0);

	close_tape();
}

TEST(a_tape_that_is_held_is_not_unloaded)
{
	record_tape();
	CHECK_EQ(RUN(&rig, 0x1e, 0, 0, 0, 1, 0), SCSI_GOOD);

	(void)RUN(&rig, 0x1b, 0, 0, 0, 0, 0);
	CHECK_EQ(media_rig_sense(&rig), SENSE_REMOVAL_PREVENTED);
	CHECK_EQ(RUN(&rig, 0x1e, 0, 0, 0, 0, 0), SCSI_GOOD);
	CHECK_EQ(RUN(&rig, 0x1b, 0, 0, 0, 0, 0), SCSI_GOOD);

	close_tape();
}

TEST(a_protected_tape_is_not_written)
{
	record_tape();
	rig.memory.unit.is_read_only = true;

	(void)write_text("lost");
	CHECK_EQ(media_rig_sense(&rig), SENSE_WRITE_PROTECTED);
	(void)write_filemarks(1);
	CHECK_EQ(media_rig_sense(&rig), SENSE_WRITE_PROTECTED);
	(void)RUN(&rig, 0x19, 1, 0, 0, 0, 0);
	CHECK_EQ(media_rig_sense(&rig), SENSE_WRITE_PROTECTED);
	check_tape("first second | third | end");

	close_tape();
}

TEST(limits_and_density_are_told)
{
	open_tape();
	rig.data_bytes = 56;

	CHECK_EQ(RUN(&rig, 0x05, 0, 0, 0, 0, 0), SCSI_GOOD);
	CHECK_EQ(get_be32(rig.data), SCSI_TRANSFER_MAX);
	CHECK_EQ(get_be16(rig.data + 4), 1);
	CHECK_EQ(RUN(&rig, 0x44, 1, 0, 0, 0, 0, 0, 0, 56, 0), SCSI_GOOD);
	CHECK_EQ(get_be16(rig.data), 54);
	CHECK_EQ(rig.data[4], TAPE_DENSITY);

	close_tape();
}

/* The block descriptor: density, and the length of blocks. */
static int select_blocks(uint8_t density, uint32_t bytes)
{
	memset(rig.data, 0, 12);
	rig.data[3] = 8;
	rig.data[4] = density;
	put_be32(rig.data + 8, bytes);
	rig.data_bytes = 12;
	return RUN(&rig, 0x15, 0x10, 0, 0, 12, 0);
}

TEST(a_tape_has_one_density_and_blocks_that_fit_into_a_transfer)
{
	static const uint8_t same[] = { 0x00, 0x7f, TAPE_DENSITY };

	open_tape();

	for (size_t i = 0; i < sizeof(same); i++)
		CHECK_EQ(select_blocks(same[i], 512), SCSI_GOOD);
	CHECK_EQ(select_blocks(0x46, 512), SCSI_CHECK_CONDITION);
	CHECK_EQ(media_rig_sense(&rig), SENSE_BAD_LIST_FIELD);
	CHECK_EQ(select_blocks(0, SCSI_TRANSFER_MAX + 1), SCSI_CHECK_CONDITION);
	CHECK_EQ(media_rig_sense(&rig), SENSE_BAD_LIST_FIELD);

	close_tape();
}

TEST(mode_pages_of_a_tape_tell_blocks_and_buffering)
{
	open_tape();
	set_block_bytes(1024);
	rig.data_bytes = 255;

	CHECK_EQ(RUN(&rig, 0x1a, 0, 0x3f, 0, 255, 0), SCSI_GOOD);
	CHECK_EQ(rig.data[0] + 1u, rig.outcome.transferred_bytes);
	CHECK_EQ(rig.data[2], 0x10);
	CHECK_EQ(rig.data[4], TAPE_DENSITY);
	CHECK_EQ(get_be24(rig.data + 9), 1024);
	CHECK_EQ(RUN(&rig, 0x1a, 8, 0x0f, 0, 255, 0), SCSI_GOOD);
	CHECK_EQ(get_be16(rig.data + 4), 0x0f0e);
	CHECK_EQ(rig.data[6], 0); /* no compression */
	CHECK_EQ(RUN(&rig, 0x1a, 8, 0x10, 0, 255, 0), SCSI_GOOD);
	CHECK_EQ(get_be16(rig.data + 4), 0x100e);

	close_tape();
}

/* Marks of all kinds, lengths that fit and lengths that do not. */
static void fill_image(uint32_t seed)
{
	static const uint32_t marks[] = { 0, 0,  0xfffffffe, 0xfffeffff,
					  4, 12, 4,          0x80000004 };

	for (uint32_t at = 0; at < RIG_MEDIUM_BYTES; at += 4) {
		uint32_t mark;

		seed = seed * 1103515245 + 12345;
		mark = marks[seed >> 16 & 7];
		if ((seed >> 20 & 0x3ff) == 0)
			mark = seed & 1 << 19 ? 0xffffffff : 0x7fffffff;
		memcpy(rig.memory.image + at, &mark, sizeof(mark));
	}
}

TEST(a_hostile_image_cannot_lead_beyond_the_tape_nor_hold_a_command)
{
	for (uint32_t seed = 0; seed < 64; seed++) {
		open_tape();
		CHECK_EQ(scsi_unit_load(&rig.memory.unit, 1, RIG_MEDIUM_BYTES),
			 0);
		CHECK_EQ(RUN(&rig, 0, 0, 0, 0, 0, 0), SCSI_CHECK_CONDITION);
		fill_image(seed);

		/* The rig checks each step. */
		for (int i = 0; i < 32; i++) {
			(void)read_block(0, 8);
			(void)space(BLOCKS, i % 3 ? 5 : -7);
			(void)space(FILEMARKS, i % 2 ? 3 : -1);
		}
		(void)space(TO_END, 0);
		(void)space(FILEMARKS, -8388608);

		close_tape();
	}
}

TEST(a_tape_of_nothing_but_filemarks_has_an_end)
{
	open_tape();
	CHECK_EQ(scsi_unit_load(&rig.memory.unit, 1, RIG_MEDIUM_BYTES), 0);
	CHECK_EQ(RUN(&rig, 0, 0, 0, 0, 0, 0), SCSI_CHECK_CONDITION);

	CHECK_EQ(space(TO_END, 0), SCSI_GOOD);
	check_place(RIG_MEDIUM_BYTES / 4, RIG_MEDIUM_BYTES / 4);
	(void)space(BLOCKS, 1);
	CHECK_SENSE(SENSE_TAPE_BLANK, 0, 1);

	close_tape();
}
