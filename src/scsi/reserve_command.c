/* SPDX-License-Identifier: MIT */
/* PERSISTENT RESERVE IN and OUT, RESERVE and RELEASE as steps. */
#include <errno.h>
#include <string.h>

#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/reserve.h"
#include "scsi/unit.h"

struct scsi_step scsi_persistent_in(struct scsi_unit *unit,
				    struct scsi_task *task, int result)
{
	const struct scsi_state *state = &unit->ledger->state;
	uint8_t ports[SCSI_NEXUS_MAX][SCSI_PORT_BYTES];
	size_t bytes;

	if (scsi_reserve_in_conflicts(&state->reserve))
		return scsi_answer_status(task, SCSI_RESERVATION_CONFLICT);
	for (size_t i = 0; i < SCSI_NEXUS_MAX; i++)
		memcpy(ports[i], state->ports[i].name, SCSI_PORT_BYTES);
	memset(task->scratch, 0, SCSI_RESERVE_IN_MAX);
	bytes = scsi_reserve_in(&state->reserve,
				(enum scsi_reserve_in)(task->cdb[1] & 0x1f),
				unit->has_plate, ports, task->scratch);
	return scsi_answer_data(task, (uint32_t)bytes, get_be16(task->cdb + 7));
}

enum reserve_stage {
	RESERVE_BEGIN,
	RESERVE_PLATE,
	RESERVE_COMMIT,
};

/* Anything but GOOD has changed nothing. */
static struct scsi_step refuse(struct scsi_unit *unit, struct scsi_task *task,
			       const struct scsi_reserve_result *result)
{
	scsi_ledger_drop(unit->ledger);
	if (result->status != SCSI_CHECK_CONDITION)
		return scsi_answer_status(task, result->status);
	if (result->code == SENSE_BAD_CDB_FIELD)
		return scsi_refuse_cdb(unit, task, result->field_byte,
				       result->field_bit);
	if (result->code == SENSE_BAD_LIST_FIELD)
		return scsi_refuse_list(unit, task, result->field_byte,
					result->field_bit);
	return scsi_refuse(unit, task, result->code);
}

static struct scsi_step commit(struct scsi_unit *unit, struct scsi_task *task,
			       const struct scsi_reserve_result *result)
{
	struct scsi_step step;

	if (result->status != SCSI_GOOD)
		return refuse(unit, task, result);
	if (!result->is_changed) {
		scsi_ledger_drop(unit->ledger);
		return scsi_answer(task);
	}
	task->stage = RESERVE_COMMIT;
	step = scsi_commit(unit, task, &result->effects);
	if (result->needs_plate) {
		task->stage = RESERVE_PLATE;
		step.kind = SCSI_STEP_PLATE;
	}
	return step;
}

/* What follows a PLATE or COMMIT; RESERVE_BEGIN: all of it again. */
static struct scsi_step go_on(struct scsi_unit *unit, struct scsi_task *task,
			      int result)
{
	if (task->stage == RESERVE_COMMIT)
		return scsi_answer(task);
	if (result < 0) {
		scsi_ledger_drop(unit->ledger);
		return scsi_refuse(unit, task, SENSE_INTERNAL_FAILURE);
	}
	task->stage = RESERVE_COMMIT;
	return (struct scsi_step){ .kind = SCSI_STEP_COMMIT };
}

/* Whether the command is to be executed: now, or once more because what it had
 * prepared was dropped meanwhile. */
static bool begins(const struct scsi_task *task, int result)
{
	return task->stage == RESERVE_BEGIN ||
	       (task->stage == RESERVE_COMMIT && result == -EAGAIN);
}

struct scsi_step scsi_persistent_out(struct scsi_unit *unit,
				     struct scsi_task *task, int result)
{
	struct scsi_reserve_request request;
	struct scsi_reserve_result done;
	struct scsi_state *next;

	if (!begins(task, result))
		return go_on(unit, task, result);
	if (task->stage == RESERVE_BEGIN &&
	    (get_be32(task->cdb + 5) != SCSI_RESERVE_LIST_BYTES ||
	     !scsi_take_list(task, SCSI_RESERVE_LIST_BYTES)))
		return scsi_refuse(unit, task, SENSE_BAD_LIST_LENGTH);
	scsi_reserve_decode(task->cdb, task->scratch, &request);
	if (!unit->has_plate && scsi_reserve_wants_plate(&request))
		return scsi_refuse_list(unit, task, 20, 0);
	next = scsi_ledger_prepare(unit->ledger);
	if (!next)
		return scsi_answer_status(task, SCSI_BUSY);
	scsi_reserve_out(&next->reserve, task->nexus->index, &request, &done);
	return commit(unit, task, &done);
}

static struct scsi_step
spc2(struct scsi_unit *unit, struct scsi_task *task, int result,
     void (*change)(struct scsi_reserve *reserve, unsigned nexus,
		    struct scsi_reserve_result *))
{
	struct scsi_reserve_result done;
	struct scsi_state *next;

	if (!begins(task, result))
		return go_on(unit, task, result);
	next = scsi_ledger_prepare(unit->ledger);
	if (!next)
		return scsi_answer_status(task, SCSI_BUSY);
	change(&next->reserve, task->nexus->index, &done);
	return commit(unit, task, &done);
}

struct scsi_step scsi_reserve_unit(struct scsi_unit *unit,
				   struct scsi_task *task, int result)
{
	return spc2(unit, task, result, scsi_reserve_spc2);
}

struct scsi_step scsi_release_unit(struct scsi_unit *unit,
				   struct scsi_task *task, int result)
{
	return spc2(unit, task, result, scsi_release_spc2);
}
