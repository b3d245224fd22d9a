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

struct scsi_origin scsi_task_origin(const struct scsi_task *task)
{
	return (struct scsi_origin){
		.nexus = task->nexus->index,
		.row_sequence = task->row_sequence,
		.row = task->row,
	};
}

const struct scsi_mode *scsi_unit_mode(const struct scsi_unit *unit)
{
	return &unit->ledger->state.mode;
}

const struct scsi_medium *scsi_unit_medium(const struct scsi_unit *unit)
{
	return &unit->ledger->state.medium;
}

bool scsi_unit_has_medium(const struct scsi_unit *unit)
{
	return unit->block_count > 0 && !scsi_unit_medium(unit)->is_ejected;
}

bool scsi_unit_is_protected(const struct scsi_unit *unit,
			    const struct scsi_nexus *nexus)
{
	return unit->is_read_only || nexus->is_read_only ||
	       scsi_unit_mode(unit)->is_write_protected;
}

struct scsi_step scsi_commit(struct scsi_unit *unit, struct scsi_task *task,
			     const struct scsi_effects *effects)
{
	struct scsi_origin origin = scsi_task_origin(task);

	scsi_ledger_record(unit->ledger, &origin, &task->outcome, effects);
	return (struct scsi_step){ .kind = SCSI_STEP_COMMIT };
}

struct scsi_step scsi_commit_for_others(struct scsi_unit *unit,
					struct scsi_task *task,
					enum scsi_attention attention)
{
	struct scsi_effects effects = { .aborted = 0 };

	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		if (i != task->nexus->index &&
		    unit->ledger->state.ports[i].is_attached)
			effects.raised[attention] |= 1ull << i;
	return scsi_commit(unit, task, &effects);
}

