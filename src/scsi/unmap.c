/* SPDX-License-Identifier: MIT */
/* Freeing blocks, writing them all alike, and asking which are there. */
#include <string.h>

#include "base/count.h"
#include "scsi/block.h"
#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/limits.h"

/* UNMAP (SBC-3 5.28). ------------------------------------------------------ */

#define LIST_HEADER_BYTES 8
#define RANGE_BYTES       16

static uint32_t range_count(const struct scsi_task *task)
{
	return get_be16(task->scratch + 2) / RANGE_BYTES;
}

static const uint8_t *range(const struct scsi_task *task, uint64_t index)
{
	return task->scratch + LIST_HEADER_BYTES + index * RANGE_BYTES;
}

/* All ranges, before any is freed. */
static bool check_ranges(struct scsi_unit *unit, struct scsi_task *task)
{
	uint64_t blocks = 0;

	for (uint32_t i = 0; i < range_count(task); i++) {
		task->lba = get_be64(range(task, i));
		task->block_count = get_be32(range(task, i) + 8);
		if (!scsi_block_range(unit, task))
			return false;
		blocks += task->block_count;
	}
	if (blocks <= SCSI_UNMAP_MAX / unit->block_bytes)
		return true;
	scsi_refuse_list(unit, task, LIST_HEADER_BYTES, -1);
	return false;
}

/* False: the task has ended. */
static bool take_ranges(struct scsi_unit *unit, struct scsi_task *task)
{
	uint32_t bytes = get_be16(task->cdb + 7);

	/* No list at all is no error. */
	if (bytes == 0) {
		scsi_answer(task);
		return false;
	}
	if (bytes < LIST_HEADER_BYTES || !scsi_take_list(task, bytes)) {
		scsi_refuse(unit, task, SENSE_BAD_LIST_LENGTH);
		return false;
	}
	if (get_be16(task->scratch + 2) > bytes - LIST_HEADER_BYTES) {
		scsi_refuse_list(unit, task, 2, -1);
		return false;
	}
	if (range_count(task) > SCSI_UNMAP_RANGES) {
		scsi_refuse_list(unit, task, 2, -1);
		return false;
	}
	return check_ranges(unit, task);
}

struct scsi_step scsi_unmap(struct scsi_unit *unit, struct scsi_task *task,
			    int result)
{
	if (task->stage == 0 && !take_ranges(unit, task))
		return SCSI_ENDED;
	if (result < 0)
		return scsi_answer_error(unit, task, result, SENSE_WRITE_ERROR);
	while (task->stage < range_count(task)) {
		const uint8_t *next = range(task, task->stage++);

		task->lba = get_be64(next);
		task->block_count = get_be32(next + 8);
		if (task->block_count > 0)
			return scsi_block_step(
				unit, task, SCSI_STEP_UNMAP, NULL,
				task->block_count * unit->block_bytes);
	}
	return scsi_answer(task);
}

/* WRITE SAME (SBC-3 5.43, 5.44). ------------------------------------------- */

#define UNMAP   0x08
#define NO_DATA 0x01

enum same_stage {
	SAME_BEGIN,
	SAME_ZEROED,
	SAME_WRITING,
};

static bool has_data(const struct scsi_task *task)
{
	return task->command->code == SCSI_WRITE_SAME_10 ||
	       !(task->cdb[1] & NO_DATA);
}

/* Fill scratch with the block, and say whether that is zeroes alone. */
static bool fill(const struct scsi_unit *unit, struct scsi_task *task)
{
	uint32_t block = unit->block_bytes;

	if (!has_data(task))
		return true;
	memcpy(task->scratch, task->data, block);
	task->outcome.transferred_bytes = block;
	if (task->scratch[0] == 0 &&
	    memcmp(task->scratch, task->scratch + 1, block - 1) == 0)
		return true;
	for (uint32_t i = block; i < SCSI_SCRATCH_BYTES; i += block)
		memcpy(task->scratch + i, task->scratch, block);
	return false;
}

/* False: the task has ended. */
static bool check_same(struct scsi_unit *unit, struct scsi_task *task)
{
	if ((task->cdb[1] & UNMAP) && !unit->is_thin) {
		scsi_refuse_cdb(unit, task, 1, 3);
		return false;
	}
	if (!scsi_block_range(unit, task))
		return false;
	if (task->block_count == 0 && unit->is_thin) {
		/* WSNZ: nobody frees the rest of a disk by a field left 0. */
		scsi_refuse_cdb(unit, task, task->command->cdb_bytes - 4, -1);
		return false;
	}
	if (task->block_count == 0)
		task->block_count = unit->block_count - task->lba;
	return scsi_block_limit(unit, task, SCSI_WRITE_SAME_MAX) &&
	       scsi_block_data(unit, task,
			       has_data(task) ? unit->block_bytes : 0);
}

