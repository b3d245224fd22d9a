/* SPDX-License-Identifier: MIT */
/* What a unit tells about itself, beside INQUIRY. */
#include <string.h>

#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/limits.h"
#include "scsi/unit.h"

struct scsi_step scsi_test_unit_ready(struct scsi_unit *unit,
				      struct scsi_task *task, int result)
{
	return scsi_answer(task);
}

/* The default self-test, and no parameter list (SPC-4 6.42). */
struct scsi_step scsi_send_diagnostic(struct scsi_unit *unit,
				      struct scsi_task *task, int result)
{
	return scsi_answer(task);
}

#define DESCRIPTOR_SENSE 0x01

/* SPC-4 6.39: an attention that is pending, or no sense. */
struct scsi_step scsi_request_sense(struct scsi_unit *unit,
				    struct scsi_task *task, int result)
{
	struct scsi_outcome *told = &task->outcome;
	struct scsi_origin origin = scsi_task_origin(task);
	bool is_descriptor = (task->cdb[1] & DESCRIPTOR_SENSE) != 0;
	struct scsi_sense none = { .code = SENSE_NONE };
	uint32_t bytes;

	if (told->sense_bytes == 0 &&
	    scsi_ledger_pending(unit->ledger, origin.nexus))
		scsi_ledger_tell(unit->ledger, &origin, is_descriptor, true,
				 told);
	if (told->sense_bytes == 0)
		told->sense_bytes =
			scsi_sense_write(&none, is_descriptor, told->sense);
	bytes = told->sense_bytes;
	memcpy(task->scratch, told->sense, bytes);
	told->sense_bytes = 0;
	return scsi_answer_data(task, bytes, task->cdb[4]);
}

#define LIST_HEADER_BYTES   8
#define LUN_BYTES           8
#define REPORT_LUNS_MINIMUM 16
#define REPORT_WELL_KNOWN   0x01
#define REPORT_ALL          0x02

/* SPC-4 6.33: LUN 0, the only one of its target. */
struct scsi_step scsi_report_luns(struct scsi_unit *unit,
				  struct scsi_task *task, int result)
{
	uint32_t allocation_bytes = get_be32(task->cdb + 6);
	uint32_t bytes = task->cdb[2] == REPORT_WELL_KNOWN ? 0 : LUN_BYTES;

	if (task->cdb[2] > REPORT_ALL)
		return scsi_refuse_cdb(unit, task, 2, -1);
	if (allocation_bytes < REPORT_LUNS_MINIMUM)
		return scsi_refuse_cdb(unit, task, 6, -1);
	memset(task->scratch, 0, LIST_HEADER_BYTES + LUN_BYTES);
	put_be32(task->scratch, bytes);
	return scsi_answer_data(task, LIST_HEADER_BYTES + bytes,
				allocation_bytes);
}

/* SBC-3 5.16. */
struct scsi_step scsi_read_capacity(struct scsi_unit *unit,
				    struct scsi_task *task, int result)
{
	uint64_t last = unit->block_count - 1;

	put_be32(task->scratch,
		 last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
	put_be32(task->scratch + 4, unit->block_bytes);
	return scsi_answer_data(task, 8, 8);
}

#define CAPACITY_BYTES 32
/* LBPME, LBPRZ: blocks can be freed, and read as zeroes then. */
#define PROVISIONING 0xc0

/* SBC-3 5.17. */
struct scsi_step scsi_read_capacity_long(struct scsi_unit *unit,
					 struct scsi_task *task, int result)
{
	uint8_t *data = task->scratch;

	memset(data, 0, CAPACITY_BYTES);
	put_be64(data, unit->block_count - 1);
	put_be32(data + 8, unit->block_bytes);
	data[13] = (uint8_t)__builtin_ctz(unit->physical_block_bytes /
					  unit->block_bytes);
	if (unit->is_thin)
		data[14] = PROVISIONING;
	return scsi_answer_data(task, CAPACITY_BYTES, get_be32(task->cdb + 10));
}

/* SBC-3 5.18, 5.19: the lists that are asked for, in the format that is, of which
 * there is nothing. */
struct scsi_step scsi_read_defects(struct scsi_unit *unit,
				   struct scsi_task *task, int result)
{
	bool is_long = task->command->cdb_bytes == 12;

