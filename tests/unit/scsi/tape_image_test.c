/* SPDX-License-Identifier: MIT */
#include "scsi/tape_image.h"

#include <string.h>

#include "base/count.h"
#include "lib/harness.h"
#include "tape_reader.h"

static uint8_t image[4096];
static uint64_t written_end; /* of the file */

static void write_piece(const struct tape_piece *piece, const char *data)
{
	CHECK(piece->offset_bytes + piece->length_bytes <= sizeof(image));
	memcpy(image + piece->offset_bytes,
	       piece->is_data ? (const void *)data : piece->bytes,
	       piece->length_bytes);
	written_end =
		max_u64(written_end, piece->offset_bytes + piece->length_bytes);
}

/* All pieces of an object up to the `pieces`th; the place behind it. */
static uint64_t write_block(uint64_t place, const char *data, uint32_t pieces)
{
	struct tape_piece piece;

	for (uint32_t i = 0;
	     i < pieces &&
	     tape_block_piece(place, (uint32_t)strlen(data), i, &piece);
	     i++)
		write_piece(&piece, data);
	return place + tape_block_bytes((uint32_t)strlen(data));
}

static uint64_t write_filemarks(uint64_t place, uint32_t count, uint32_t pieces)
{
	struct tape_piece piece;

	for (uint32_t i = 0;
	     i < pieces && tape_filemarks_piece(place, count, i, &piece); i++)
		write_piece(&piece, NULL);
	return place + 4ull * count;
}

#define ALL UINT32_MAX

static void check_tape(const char *want)
{
	char got[256];

	tape_read_all(image, written_end, got, sizeof(got));
	if (strcmp(got, want) != 0)
		check_failed(__FILE__, __LINE__, got, 0, 0);
}

TEST(another_reader_finds_what_was_written)
{
	uint64_t place = write_block(0, "even", ALL);

	place = write_block(place, "odd", ALL);
	place = write_filemarks(place, 2, ALL);
	place = write_block(place, "x", ALL);
	(void)write_filemarks(place, 1, ALL);

	check_tape("even odd | | x | end");
}

TEST(what_is_written_in_the_middle_ends_the_tape_there)
{
	uint64_t second = write_block(0, "first", ALL);

	(void)write_block(write_block(second, "second", ALL), "third", ALL);
	(void)write_block(second, "new", ALL);

	check_tape("first new end");
}

TEST(a_tape_is_whole_after_each_piece_of_a_block)
{
	for (uint32_t pieces = 1; pieces < 4; pieces++) {
		uint64_t second = write_block(0, "first", ALL);

		(void)write_block(second, "second", ALL);
		(void)write_block(second, "new", pieces);

		check_tape("first end");
	}
}

TEST(a_tape_is_whole_after_each_piece_of_filemarks)
{
	for (uint32_t pieces = 1; pieces < 3; pieces++) {
		uint64_t second = write_block(0, "first", ALL);

		(void)write_block(second, "second", ALL);
		(void)write_filemarks(second, TAPE_FILEMARKS_MAX, pieces);

		check_tape("first end");
	}
}

TEST(a_block_is_found_from_both_sides)
{
	uint64_t begin = write_block(0, "odd", ALL);
	uint64_t end = write_block(begin, "seven b", ALL);
	struct tape_object ahead =
		tape_object_ahead(image + begin, begin, written_end);
	struct tape_object behind = tape_object_behind(image + end - 4, end);

	CHECK_EQ(ahead.kind, TAPE_BLOCK);
	CHECK_EQ(ahead.data_bytes, 7);
	CHECK_EQ(ahead.end, end);
	CHECK_EQ(ahead.far_mark, end - 4);
	CHECK_EQ(behind.kind, TAPE_BLOCK);
	CHECK_EQ(behind.data_bytes, 7);
	CHECK_EQ(behind.begin, begin);
	CHECK_EQ(behind.far_mark, begin);
	CHECK(memcmp(image + ahead.far_mark, image + behind.far_mark, 4) == 0);
}