struct scsi_step scsi_write_same(struct scsi_unit *unit, struct scsi_task *task,
				 int result)
{
	struct scsi_step step;
	uint64_t left;

	if (task->stage == SAME_BEGIN) {
		if (!check_same(unit, task))
			return SCSI_ENDED;
		task->stage = fill(unit, task) ? SAME_ZEROED : SAME_WRITING;
	} else {
		if (result < 0)
			return scsi_answer_error(unit, task, result,
						 SENSE_WRITE_ERROR);
		task->done_bytes += task->run_bytes;
	}
	left = task->block_count * unit->block_bytes - task->done_bytes;
	if (left == 0)
		return scsi_answer(task);
	task->run_bytes = task->stage == SAME_ZEROED
				  ? left
				  : min_u64(left, SCSI_SCRATCH_BYTES);
	step = scsi_block_step(unit, task,
			       task->stage == SAME_ZEROED ? SCSI_STEP_ZERO
							  : SCSI_STEP_WRITE,
			       task->scratch, task->run_bytes);
	step.may_unmap = (task->cdb[1] & UNMAP) != 0;
	return step;
}

/* GET LBA STATUS (SBC-3 5.4). ---------------------------------------------- */

#define STATUS_HEADER_BYTES 8
#define STATUS_BYTES        16
#define STATUSES_MAX        64
#define DEALLOCATED         0x01

static uint64_t status_count(const struct scsi_task *task)
{
	return task->done_bytes;
}

/* From task->lba on, task->block_count blocks are alike. */
static void add_status(struct scsi_task *task, bool is_allocated)
{
	uint8_t *next = task->scratch + STATUS_HEADER_BYTES +
			status_count(task) * STATUS_BYTES;

	memset(next, 0, STATUS_BYTES);
	put_be64(next, task->lba);
	put_be32(next + 8, (uint32_t)task->block_count);
	next[12] = is_allocated ? 0 : DEALLOCATED;
	task->done_bytes++;
	task->lba += task->block_count;
}

static struct scsi_step answer_statuses(struct scsi_task *task)
{
	uint32_t bytes = (uint32_t)status_count(task) * STATUS_BYTES;

	memset(task->scratch, 0, STATUS_HEADER_BYTES);
	put_be32(task->scratch, bytes + 4);
	return scsi_answer_data(task, bytes + STATUS_HEADER_BYTES,
				get_be32(task->cdb + 10));
}

/* Whether one more descriptor is asked for, and there is something to tell. */
static bool wants_status(const struct scsi_unit *unit,
			 const struct scsi_task *task)
{
	uint64_t end =
		STATUS_HEADER_BYTES + (status_count(task) + 1) * STATUS_BYTES;

	return task->lba < unit->block_count &&
	       status_count(task) < STATUSES_MAX &&
	       (status_count(task) == 0 || end <= get_be32(task->cdb + 10));
}

static struct scsi_step ask_status(const struct scsi_unit *unit,
				   struct scsi_task *task)
{
	uint64_t blocks = min_u64(unit->block_count - task->lba, UINT32_MAX);

	return (struct scsi_step){
		.kind = SCSI_STEP_EXTENT,
		.offset_bytes = task->lba * unit->block_bytes,
		.length_bytes = blocks * unit->block_bytes,
	};
}

struct scsi_step scsi_lba_status(struct scsi_unit *unit, struct scsi_task *task,
				 int result)
{
	if (task->stage == 0) {
		task->lba = get_be64(task->cdb + 2);
		if (task->lba >= unit->block_count)
			return scsi_refuse(unit, task, SENSE_LBA_OUT_OF_RANGE);
		task->stage = 1;
	} else {
		if (result < 0)
			return scsi_refuse(unit, task, SENSE_READ_ERROR);
		/* A block that is there in part is there. */
		task->block_count =
			result ? task->run_bytes + unit->block_bytes - 1
			       : task->run_bytes;
		task->block_count /= unit->block_bytes;
		if (task->block_count == 0) {
			task->block_count = 1;
			result = 1;
		}
		add_status(task, result != 0);
	}
	if (!wants_status(unit, task))
		return answer_statuses(task);
	return ask_status(unit, task);
}
