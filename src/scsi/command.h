/* SPDX-License-Identifier: MIT */
/*
 * SCSI commands as data: the table of operation codes, and what a CDB says
 * before anybody executes it.
 *
 * Every command of every device type is a row of one table: its usage mask
 * is both what REPORT SUPPORTED OPERATION CODES reports (SPC-4 6.35) and what
 * the CDB is checked against. A code without a row is refused with INVALID
 * COMMAND OPERATION CODE.
 *
 * Trust      A CDB is a hostile guest's 32 bytes, copied before it comes here.
 * Threads    Pure functions.
 */
#ifndef SCSI_COMMAND_H
#define SCSI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A CDB as it travels: shorter ones are followed by what is ignored. */
#define SCSI_CDB_BYTES    32
#define SCSI_CDB_USED_MAX 16

/* The peripheral device type (SPC-4 6.4.2). */
enum scsi_type {
	SCSI_DISK = 0x00,
	SCSI_TAPE = 0x01,
	SCSI_CD = 0x05,
};

/* Sets of them, in a row of the table, and a further condition. */
#define SCSI_TYPE_BIT(type) (1U << (type))
#define SCSI_ONLY_THIN      (1U << 31)

/* Operation codes that are named outside of the table. */
enum scsi_code {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_REQUEST_SENSE = 0x03,
	SCSI_READ_6 = 0x08,
	SCSI_INQUIRY = 0x12,
	SCSI_START_STOP_UNIT = 0x1b,
	SCSI_WRITE_SAME_10 = 0x41,
	SCSI_GET_CONFIGURATION = 0x46,
	SCSI_GET_EVENTS = 0x4a,
	SCSI_WRITE_SAME_16 = 0x93,
	SCSI_REPORT_LUNS = 0xa0,
};

/* What executing a command twice does. */
enum scsi_class {
	SCSI_CLASS_READ,   /* nothing: it has no effect */
	SCSI_CLASS_CHANGE, /* the same to its extent as executing it once */
	SCSI_CLASS_ONCE,   /* harm: it is recorded in the ledger */
};

enum scsi_direction {
	SCSI_DATA_NONE,
	SCSI_DATA_TO_INITIATOR,
	SCSI_DATA_FROM_INITIATOR,
};

/* What must hold before the command may begin. */
enum scsi_need {
	SCSI_NEED_NOTHING,
	SCSI_NEED_MEDIUM,   /* a medium, and the unit started */
	SCSI_NEED_WRITABLE, /* that, and no write protection */
};

/*
 * How others' persistent reservations hold the command back (SPC-4 table 67,
 * SBC-3 table 13): never; as a read does, by exclusive access; as a write does,
 * by write exclusive too. What depends on the CDB (PREVENT ALLOW MEDIUM REMOVAL,
 * START STOP UNIT) is settled by scsi_command_access().
 */
enum scsi_access {
	SCSI_ACCESS_ALWAYS,
	SCSI_ACCESS_READ,
	SCSI_ACCESS_WRITE,
	SCSI_ACCESS_BY_CDB,
};

/* Where a CDB has its logical block address and its number of blocks. */
enum scsi_place {
	SCSI_PLACE_NONE,    /* it is about no block */
	SCSI_PLACE_6,       /* bytes 1 to 3 and 4 (0 means 256) */
	SCSI_PLACE_10,      /* bytes 2 to 5 and 7 to 8 */
	SCSI_PLACE_12,      /* bytes 2 to 5 and 6 to 9 */
	SCSI_PLACE_16,      /* bytes 2 to 9 and 10 to 13 */
	SCSI_PLACE_COMPARE, /* bytes 2 to 9 and 13 */
	SCSI_PLACE_WHOLE,   /* blocks that the CDB does not name: any */
};

struct scsi_unit;
struct scsi_task;
struct scsi_step;

/*
 * Execute a command: called with result 0 for the first time, then with that of
 * each step it returned, until that is SCSI_STEP_ANSWER. It keeps its place in
 * task->stage, which begins at 0. The checks of scsi_unit_begin() have passed.
 */
typedef struct scsi_step scsi_handler(struct scsi_unit *unit,
				      struct scsi_task *task, int result);

#define SCSI_NO_ACTION (-1)

struct scsi_command {
	const char *name; /* as the standards write it */
	scsi_handler *handler;
	uint32_t types; /* SCSI_TYPE_BIT() of each that has it */
	uint8_t code;
	uint8_t cdb_bytes;
	int8_t action; /* service action, or SCSI_NO_ACTION */
	uint8_t place; /* the enums above */
	uint8_t class;
	uint8_t direction;
	uint8_t need;
	uint8_t access;
	/* CDB usage data (SPC-4 6.35.3): a bit that is zero must be zero in a
	 * CDB, but for those of the operation code and service action. */
	uint8_t usage[SCSI_CDB_USED_MAX];
};

/* What a CDB is about, for whoever orders commands before they execute. */
struct scsi_extent {
	enum scsi_class class;
	enum scsi_direction direction;
	uint64_t offset_bytes; /* on the volume; the sum may wrap */
	uint64_t length_bytes; /* 0: no byte of it; UINT64_MAX: to its end */
};

/*
 * Say what a CDB is about. A code that this device type does not have is
 * SCSI_CLASS_ONCE without an extent; a place beyond what 64 bits hold is the
 * whole volume. Neither is an error here: executing it tells.
 */
void scsi_command_decode(enum scsi_type type, const uint8_t cdb[SCSI_CDB_BYTES],
			 uint32_t block_bytes, struct scsi_extent *ret_extent);

/*
 * The row of a CDB, or NULL. ret_is_known_code tells whether the code has rows,
 * and only its service action has none.
 */
const struct scsi_command *scsi_command_find(enum scsi_type type,
					     const uint8_t *cdb,
					     bool *ret_is_known_code);

/* All rows, of all device types, by code and service action. */
const struct scsi_command *scsi_command_table(size_t *ret_count);

/* SCSI_ACCESS_ALWAYS, _READ or _WRITE, for a CDB of this row. */
enum scsi_access scsi_command_access(const struct scsi_command *command,
				     const uint8_t *cdb);

/*
 * The first bit that the usage mask does not allow, from the left, as a field
 * pointer wants it. False if there is none.
 */
bool scsi_command_has_stray_bit(const struct scsi_command *command,
				const uint8_t *cdb, uint16_t *ret_byte,
				int8_t *ret_bit);

/* The address and number of blocks of a CDB; 0 of both where it has none. */
void scsi_command_blocks(const struct scsi_command *command, const uint8_t *cdb,
			 uint64_t *ret_lba, uint32_t *ret_count);

#endif
