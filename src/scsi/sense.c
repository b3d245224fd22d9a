/* SPDX-License-Identifier: MIT */
#include "scsi/sense.h"

#include <string.h>

#include "scsi/bytes.h"

/* Response codes and places of SPC-4 tables 29 and 53. */
#define CURRENT_FIXED      0x70
#define CURRENT_DESCRIPTOR 0x72
#define FIXED_BYTES        18
#define FIXED_VALID        0x80
#define FIXED_KEY_SPECIFIC 15
#define DESCRIPTORS        8

#define FILEMARK      0x80
#define END_OF_MEDIUM 0x40
#define WRONG_LENGTH  0x20

#define KEY_SPECIFIC_VALID 0x80
#define FIELD_OF_CDB       0x40
#define BIT_POINTER_VALID  0x08

static uint8_t marks(const struct scsi_sense *sense)
{
	return (uint8_t)((sense->is_filemark ? FILEMARK : 0) |
			 (sense->is_end_of_medium ? END_OF_MEDIUM : 0) |
			 (sense->is_wrong_length ? WRONG_LENGTH : 0));
}

static void write_field(const struct scsi_sense *sense, uint8_t *ret_bytes)
{
	ret_bytes[0] = KEY_SPECIFIC_VALID;
	if (sense->is_field_of_cdb)
		ret_bytes[0] |= FIELD_OF_CDB;
	if (sense->field_bit >= 0)
		ret_bytes[0] |=
			(uint8_t)(BIT_POINTER_VALID | (sense->field_bit & 7));
	put_be16(ret_bytes + 1, sense->field_byte);
}

/* A residue of a tape is signed: its upper half is then all ones. */
static bool fits_fixed(const struct scsi_sense *sense)
{
	int64_t value = (int64_t)sense->information;

	return sense->information <= UINT32_MAX ||
	       (value < 0 && value >= INT32_MIN);
}

static uint8_t write_fixed(const struct scsi_sense *sense, uint8_t *ret_bytes)
{
	ret_bytes[0] = CURRENT_FIXED;
	ret_bytes[2] = (uint8_t)(SCSI_SENSE_KEY(sense->code) | marks(sense));
	if (sense->has_information && fits_fixed(sense)) {
		ret_bytes[0] |= FIXED_VALID;
		put_be32(ret_bytes + 3, (uint32_t)sense->information);
	}
	ret_bytes[7] = FIXED_BYTES - 8;
	put_be16(ret_bytes + 12, (uint16_t)sense->code);
	if (sense->has_field)
		write_field(sense, ret_bytes + FIXED_KEY_SPECIFIC);
	return FIXED_BYTES;
}

static uint8_t write_descriptors(const struct scsi_sense *sense,
				 uint8_t *ret_bytes)
{
	uint8_t *next = ret_bytes + DESCRIPTORS;

	ret_bytes[0] = CURRENT_DESCRIPTOR;
	ret_bytes[1] = SCSI_SENSE_KEY(sense->code);
	put_be16(ret_bytes + 2, (uint16_t)sense->code);
	if (sense->has_information) {
		memcpy(next, (uint8_t[]){ 0x00, 0x0a, 0x80 }, 3);
		put_be64(next + 4, sense->information);
		next += 12;
	}
	if (sense->has_field) {
		memcpy(next, (uint8_t[]){ 0x02, 0x06 }, 2);
		write_field(sense, next + 4);
		next += 8;
	}
	if (marks(sense)) {
		memcpy(next, (uint8_t[]){ 0x04, 0x02, 0x00, marks(sense) }, 4);
		next += 4;
	}
	ret_bytes[7] = (uint8_t)(next - ret_bytes - DESCRIPTORS);
	return (uint8_t)(next - ret_bytes);
}

uint8_t scsi_sense_write(const struct scsi_sense *sense, bool is_descriptor,
			 uint8_t ret_bytes[SCSI_SENSE_BYTES])
{
	memset(ret_bytes, 0, SCSI_SENSE_BYTES);
	return is_descriptor ? write_descriptors(sense, ret_bytes)
			     : write_fixed(sense, ret_bytes);
}