TEST(a_filemark_is_found_from_both_sides)
{
	static const uint8_t mark[4];
	struct tape_object ahead = tape_object_ahead(mark, 100, 104);
	struct tape_object behind = tape_object_behind(mark, 104);

	CHECK_EQ(ahead.kind, TAPE_FILEMARK);
	CHECK_EQ(ahead.end, 104);
	CHECK_EQ(behind.kind, TAPE_FILEMARK);
	CHECK_EQ(behind.begin, 100);
}

TEST(a_tape_ends_where_it_is_marked_and_where_the_file_ends)
{
	static const uint8_t end[4] = { 0xff, 0xff, 0xff, 0xff };

	CHECK_EQ(tape_object_ahead(end, 8, 4096).kind, TAPE_END);
	CHECK_EQ(tape_object_ahead(NULL, 8, 8).kind, TAPE_END);
	CHECK_EQ(tape_object_ahead(NULL, 8, 11).kind, TAPE_END);
	CHECK_EQ(tape_object_ahead(NULL, 8, 0).kind, TAPE_END);
	CHECK_EQ(tape_object_behind(NULL, 0).kind, TAPE_END);
	CHECK_EQ(tape_object_behind(NULL, 3).kind, TAPE_END);
}

TEST(bad_data_of_another_tool_is_told)
{
	static const uint8_t mark[4] = { 5, 0, 0, 0x80 };
	struct tape_object object = tape_object_ahead(mark, 0, 4096);

	CHECK_EQ(object.kind, TAPE_BLOCK);
	CHECK_EQ(object.data_bytes, 5);
	CHECK(object.is_bad);
}

TEST(gaps_are_passed_over_in_both_directions)
{
	static const uint8_t gap[4] = { 0xfe, 0xff, 0xff, 0xff };
	/* What a block leaves that ends in the middle of a mark. */
	static const uint8_t half[] = { 9, 0, 0xff, 0xff, 0xfe, 0xff };

	CHECK_EQ(tape_object_ahead(gap, 40, 4096).kind, TAPE_GAP);
	CHECK_EQ(tape_object_ahead(gap, 40, 4096).end, 44);
	CHECK_EQ(tape_object_behind(gap, 44).kind, TAPE_GAP);
	CHECK_EQ(tape_object_behind(gap, 44).begin, 40);
	CHECK_EQ(tape_object_ahead(half + 2, 40, 4096).kind, TAPE_GAP);
	CHECK_EQ(tape_object_ahead(half + 2, 40, 4096).end, 42);
	CHECK_EQ(tape_object_behind(half, 42).kind, TAPE_GAP);
	CHECK_EQ(tape_object_behind(half, 42).begin, 40);
}

TEST(a_damaged_image_cannot_reach_beyond_its_ends)
{
	static const uint8_t longest[4] = { 0xfe, 0xff, 0xff, 0x7f };
	static const uint8_t nothing[4] = { 0, 0, 0, 0x80 };
	static const uint8_t four[4] = { 4, 0, 0, 0 };

	CHECK_EQ(tape_object_ahead(longest, 8, 4096).kind, TAPE_BROKEN);
	CHECK_EQ(tape_object_behind(longest, 4096).kind, TAPE_BROKEN);
	CHECK_EQ(tape_object_ahead(nothing, 8, 4096).kind, TAPE_BROKEN);
	CHECK_EQ(tape_object_behind(nothing, 4096).kind, TAPE_BROKEN);
	CHECK_EQ(tape_object_ahead(four, 8, 20).kind, TAPE_BLOCK);
	CHECK_EQ(tape_object_ahead(four, 8, 19).kind, TAPE_BROKEN);
	CHECK_EQ(tape_object_behind(four, 12).kind, TAPE_BLOCK);
	CHECK_EQ(tape_object_behind(four, 11).kind, TAPE_BROKEN);
}
