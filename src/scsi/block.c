/* SPDX-License-Identifier: MIT */
/* Reading, writing and verifying blocks (SBC-3 chapter 5). */
#include <string.h>

#include "base/count.h"
#include "scsi/block.h"
#include "scsi/handlers.h"
#include "scsi/limits.h"

#define FUA          0x08
#define BYTE_CHECK   0x06
#define CHECK_MEDIUM 0x00
#define CHECK_ALL    0x02
#define CHECK_ONE    0x06

static bool has_fua(const struct scsi_task *task)
{
	return task->command->cdb_bytes > 6 && (task->cdb[1] & FUA) != 0;
}

bool scsi_block_range(struct scsi_unit *unit, struct scsi_task *task)
{
	if (task->lba <= unit->block_count &&
	    task->block_count <= unit->block_count - task->lba)
		return true;
	scsi_refuse(unit, task, SENSE_LBA_OUT_OF_RANGE);
	return false;
}

/* The byte of a CDB where its number of blocks begins. */
static uint16_t count_byte(const struct scsi_task *task)
{
	switch ((enum scsi_place)task->command->place) {
	case SCSI_PLACE_6:
		return 4;
	case SCSI_PLACE_10:
		return 7;
	case SCSI_PLACE_12:
		return 6;
	case SCSI_PLACE_COMPARE:
		return 13;
	case SCSI_PLACE_16:
	case SCSI_PLACE_NONE:
	case SCSI_PLACE_WHOLE:
		break;
	}
	return 10;
}

bool scsi_block_limit(struct scsi_unit *unit, struct scsi_task *task,
		      uint64_t max_bytes)
{
	if (task->block_count <= max_bytes / unit->block_bytes)
		return true;
	scsi_refuse_cdb(unit, task, count_byte(task), -1);
	return false;
}

bool scsi_block_data(struct scsi_unit *unit, struct scsi_task *task,
		     uint64_t bytes)
{
	if (task->data_bytes == bytes)
		return true;
	scsi_refuse_cdb(unit, task, count_byte(task), -1);
	return false;
}

struct scsi_step scsi_block_step(const struct scsi_unit *unit,
				 const struct scsi_task *task,
				 enum scsi_step_kind kind, uint8_t *memory,
				 uint64_t bytes)
{
	return (struct scsi_step){
		.kind = kind,
		.memory = memory,
		.offset_bytes =
			task->lba * unit->block_bytes + task->done_bytes,
		.length_bytes = bytes,
	};
}

/* All checks of a command that transfers its blocks. Ended if it says so. */
static bool check_transfer(struct scsi_unit *unit, struct scsi_task *task)
{
	return scsi_block_range(unit, task) &&
	       scsi_block_limit(unit, task, SCSI_TRANSFER_MAX);
}

/* What there is to transfer: an initiator that expects less than its CDB says
 * gets whole blocks of it, and a residual (SAM-5 5.4.2). */
static uint32_t transfer_bytes(const struct scsi_unit *unit,
			       const struct scsi_task *task)
{
	uint64_t bytes = min_u64(task->block_count * unit->block_bytes,
				 task->data_bytes);

	return (uint32_t)(bytes - bytes % unit->block_bytes);
}

struct scsi_step scsi_read(struct scsi_unit *unit, struct scsi_task *task,
			   int result)
{
	uint32_t bytes = transfer_bytes(unit, task);

	if (task->stage == 0) {
		if (!check_transfer(unit, task))
			return SCSI_ENDED;
		task->stage = 1;
		if (bytes > 0)
			return scsi_block_step(unit, task, SCSI_STEP_READ,
					       task->data, bytes);
	}
	if (result < 0)
		return scsi_refuse(unit, task, SENSE_READ_ERROR);
	task->outcome.transferred_bytes = bytes;
	task->outcome.is_stored = has_fua(task);
	return scsi_answer(task);
}

struct scsi_step scsi_write(struct scsi_unit *unit, struct scsi_task *task,
			    int result)
{
	uint32_t bytes = transfer_bytes(unit, task);

	if (task->stage == 0) {
		if (!check_transfer(unit, task))
			return SCSI_ENDED;
		task->stage = 1;
		if (bytes > 0)
			return scsi_block_step(unit, task, SCSI_STEP_WRITE,
					       task->data, bytes);
	}
	if (result < 0)
		return scsi_answer_error(unit, task, result, SENSE_WRITE_ERROR);
	task->outcome.transferred_bytes = bytes;
	task->outcome.is_stored = has_fua(task);
	return scsi_answer(task);
}

/* Pieces, each through scratch. -------------------------------------------- */

static uint64_t piece_bytes(const struct scsi_unit *unit,
			    const struct scsi_task *task)
{
	return min_u64(task->block_count * unit->block_bytes - task->done_bytes,
		       SCSI_SCRATCH_BYTES);
}

static struct scsi_step read_piece(const struct scsi_unit *unit,
				   const struct scsi_task *task)
{
	return scsi_block_step(unit, task, SCSI_STEP_READ, task->scratch,
			       piece_bytes(unit, task));
}

struct scsi_step scsi_miscompare(struct scsi_unit *unit, struct scsi_task *task,
				 uint64_t offset_bytes)
{
	return scsi_answer_sense(
		unit, task,
		&(struct scsi_sense){ .code = SENSE_MISCOMPARE,
				      .has_information = true,
				      .information = offset_bytes });
}

bool scsi_bytes_differ(const uint8_t *a, const uint8_t *b, uint64_t count,
		       uint64_t *ret_offset)
{
	if (memcmp(a, b, count) == 0)
		return false;
	for (*ret_offset = 0; *ret_offset < count; ++*ret_offset)
		if (a[*ret_offset] != b[*ret_offset])
			break;
	return true;
}