struct scsi_step scsi_answer_sense(struct scsi_unit *unit,
				   struct scsi_task *task,
				   const struct scsi_sense *sense)
{
	task->outcome.is_stored = false;
	task->outcome.sense_bytes = scsi_sense_write(
		sense, scsi_unit_mode(unit)->has_descriptor_sense,
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

/* Reservations before anything else (SAM-5 5.3.3). What follows from RESERVE of
 * SPC-2 holds for TEST UNIT READY too. */
static bool check_reservation(struct scsi_unit *unit, struct scsi_task *task)
{
	const struct scsi_reserve *reserve = &unit->ledger->state.reserve;
	enum scsi_access access = scsi_command_access(task->command, task->cdb);

	if (task->command->code == SCSI_TEST_UNIT_READY &&
	    scsi_reserve_in_conflicts(reserve))
		access = SCSI_ACCESS_READ;
	if (!scsi_reserve_conflicts(reserve, task->nexus->index, access))
		return true;
	scsi_answer_status(task, SCSI_RESERVATION_CONFLICT);
	return false;
}

/* Those that SPC-4 5.14 names, and MMC-6 4.1.6.2. */
static bool is_told_of_no_attention(uint8_t code)
{
	return code == SCSI_INQUIRY || code == SCSI_REPORT_LUNS ||
	       code == SCSI_REQUEST_SENSE || code == SCSI_GET_CONFIGURATION ||
	       code == SCSI_GET_EVENTS;
}

static bool check_attention(struct scsi_unit *unit, struct scsi_task *task)
{
	struct scsi_origin origin = scsi_task_origin(task);

	if (!scsi_ledger_pending(unit->ledger, origin.nexus) ||
	    is_told_of_no_attention(task->cdb[0]))
		return true;
	scsi_ledger_tell(unit->ledger, &origin,
			 scsi_unit_mode(unit)->has_descriptor_sense, false,
			 &task->outcome);
	task->stage = STAGE_OVER;
	return false;
}

static bool check_medium(struct scsi_unit *unit, struct scsi_task *task)
{
	enum scsi_need need = (enum scsi_need)task->command->need;

	if (need == SCSI_NEED_NOTHING)
		return true;
	if (!scsi_unit_has_medium(unit)) {
		scsi_refuse(unit, task, SENSE_NO_MEDIUM);
		return false;
	}
	if (need != SCSI_NEED_WRITABLE ||
	    !scsi_unit_is_protected(unit, task->nexus))
		return true;
	scsi_refuse(unit, task, SENSE_WRITE_PROTECTED);
	return false;
}

/* A command that has begun in another life has passed the other checks. */
static bool check(struct scsi_unit *unit, struct scsi_task *task)
{
	if (!check_code(unit, task))
		return false;
	if (!task->is_resumed &&
	    (!check_reservation(unit, task) || !check_attention(unit, task)))
		return false;
	return check_fields(unit, task) &&
	       (task->is_resumed || check_medium(unit, task));
}

/* A tape has moved on from what was read, so it is read again where it was. */
static bool repeats_read(const struct scsi_unit *unit, struct scsi_task *task,
			 const struct scsi_row *row)
{
	task->is_repeated = unit->type == SCSI_TAPE &&
			    task->cdb[0] == SCSI_READ_6 &&
			    row->outcome.transferred_bytes > 0;
	task->is_resumed = task->is_repeated;
	task->handler[0] = row->before;
	return task->is_repeated;
}

/* Whether the ledger has the answer already. */
static bool has_ended(const struct scsi_unit *unit, struct scsi_task *task,
		      const struct scsi_row *row)
{
	if (row->state != SCSI_ROW_ENDED)
		return false;
	task->outcome = row->outcome;
	if (repeats_read(unit, task, row))
		return false;
	/* An attention that was told as data is data again. */
	if (task->cdb[0] == SCSI_REQUEST_SENSE &&
	    row->outcome.status == SCSI_GOOD)
		return false;
	task->stage = STAGE_OVER;
	return true;
}

/* What passes for begun is checked for no reservation, and holds the range that
 * was recorded: it has to be the very command. */
static bool is_same(const struct scsi_unit *unit, const struct scsi_task *task,
		    const struct scsi_row *row)
{
	struct scsi_extent extent;

	scsi_command_decode(unit->type, task->cdb, unit->block_bytes, &extent);
	return row->code == task->cdb[0] &&
	       row->offset_bytes == extent.offset_bytes &&
	       row->length_bytes == extent.length_bytes;
}

static int look_at_row(struct scsi_unit *unit, struct scsi_task *task,
		       struct scsi_row *ret_row)
{
	struct scsi_origin origin = scsi_task_origin(task);
	int error = scsi_row_look(unit->ledger, &origin, ret_row);

	if (error)
		return error;
	if (ret_row->state == SCSI_ROW_ABORTED)
		ret_row->state = SCSI_ROW_ENDED;
	task->is_resumed = ret_row->state == SCSI_ROW_BEGUN ||
			   ret_row->state == SCSI_ROW_MOVED;
	if (task->is_resumed && !is_same(unit, task, ret_row))
		return -EPROTO;
	if (ret_row->state == SCSI_ROW_MOVED)
		task->moved = ret_row->data;
	return 0;
}

int scsi_unit_begin(struct scsi_unit *unit, struct scsi_nexus *nexus,
		    struct scsi_task *task)
{
	struct scsi_row row;
	uint32_t count;
	int error;

	task->nexus = nexus;
	error = look_at_row(unit, task, &row);
	if (error)
		return error;
	if (has_ended(unit, task, &row) || !check(unit, task))
		return 0;
	check_direction(task);
	scsi_command_blocks(task->command, task->cdb, &task->lba, &count);
	task->block_count = count;
	if (task->moved && row.data_bytes != count * unit->block_bytes)
		return -EPROTO;
	return 0;
}

/* How it goes on. ---------------------------------------------------------- */

/*
 * Whether it is recorded, and keeps others off: what must not happen twice, and
 * on a shared unit what must not happen again over what others wrote, who may
 * come after it has begun. One whose record has begun is to end it.
 */
static bool is_recorded(const struct scsi_unit *unit,
			const struct scsi_task *task)
{
	return task->is_resumed || task->command->place == SCSI_PLACE_COMPARE ||
	       (unit->type == SCSI_TAPE &&
		task->command->place == SCSI_PLACE_WHOLE) ||
	       (task->command->class == SCSI_CLASS_CHANGE && unit->is_shared);
}

static struct scsi_step lock(struct scsi_unit *unit, struct scsi_task *task)
{
	uint64_t size = unit->block_count * unit->block_bytes;
	struct scsi_extent extent;

	scsi_command_decode(unit->type, task->cdb, unit->block_bytes, &extent);
	if (extent.offset_bytes >= size) {
		extent.offset_bytes = 0;
		extent.length_bytes = size;
	}
	return (struct scsi_step){
		.kind = SCSI_STEP_LOCK,
		.offset_bytes = extent.offset_bytes,
		.length_bytes = min_u64(extent.length_bytes,
					size - extent.offset_bytes),
	};
}

static void begin_row(struct scsi_unit *unit, struct scsi_task *task)
{
	struct scsi_origin origin = scsi_task_origin(task);
	struct scsi_row row = { .code = task->cdb[0],
				.before = unit->ledger->state.tape.place };
	struct scsi_extent extent;

	if (task->is_resumed)
		return;
	scsi_command_decode(unit->type, task->cdb, unit->block_bytes, &extent);
	row.offset_bytes = extent.offset_bytes;
	row.length_bytes = extent.length_bytes;
	scsi_row_begin(unit->ledger, &origin, &row);
}

/* It is answered. What is to be tried again later stays begun. */
static void end(struct scsi_unit *unit, struct scsi_task *task)
{
	struct scsi_origin origin = scsi_task_origin(task);

	if (scsi_unit_mode(unit)->is_write_through &&
	    task->outcome.status == SCSI_GOOD &&
	    task->command->need == SCSI_NEED_WRITABLE)
		task->outcome.is_stored = true;
	if (task->has_row && !task->error)
		scsi_row_end(unit->ledger, &origin, &task->outcome);
}

struct scsi_step scsi_unit_step(struct scsi_unit *unit, struct scsi_task *task,
				int result)
{
	struct scsi_step step = { .kind = SCSI_STEP_ANSWER };

	if (task->stage == STAGE_OVER)
		return step;
	if (!task->is_locked && is_recorded(unit, task)) {
		task->is_locked = true;
		step = lock(unit, task);
		if (step.length_bytes > 0)
			return step;
	}
	if (task->is_locked && !task->has_row) {
		task->has_row = true;
		begin_row(unit, task);
	}
	step = task->command->handler(unit, task, result);
	if (step.kind == SCSI_STEP_ANSWER)
		end(unit, task);
	return step;
}
