/* SPDX-License-Identifier: MIT */
#include "scsi/medium.h"

#include <errno.h>

#include "scsi/handlers.h"
#include "scsi/unit.h"

#define START           0x01
#define LOAD_OR_EJECT   0x02
#define POWER_CONDITION 0xf0
#define PREVENT         0x01

/* Make the medium what it is to be, if it is not. */
static struct scsi_step change(struct scsi_unit *unit, struct scsi_task *task,
			       const struct scsi_medium *medium)
{
	struct scsi_state *next = scsi_ledger_prepare(unit->ledger);
	bool is_loaded =
		!medium->is_ejected && scsi_unit_medium(unit)->is_ejected;

	if (!next)
		return scsi_answer_status(task, SCSI_BUSY);
	next->medium = *medium;
	task->stage = 1;
	if (is_loaded)
		return scsi_commit_for_others(unit, task,
					      ATTENTION_MEDIUM_CHANGED);
	return scsi_commit(unit, task, NULL);
}

/*
 * Only loading and ejecting mean something: there is no motor to stop, and a
 * stopped unit would be so for everybody who shares it. Power conditions are
 * taken and have no effect.
 */
struct scsi_step scsi_start_stop(struct scsi_unit *unit, struct scsi_task *task,
				 int result)
{
	struct scsi_medium medium = *scsi_unit_medium(unit);
	bool is_eject = !(task->cdb[4] & START);

	if (task->stage > 0 && result != -EAGAIN)
		return scsi_answer(task);
	if ((task->cdb[4] & POWER_CONDITION) || !(task->cdb[4] & LOAD_OR_EJECT))
		return scsi_answer(task);
	if (!unit->is_removable)
		return scsi_refuse_cdb(unit, task, 4, 1);
	if (medium.is_ejected == is_eject)
		return scsi_answer(task);
	if (medium.preventing != 0)
		return scsi_refuse(unit, task, SENSE_REMOVAL_PREVENTED);
	medium.is_ejected = is_eject;
	return change(unit, task, &medium);
}

struct scsi_step scsi_prevent_allow(struct scsi_unit *unit,
				    struct scsi_task *task, int result)
{
	struct scsi_medium medium = *scsi_unit_medium(unit);
	uint64_t own = 1ull << task->nexus->index;

	if (task->stage > 0 && result != -EAGAIN)
		return scsi_answer(task);
	if (task->cdb[4] & PREVENT)
		medium.preventing |= own;
	else
		medium.preventing &= ~own;
	if (!unit->is_removable ||
	    medium.preventing == scsi_unit_medium(unit)->preventing)
		return scsi_answer(task);
	return change(unit, task, &medium);
}

static uint64_t attached(const struct scsi_unit *unit)
{
	uint64_t nexuses = 0;

	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		if (unit->ledger->state.ports[i].is_attached)
			nexuses |= 1ull << i;
	return nexuses;
}

int scsi_unit_load(struct scsi_unit *unit, uint64_t number,
		   uint64_t recorded_bytes)
{
	static const struct scsi_origin nobody = { .nexus = SCSI_NEXUS_NONE };
	static const struct scsi_outcome none;
	struct scsi_effects effects = { .aborted = 0 };
	struct scsi_state *next;

	if (scsi_unit_medium(unit)->number == number)
		return 0;
	next = scsi_ledger_prepare(unit->ledger);
	if (!next)
		return -EBUSY;
	next->medium.number = number;
	next->medium.is_ejected = false;
	next->tape = (struct scsi_tape){ .end = recorded_bytes };
	if (unit->block_count > 0)
		effects.raised[ATTENTION_MEDIUM_CHANGED] = attached(unit);
	scsi_ledger_record(unit->ledger, &nobody, &none, &effects);
	return scsi_ledger_commit(unit->ledger);
}
