/* SPDX-License-Identifier: MIT */
/* COMPARE AND WRITE (SBC-3 5.2). */
#include "scsi/block.h"
#include "scsi/handlers.h"

#define FUA 0x08

enum compare_stage {
	COMPARE_BEGIN,
	COMPARE_READ,
	COMPARE_WRITTEN,
};

/*
 * The new data is kept in the ledger before the first byte of it is written:
 * afterwards what is on the medium may be neither old nor new, so that comparing
 * again would be wrong, and the peer may change its buffer.
 */
static struct scsi_step move_and_write(struct scsi_unit *unit,
				       struct scsi_task *task, uint32_t bytes)
{
	struct scsi_origin origin = scsi_task_origin(task);
	uint8_t *kept;
	int error = scsi_row_move(unit->ledger, &origin, task->data + bytes,
				  bytes, &kept);

	if (error)
		return scsi_answer_status(task, SCSI_BUSY);
	task->stage = COMPARE_WRITTEN;
	return scsi_block_step(unit, task, SCSI_STEP_WRITE, kept, bytes);
}

static struct scsi_step compare(struct scsi_unit *unit, struct scsi_task *task,
				uint32_t bytes, int result)
{
	uint64_t offset;

	if (result < 0)
		return scsi_refuse(unit, task, SENSE_READ_ERROR);
	if (scsi_bytes_differ(task->scratch, task->data, bytes, &offset))
		return scsi_miscompare(unit, task, offset);
	return move_and_write(unit, task, bytes);
}

/* Go on with what had been compared in another life. */
static struct scsi_step resume(struct scsi_unit *unit, struct scsi_task *task)
{
	task->stage = COMPARE_WRITTEN;
	return scsi_block_step(unit, task, SCSI_STEP_WRITE, task->moved,
			       task->block_count * unit->block_bytes);
}

static struct scsi_step begin(struct scsi_unit *unit, struct scsi_task *task,
			      uint64_t bytes)
{
	if (!scsi_block_range(unit, task) ||
	    !scsi_block_limit(unit, task, SCSI_COMPARE_MAX) ||
	    !scsi_block_data(unit, task, 2 * bytes))
		return SCSI_ENDED;
	if (bytes == 0)
		return scsi_answer(task);
	task->stage = COMPARE_READ;
	return scsi_block_step(unit, task, SCSI_STEP_READ, task->scratch,
			       bytes);
}

struct scsi_step scsi_compare_and_write(struct scsi_unit *unit,
					struct scsi_task *task, int result)
{
	uint64_t bytes = task->block_count * unit->block_bytes;

	switch ((enum compare_stage)task->stage) {
	case COMPARE_BEGIN:
		return task->moved ? resume(unit, task)
				   : begin(unit, task, bytes);
	case COMPARE_READ:
		return compare(unit, task, (uint32_t)bytes, result);
	case COMPARE_WRITTEN:
		break;
	}
	if (result < 0)
		return scsi_answer_error(unit, task, result, SENSE_WRITE_ERROR);
	task->outcome.transferred_bytes = (uint32_t)(2 * bytes);
	task->outcome.is_stored = (task->cdb[1] & FUA) != 0;
	return scsi_answer(task);
}