	memset(task->scratch, 0, 8);
	task->scratch[1] = task->cdb[is_long ? 1 : 2];
	return scsi_answer_data(task, is_long ? 8 : 4,
				is_long ? get_be32(task->cdb + 6)
					: get_be16(task->cdb + 7));
}

/* REPORT SUPPORTED OPERATION CODES (SPC-4 6.35). --------------------------- */

enum option {
	OPTION_ALL,
	OPTION_CODE,
	OPTION_ACTION,
	OPTION_EITHER,
};

#define WITH_TIMEOUTS       0x80
#define TIMEOUTS_PRESENT    0x02
#define HAS_ACTIONS         0x01
#define TIMEOUTS_BYTES      12
#define DESCRIPTOR_BYTES    8
#define ONE_HEADER_BYTES    4
#define ONE_TIMEOUTS        0x80
#define NOT_SUPPORTED       0x01
#define AS_THE_STANDARD_HAS 0x03

/* No timeout is recommended (SPC-4 6.35.4). */
static uint32_t put_timeouts(uint8_t *ret_bytes)
{
	put_be16(ret_bytes, TIMEOUTS_BYTES - 2);
	return TIMEOUTS_BYTES;
}

static uint32_t put_descriptor(const struct scsi_command *command,
			       bool has_timeouts, uint8_t *ret_bytes)
{
	ret_bytes[0] = command->code;
	if (command->action != SCSI_NO_ACTION) {
		ret_bytes[3] = (uint8_t)command->action;
		ret_bytes[5] = HAS_ACTIONS;
	}
	put_be16(ret_bytes + 6, command->cdb_bytes);
	if (!has_timeouts)
		return DESCRIPTOR_BYTES;
	ret_bytes[5] |= TIMEOUTS_PRESENT;
	return DESCRIPTOR_BYTES + put_timeouts(ret_bytes + DESCRIPTOR_BYTES);
}

static uint32_t put_all(const struct scsi_unit *unit, bool has_timeouts,
			uint8_t *ret_bytes)
{
	size_t count;
	const struct scsi_command *table = scsi_command_table(&count);
	uint32_t bytes = 4;

	for (size_t i = 0; i < count; i++)
		if (scsi_unit_has(unit, &table[i]))
			bytes += put_descriptor(&table[i], has_timeouts,
						ret_bytes + bytes);
	put_be32(ret_bytes, bytes - 4);
	return bytes;
}

static uint32_t put_one(const struct scsi_command *command, bool has_timeouts,
			uint8_t *ret_bytes)
{
	uint32_t bytes = ONE_HEADER_BYTES;

	if (!command) {
		ret_bytes[1] = NOT_SUPPORTED;
		return bytes;
	}
	ret_bytes[1] = AS_THE_STANDARD_HAS;
	put_be16(ret_bytes + 2, command->cdb_bytes);
	memcpy(ret_bytes + bytes, command->usage, command->cdb_bytes);
	if (command->action != SCSI_NO_ACTION)
		ret_bytes[bytes + 1] =
			(uint8_t)((command->usage[1] & 0xe0) | command->action);
	bytes += command->cdb_bytes;
	if (has_timeouts) {
		ret_bytes[1] |= ONE_TIMEOUTS;
		bytes += put_timeouts(ret_bytes + bytes);
	}
	return bytes;
}

/* The row that is asked for, NULL if there is none; false: the question does
 * not fit the operation code. */
static bool find_asked(struct scsi_unit *unit, const uint8_t *cdb,
		       const struct scsi_command **ret_command)
{
	enum option option = (enum option)(cdb[2] & 0x07);
	uint16_t action = get_be16(cdb + 4);
	uint8_t asked[2] = { cdb[3], (uint8_t)(action & 0x1f) };
	bool is_known, has_actions;
	const struct scsi_command *command =
		scsi_command_find(unit->type, asked, &is_known);

	if (command && !scsi_unit_has(unit, command)) {
		command = NULL;
		is_known = false;
	}
	*ret_command = command;
	if (!is_known)
		return true;
	has_actions = !command || command->action != SCSI_NO_ACTION;
	if (has_actions ? action > 0x1f : option == OPTION_EITHER && action)
		*ret_command = NULL;
	if (option == OPTION_EITHER)
		return true;
	return has_actions == (option == OPTION_ACTION);
}

struct scsi_step scsi_report_codes(struct scsi_unit *unit,
				   struct scsi_task *task, int result)
{
	bool has_timeouts = (task->cdb[2] & WITH_TIMEOUTS) != 0;
	uint8_t option = task->cdb[2] & 0x07;
	const struct scsi_command *command;
	uint32_t bytes;

	if (option > OPTION_EITHER)
		return scsi_refuse_cdb(unit, task, 2, 2);
	memset(task->scratch, 0, SCSI_REPORT_BYTES);
	if (option == OPTION_ALL) {
		bytes = put_all(unit, has_timeouts, task->scratch);
	} else {
		if (!find_asked(unit, task->cdb, &command))
			return scsi_refuse_cdb(unit, task, 2, 2);
		bytes = put_one(command, has_timeouts, task->scratch);
	}
	return scsi_answer_data(task, bytes, get_be32(task->cdb + 6));
}

/* SPC-4 6.36. */
#define EXTENDED_FUNCTIONS 0x80
#define EXTENDED_BYTES     16
#define ABORT_TASK         0x80
#define ABORT_TASK_SET     0x40
#define CLEAR_TASK_SET     0x10
#define UNIT_RESET         0x08
#define NEXUS_RESET        0x01

/* What virtio-scsi can ask for (virtio 1.2, 5.6.6.2). */
struct scsi_step scsi_report_functions(struct scsi_unit *unit,
				       struct scsi_task *task, int result)
{
	uint32_t allocation_bytes = get_be32(task->cdb + 6);
	uint32_t bytes = 4;

	if (allocation_bytes < 4)
		return scsi_refuse_cdb(unit, task, 6, -1);
	memset(task->scratch, 0, EXTENDED_BYTES);
	task->scratch[0] =
		ABORT_TASK | ABORT_TASK_SET | CLEAR_TASK_SET | UNIT_RESET;
	task->scratch[1] = NEXUS_RESET;
	if (task->cdb[2] & EXTENDED_FUNCTIONS) {
		bytes = EXTENDED_BYTES;
		task->scratch[3] = EXTENDED_BYTES - 4;
	}
	return scsi_answer_data(task, bytes, allocation_bytes);
}
