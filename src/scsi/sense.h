/* SPDX-License-Identifier: MIT */
/*
 * What a SCSI command ends with: a status (SAM-5 5.3.1) and sense data in fixed
 * or descriptor format (SPC-4 4.5).
 *
 * Threads    Pure functions.
 */
#ifndef SCSI_SENSE_H
#define SCSI_SENSE_H

#include <stdbool.h>
#include <stdint.h>

/* At most so many bytes of sense data are made. */
#define SCSI_SENSE_BYTES 64

enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_CONDITION_MET = 0x04,
	SCSI_BUSY = 0x08,
	SCSI_RESERVATION_CONFLICT = 0x18,
	SCSI_TASK_SET_FULL = 0x28,
	SCSI_TASK_ABORTED = 0x40,
};

enum scsi_sense_key {
	SCSI_NO_SENSE = 0x0,
	SCSI_RECOVERED_ERROR = 0x1,
	SCSI_NOT_READY = 0x2,
	SCSI_MEDIUM_ERROR = 0x3,
	SCSI_HARDWARE_ERROR = 0x4,
	SCSI_ILLEGAL_REQUEST = 0x5,
	SCSI_UNIT_ATTENTION = 0x6,
	SCSI_DATA_PROTECT = 0x7,
	SCSI_BLANK_CHECK = 0x8,
	SCSI_ABORTED_COMMAND = 0xb,
	SCSI_VOLUME_OVERFLOW = 0xd,
	SCSI_MISCOMPARE = 0xe,
};

/* Sense key, additional sense code and its qualifier in one value. */
#define SCSI_SENSE(key, asc, ascq) ((key) << 16 | (asc) << 8 | (ascq))
#define SCSI_SENSE_KEY(code)       ((code) >> 16 & 0xf)

/* clang-format off */
enum scsi_sense_code {
	SENSE_NONE = SCSI_SENSE(SCSI_NO_SENSE, 0x00, 0x00),
	SENSE_TAPE_FILEMARK = SCSI_SENSE(SCSI_NO_SENSE, 0x00, 0x01),
	SENSE_TAPE_END = SCSI_SENSE(SCSI_NO_SENSE, 0x00, 0x02),
	SENSE_TAPE_BEGIN = SCSI_SENSE(SCSI_NO_SENSE, 0x00, 0x04),
	SENSE_TAPE_BLANK = SCSI_SENSE(SCSI_BLANK_CHECK, 0x00, 0x05),
	SENSE_TAPE_OVERFLOW = SCSI_SENSE(SCSI_VOLUME_OVERFLOW, 0x00, 0x02),
	/* "Manual intervention required": the unit's state is damaged. */
	SENSE_NEEDS_REPAIR = SCSI_SENSE(SCSI_NOT_READY, 0x04, 0x03),
	SENSE_NO_MEDIUM = SCSI_SENSE(SCSI_NOT_READY, 0x3a, 0x00),
	SENSE_WRITE_ERROR = SCSI_SENSE(SCSI_MEDIUM_ERROR, 0x0c, 0x00),
	SENSE_READ_ERROR = SCSI_SENSE(SCSI_MEDIUM_ERROR, 0x11, 0x00),
	SENSE_INTERNAL_FAILURE = SCSI_SENSE(SCSI_HARDWARE_ERROR, 0x44, 0x00),
	SENSE_BAD_LIST_LENGTH = SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x1a, 0x00),
	SENSE_BAD_OPCODE = SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x20, 0x00),
	SENSE_LBA_OUT_OF_RANGE = SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x21, 0x00),
	SENSE_BAD_CDB_FIELD = SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x24, 0x00),
	SENSE_BAD_LIST_FIELD = SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x26, 0x00),
	SENSE_BAD_RELEASE = SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x26, 0x04),
	SENSE_NO_SAVING = SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x39, 0x00),
	SENSE_REMOVAL_PREVENTED = SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x53, 0x02),
	SENSE_NO_REGISTRATION_ROOM =
		SCSI_SENSE(SCSI_ILLEGAL_REQUEST, 0x55, 0x04),
	SENSE_MEDIUM_CHANGED = SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x28, 0x00),
	SENSE_POWER_ON = SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x29, 0x00),
	SENSE_RESET = SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x29, 0x03),
	SENSE_NEXUS_LOST = SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x29, 0x07),
	SENSE_MODE_CHANGED = SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x2a, 0x01),
	SENSE_PREEMPTED_RESERVATION =
		SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x2a, 0x03),
	SENSE_RELEASED_RESERVATION =
		SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x2a, 0x04),
	SENSE_PREEMPTED_REGISTRATION =
		SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x2a, 0x05),
	SENSE_CAPACITY_CHANGED = SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x2a, 0x09),
	SENSE_COMMANDS_CLEARED = SCSI_SENSE(SCSI_UNIT_ATTENTION, 0x2f, 0x00),
	SENSE_WRITE_PROTECTED = SCSI_SENSE(SCSI_DATA_PROTECT, 0x27, 0x00),
	SENSE_MISCOMPARE = SCSI_SENSE(SCSI_MISCOMPARE, 0x1d, 0x00),
};
/* clang-format on */

/*
 * What sense data says. A zeroed one with a code is complete.
 *
 * `information` is what INFORMATION means for the command (SBC-3 4.18): the
 * offset of a miscompare, the first bad block; for tapes the residue, signed.
 */
struct scsi_sense {
	enum scsi_sense_code code;
	bool has_information;
	uint64_t information;
	/* The field that was refused (SPC-4 4.5.2.4.2): in the CDB or in the
	 * parameter list, and its leftmost bit, or -1 for the whole byte. */
	bool has_field;
	bool is_field_of_cdb;
	uint16_t field_byte;
	int8_t field_bit;
	/* Of sequential access devices (SSC-4 5.2.1). */
	bool is_filemark;
	bool is_end_of_medium;
	bool is_wrong_length;
};

/* How a command ended; of fixed size, since a ledger keeps it. */
struct scsi_outcome {
	uint8_t status; /* enum scsi_status */
	uint8_t sense_bytes;
	/* GOOD promises that all that the command wrote or flushed is on
	 * stable storage: who answers the initiator sees to that first. */
	uint8_t is_stored;
	uint8_t reserved;
	uint32_t transferred_bytes; /* of data, in the command's direction */
	uint8_t sense[SCSI_SENSE_BYTES];
};

/*
 * Write sense data, of at most SCSI_SENSE_BYTES, and return its length.
 *
 * Information that has no room in fixed format (more than 32 bits) is left out
 * with VALID zero, as SPC-4 4.5.3 has it.
 */
uint8_t scsi_sense_write(const struct scsi_sense *sense, bool is_descriptor,
			 uint8_t ret_bytes[SCSI_SENSE_BYTES]);

#endif
