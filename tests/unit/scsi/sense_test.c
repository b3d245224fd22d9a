/* SPDX-License-Identifier: MIT */
#include "scsi/sense.h"

#include <string.h>

#include "lib/harness.h"

static uint8_t bytes[SCSI_SENSE_BYTES];

static void check_bytes(const struct scsi_sense *sense, bool is_descriptor,
			const void *want, uint8_t count)
{
	CHECK_EQ(scsi_sense_write(sense, is_descriptor, bytes), count);
	CHECK(memcmp(bytes, want, count) == 0);
}

TEST(fixed_sense_names_key_and_code)
{
	static const uint8_t want[18] = { 0x70, 0, 5, 0, 0, 0,   0,
					  10,   0, 0, 0, 0, 0x21 };

	check_bytes(&(struct scsi_sense){ .code = SENSE_LBA_OUT_OF_RANGE },
		    false, want, sizeof(want));
}

TEST(fixed_sense_points_to_a_field_of_the_cdb)
{
	struct scsi_sense sense = { .code = SENSE_BAD_CDB_FIELD,
				    .has_field = true,
				    .is_field_of_cdb = true,
				    .field_byte = 0x102,
				    .field_bit = 3 };

	scsi_sense_write(&sense, false, bytes);
	CHECK_EQ(bytes[12], 0x24);
	CHECK(memcmp(bytes + 15, (uint8_t[]){ 0xcb, 1, 2 }, 3) == 0);
}

TEST(a_field_of_a_list_without_a_bit_says_so)
{
	struct scsi_sense sense = { .code = SENSE_BAD_LIST_FIELD,
				    .has_field = true,
				    .field_byte = 7,
				    .field_bit = -1 };

	scsi_sense_write(&sense, false, bytes);
	CHECK(memcmp(bytes + 15, (uint8_t[]){ 0x80, 0, 7 }, 3) == 0);
}

TEST(information_beyond_32_bits_needs_descriptors)
{
	static const uint8_t want[20] = { 0x72, 3, 0x11, 0, 0, 0, 0, 12, 0, 10,
					  0x80, 0, 1,    2, 3, 4, 5, 6,  7, 8 };
	struct scsi_sense sense = { .code = SENSE_READ_ERROR,
				    .has_information = true,
				    .information = 0x0102030405060708 };

	check_bytes(&sense, true, want, sizeof(want));
	CHECK_EQ(scsi_sense_write(&sense, false, bytes), 18);
	CHECK_EQ(bytes[0], 0x70);
	CHECK_EQ(bytes[6], 0);
}

TEST(information_of_32_bits_is_valid_in_fixed_sense)
{
	struct scsi_sense sense = { .code = SENSE_MISCOMPARE,
				    .has_information = true,
				    .information = 0xfedcba98 };

	scsi_sense_write(&sense, false, bytes);
	CHECK(memcmp(bytes, (uint8_t[]){ 0xf0, 0, 0xe, 0xfe, 0xdc, 0xba, 0x98 },
		     7) == 0);
}

TEST(a_negative_residue_is_valid_in_fixed_sense)
{
	struct scsi_sense sense = { .is_wrong_length = true,
				    .has_information = true,
				    .information = (uint64_t)-512 };

	scsi_sense_write(&sense, false, bytes);
	CHECK(memcmp(bytes, (uint8_t[]){ 0xf0, 0, 0x20, 0xff, 0xff, 0xfe, 0 },
		     7) == 0);
}

TEST(marks_of_a_tape_are_in_both_formats)
{
	struct scsi_sense sense = { .is_filemark = true,
				    .is_end_of_medium = true };

	scsi_sense_write(&sense, false, bytes);
	CHECK_EQ(bytes[2], 0xc0);
	check_bytes(&sense, true,
		    (uint8_t[]){ 0x72, 0, 0, 0, 0, 0, 0, 4, 4, 2, 0, 0xc0 },
		    12);
}

TEST(the_longest_sense_has_room)
{
	struct scsi_sense sense = { .code = SENSE_BAD_CDB_FIELD,
				    .has_information = true,
				    .has_field = true,
				    .is_filemark = true };

	CHECK_EQ(scsi_sense_write(&sense, true, bytes), 32);
	CHECK_EQ(bytes[7], 24);
}