/* Whether what was read differs from the data: all of it, or one block for
 * all. */
static bool differs(const struct scsi_unit *unit, const struct scsi_task *task,
		    uint8_t check, uint64_t *ret_offset)
{
	uint64_t bytes = piece_bytes(unit, task);

	if (check == CHECK_ALL) {
		if (!scsi_bytes_differ(task->scratch,
				       task->data + task->done_bytes, bytes,
				       ret_offset))
			return false;
		*ret_offset += task->done_bytes;
		return true;
	}
	for (uint64_t i = 0; i < bytes; i += unit->block_bytes)
		if (scsi_bytes_differ(task->scratch + i, task->data,
				      unit->block_bytes, ret_offset))
			return true;
	return false;
}

/* How much data a check compares with. */
static uint64_t check_bytes(const struct scsi_unit *unit,
			    const struct scsi_task *task, uint8_t check)
{
	if (check == CHECK_MEDIUM || task->block_count == 0)
		return 0;
	return (check == CHECK_ONE ? 1 : task->block_count) * unit->block_bytes;
}

/* Read piece after piece, until one is bad or differs. */
static struct scsi_step verify_pieces(struct scsi_unit *unit,
				      struct scsi_task *task, uint8_t check,
				      int result)
{
	uint64_t offset;

	if (result < 0)
		return scsi_refuse(unit, task, SENSE_READ_ERROR);
	if (check != CHECK_MEDIUM && differs(unit, task, check, &offset))
		return scsi_miscompare(unit, task, offset);
	task->done_bytes += piece_bytes(unit, task);
	if (piece_bytes(unit, task) > 0)
		return read_piece(unit, task);
	task->outcome.transferred_bytes =
		(uint32_t)check_bytes(unit, task, check);
	return scsi_answer(task);
}

/* SBC-3 5.29: a BYTCHK of 10b is reserved. */
struct scsi_step scsi_verify(struct scsi_unit *unit, struct scsi_task *task,
			     int result)
{
	uint8_t check = task->cdb[1] & BYTE_CHECK;

	if (task->stage > 0)
		return verify_pieces(unit, task, check, result);
	if (check != CHECK_MEDIUM && check != CHECK_ALL && check != CHECK_ONE)
		return scsi_refuse_cdb(unit, task, 1, 2);
	if (!check_transfer(unit, task))
		return SCSI_ENDED;
	if (task->data_bytes < check_bytes(unit, task, check))
		return scsi_refuse_cdb(unit, task, count_byte(task), -1);
	if (task->block_count == 0)
		return scsi_answer(task);
	task->stage = 1;
	return read_piece(unit, task);
}

/* SBC-3 5.36: written to the medium, then read from it. */
struct scsi_step scsi_write_verify(struct scsi_unit *unit,
				   struct scsi_task *task, int result)
{
	uint8_t check = task->cdb[1] & BYTE_CHECK;
	uint64_t bytes = task->block_count * unit->block_bytes;
	struct scsi_step step;

	if (task->stage == 0) {
		if (!check_transfer(unit, task))
			return SCSI_ENDED;
		bytes = transfer_bytes(unit, task);
		task->block_count = bytes / unit->block_bytes;
		if (bytes == 0)
			return scsi_answer(task);
		task->stage = 1;
		return scsi_block_step(unit, task, SCSI_STEP_WRITE, task->data,
				       bytes);
	}
	if (task->stage == 1) {
		if (result < 0)
			return scsi_answer_error(unit, task, result,
						 SENSE_WRITE_ERROR);
		task->stage = 2;
		return read_piece(unit, task);
	}
	task->outcome.is_stored = true;
	step = verify_pieces(unit, task, check, result);
	task->outcome.transferred_bytes = (uint32_t)bytes;
	return step;
}

/* SBC-3 5.14: what is there or data, piece by piece, which comes to the same
 * when it is done again. */
struct scsi_step scsi_or_write(struct scsi_unit *unit, struct scsi_task *task,
			       int result)
{
	uint64_t bytes = task->block_count * unit->block_bytes;
	uint64_t piece = piece_bytes(unit, task);

	if (task->stage == 0) {
		if (!check_transfer(unit, task) ||
		    !scsi_block_data(unit, task, bytes))
			return SCSI_ENDED;
	} else if (task->stage == 1) {
		if (result < 0)
			return scsi_refuse(unit, task, SENSE_READ_ERROR);
		for (uint64_t i = 0; i < piece; i++)
			task->scratch[i] |= task->data[task->done_bytes + i];
		task->stage = 2;
		return scsi_block_step(unit, task, SCSI_STEP_WRITE,
				       task->scratch, piece);
	} else if (result < 0) {
		return scsi_answer_error(unit, task, result, SENSE_WRITE_ERROR);
	} else {
		task->done_bytes += piece;
	}
	if (task->done_bytes < bytes) {
		task->stage = 1;
		return read_piece(unit, task);
	}
	task->outcome.transferred_bytes = (uint32_t)bytes;
	task->outcome.is_stored = has_fua(task);
	return scsi_answer(task);
}

/* SBC-3 5.11: GOOD means that not all of it is in a cache. Nothing is. */
struct scsi_step scsi_prefetch(struct scsi_unit *unit, struct scsi_task *task,
			       int result)
{
	if (!scsi_block_range(unit, task))
		return SCSI_ENDED;
	return scsi_answer(task);
}

/* SBC-3 5.21: all of it, whichever blocks are asked for. */
struct scsi_step scsi_synchronize(struct scsi_unit *unit,
				  struct scsi_task *task, int result)
{
	if (!scsi_block_range(unit, task))
		return SCSI_ENDED;
	task->outcome.is_stored = true;
	return scsi_answer(task);
}
