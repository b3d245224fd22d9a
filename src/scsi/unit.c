/* SPDX-License-Identifier: MIT */
#include "scsi/unit.h"

#include <errno.h>
#include <string.h>

#include "base/count.h"

/* task->stage of a task whose outcome is final. */
#define STAGE_OVER UINT32_MAX

bool scsi_unit_has(const struct scsi_unit *unit,
		   const struct scsi_command *command)
{
	return (command->types & SCSI_TYPE_BIT(unit->type)) != 0 &&
	       (unit->is_thin || !(command->types & SCSI_ONLY_THIN));
}

/* How a task ends. --------------------------------------------------------- */

struct scsi_step scsi_answer_status(struct scsi_task *task,
				    enum scsi_status status)
{
	task->stage = STAGE_OVER;
	task->outcome.status = (uint8_t)status;
	return (struct scsi_step){ .kind = SCSI_STEP_ANSWER };
}

struct scsi_step scsi_answer(struct scsi_task *task)
{
	return scsi_answer_status(task, SCSI_GOOD);
}

struct scsi_step scsi_answer_sense(struct scsi_unit *unit,
				   struct scsi_task *task,
				   const struct scsi_sense *sense)
{
	task->outcome.is_stored = false;
	task->outcome.sense_bytes =
		scsi_sense_write(sense, scsi_unit_has_descriptor_sense(unit),
				 task->outcome.sense);
	return scsi_answer_status(task, SCSI_CHECK_CONDITION);
}

struct scsi_step scsi_refuse(struct scsi_unit *unit, struct scsi_task *task,
			     enum scsi_sense_code code)
{
	return scsi_answer_sense(unit, task,
				 &(struct scsi_sense){ .code = code });
}

static struct scsi_step refuse_field(struct scsi_unit *unit,
				     struct scsi_task *task,
				     enum scsi_sense_code code, uint16_t byte,
				     int8_t bit)
{
	return scsi_answer_sense(
		unit, task,
		&(struct scsi_sense){ .code = code,
				      .has_field = true,
				      .is_field_of_cdb =
					      code == SENSE_BAD_CDB_FIELD,
				      .field_byte = byte,
				      .field_bit = bit });
}

struct scsi_step scsi_refuse_cdb(struct scsi_unit *unit, struct scsi_task *task,
				 uint16_t byte, int8_t bit)
{
	return refuse_field(unit, task, SENSE_BAD_CDB_FIELD, byte, bit);
}

struct scsi_step scsi_refuse_list(struct scsi_unit *unit,
				  struct scsi_task *task, uint16_t byte,
				  int8_t bit)
{
	return refuse_field(unit, task, SENSE_BAD_LIST_FIELD, byte, bit);
}

struct scsi_step scsi_answer_error(struct scsi_unit *unit,
				   struct scsi_task *task, int error,
				   enum scsi_sense_code code)
{
	if (error != -ENOSPC)
		return scsi_refuse(unit, task, code);
	task->error = error;
	return scsi_answer_status(task, SCSI_BUSY);
}

struct scsi_step scsi_answer_data(struct scsi_task *task, uint32_t bytes,
				  uint32_t allocation_bytes)
{
	uint64_t sent =
		min_u64(min_u64(bytes, allocation_bytes), task->data_bytes);

	memcpy(task->data, task->scratch, sent);
	task->outcome.transferred_bytes = (uint32_t)sent;
	return scsi_answer(task);
}

bool scsi_take_list(struct scsi_task *task, uint32_t bytes)
{
	if (bytes > task->data_bytes || bytes > SCSI_SCRATCH_BYTES)
		return false;
	memcpy(task->scratch, task->data, bytes);
	task->list_bytes = bytes;
	task->outcome.transferred_bytes = bytes;
	return true;
}

/* How it begins. ----------------------------------------------------------- */

static bool check_code(struct scsi_unit *unit, struct scsi_task *task)
{
	bool is_known_code;

	task->command =
		scsi_command_find(unit->type, task->cdb, &is_known_code);
	if (task->command && scsi_unit_has(unit, task->command))
		return true;
	/* A service action that is not there is a field (SPC-4 4.3.4). */
	if (is_known_code && !task->command)
		scsi_refuse_cdb(unit, task, 1, 4);
	else
		scsi_refuse(unit, task, SENSE_BAD_OPCODE);
	return false;
}

static bool check_fields(struct scsi_unit *unit, struct scsi_task *task)
{
	uint16_t byte;
	int8_t bit;

	if (!scsi_command_has_stray_bit(task->command, task->cdb, &byte, &bit))
		return true;
	scsi_refuse_cdb(unit, task, byte, bit);
	return false;
}

/* Data the wrong way round is none: neither side may use the other's. */
static void check_direction(struct scsi_task *task)
{
	if (task->direction != (enum scsi_direction)task->command->direction)
		task->data_bytes = 0;
}

static bool check_medium(struct scsi_unit *unit, struct scsi_task *task)
{
	enum scsi_need need = (enum scsi_need)task->command->need;

	if (need != SCSI_NEED_NOTHING && !scsi_unit_has_medium(unit)) {
		scsi_refuse(unit, task, SENSE_NO_MEDIUM);
		return false;
	}
	if (need != SCSI_NEED_WRITABLE ||
	    !scsi_unit_is_protected(unit, task->nexus))
		return true;
	scsi_refuse(unit, task, SENSE_WRITE_PROTECTED);
	return false;
}

bool scsi_unit_has_medium(const struct scsi_unit *unit)
{
	return unit->block_count > 0;
}

bool scsi_unit_has_descriptor_sense(const struct scsi_unit *unit)
{
	return false;
}

bool scsi_unit_is_protected(const struct scsi_unit *unit,
			    const struct scsi_nexus *nexus)
{
	return unit->is_read_only || nexus->is_read_only;
}

int scsi_unit_begin(struct scsi_unit *unit, struct scsi_nexus *nexus,
		    struct scsi_task *task)
{
	uint32_t count;

	task->nexus = nexus;
	if (!check_code(unit, task) || !check_fields(unit, task) ||
	    !check_medium(unit, task))
		return 0;
	check_direction(task);
	scsi_command_blocks(task->command, task->cdb, &task->lba, &count);
	task->block_count = count;
	return 0;
}

struct scsi_step scsi_unit_step(struct scsi_unit *unit, struct scsi_task *task,
				int result)
{
	if (task->stage == STAGE_OVER)
		return (struct scsi_step){ .kind = SCSI_STEP_ANSWER };
	return task->command->handler(unit, task, result);
}
