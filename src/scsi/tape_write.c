/* SPDX-License-Identifier: MIT */
/*
 * WRITE, WRITE FILEMARKS and ERASE: all that is behind what they write is no
 * part of the tape any more.
 */
#include "base/count.h"
#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/tape_walk.h"

enum { STAGE_PIECE = TAPE_STAGE_OWN, STAGE_CLEAR };

#define FILEMARKS_LATER 0x01 /* IMMED */
#define ERASE_LONG      0x01

/* So many filemarks are written at once. */
static uint32_t group_of(const struct tape_walk *walk)
{
	return (uint32_t)min_u64(walk->left, TAPE_FILEMARKS_MAX);
}

static struct scsi_step piece_step(struct scsi_task *task)
{
	struct tape_piece *piece = &tape_walk(task)->bytes;

	task->stage = STAGE_PIECE;
	return (struct scsi_step){
		.kind = SCSI_STEP_WRITE,
		.memory = piece->is_data ? task->data + task->done_bytes
					 : piece->bytes,
		.offset_bytes = piece->offset_bytes,
		.length_bytes = piece->length_bytes,
	};
}

static bool writes_blocks(const struct tape_walk *walk)
{
	return walk->goal == TAPE_PASS_BLOCKS;
}

static bool make_piece(struct tape_walk *walk)
{
	if (writes_blocks(walk))
		return tape_block_piece(walk->at.place, walk->block_bytes,
					walk->piece++, &walk->bytes);
	return tape_filemarks_piece(walk->at.place, group_of(walk),
				    walk->piece++, &walk->bytes);
}

static uint64_t object_bytes(const struct tape_walk *walk)
{
	return writes_blocks(walk) ? tape_block_bytes(walk->block_bytes)
				   : group_of(walk) * TAPE_MARK_BYTES;
}

/* Whether the next object fits, and the end behind it. */
static bool has_room(const struct scsi_unit *unit, const struct tape_walk *walk)
{
	uint64_t capacity = tape_capacity(unit);

	return walk->at.place <= capacity &&
	       object_bytes(walk) + TAPE_MARK_BYTES <=
		       capacity - walk->at.place;
}

/* What was begun is behind the tape's end now. */
static void pass_written(struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);
	uint64_t count = writes_blocks(walk) ? 1 : group_of(walk);

	walk->at.place += object_bytes(walk);
	walk->at.object += count;
	if (writes_blocks(walk))
		task->done_bytes += walk->block_bytes;
	else
		walk->at.file += count;
	walk->at.end = walk->at.place;
	walk->left -= count;
	/* The piece that ends the tape here is written already. */
	walk->piece = 1;
}

/* All is written, or as much as there was room for. */
static struct scsi_step end_writing(struct scsi_unit *unit,
				    struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);
	struct scsi_sense sense = {
		.code = walk->left ? SENSE_TAPE_OVERFLOW : SENSE_TAPE_END,
		.is_end_of_medium = true,
		.has_information = true,
		.information = tape_residue(walk),
	};

	if (walk->left || walk->at.place >= tape_warning_place(unit))
		return tape_walk_end(unit, task, &sense);
	return tape_walk_end(unit, task, NULL);
}

static struct scsi_step write_on(struct scsi_unit *unit, struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);

	while (walk->left && has_room(unit, walk)) {
		if (make_piece(walk))
			return piece_step(task);
		pass_written(task);
	}
	return end_writing(unit, task);
}

static struct scsi_step write_begin(struct scsi_unit *unit,
				    struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk_begin(unit, task);
	uint16_t wrong = tape_walk_transfer(unit, task);

	if (wrong)
		return scsi_refuse_cdb(unit, task, wrong, wrong == 1 ? 0 : 7);
	if (walk->left * walk->block_bytes > task->data_bytes)
		return scsi_refuse_cdb(unit, task, 2, 7);
	walk->goal = TAPE_PASS_BLOCKS;
	return walk->left ? write_on(unit, task) : scsi_answer(task);
}

struct scsi_step scsi_tape_write(struct scsi_unit *unit, struct scsi_task *task,
				 int result)
{
	static const struct tape_verb verb = { .begin = write_begin,
					       .go_on = write_on,
					       .error = SENSE_WRITE_ERROR };

	return tape_run(unit, task, result, &verb);
}

/* Without IMMED they are a flush as well, none of them is nothing else. */
static struct scsi_step filemarks_begin(struct scsi_unit *unit,
					struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk_begin(unit, task);

	walk->goal = TAPE_PASS_FILEMARKS;
	walk->left = get_be24(task->cdb + 2);
	walk->is_stored = !(task->cdb[1] & FILEMARKS_LATER);
	return write_on(unit, task);
}

struct scsi_step scsi_tape_write_filemarks(struct scsi_unit *unit,
					   struct scsi_task *task, int result)
{
	static const struct tape_verb verb = { .begin = filemarks_begin,
					       .go_on = write_on,
					       .error = SENSE_WRITE_ERROR };

	return tape_run(unit, task, result, &verb);
}

/* Overwrite with zeroes what was on the tape behind its new end. */
static struct scsi_step clear(struct scsi_unit *unit, struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);
	uint64_t from = walk->at.place + TAPE_MARK_BYTES;
	uint64_t to =
		min_u64(walk->at.end + TAPE_MARK_BYTES, tape_capacity(unit));

	task->stage = STAGE_CLEAR;
	walk->at.end = walk->at.place;
	if (!(task->cdb[1] & ERASE_LONG) || from >= to)
		return tape_walk_end(unit, task, NULL);
	return (struct scsi_step){ .kind = SCSI_STEP_ZERO,
				   .may_unmap = true,
				   .offset_bytes = from,
				   .length_bytes = to - from };
}

static struct scsi_step erase_begin(struct scsi_unit *unit,
				    struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk_begin(unit, task);

	walk->goal = TAPE_PASS_FILEMARKS;
	walk->left = 1;
	if (!has_room(unit, walk))
		return clear(unit, task);
	/* The first piece of whatever is written ends the tape. */
	(void)make_piece(walk);
	return piece_step(task);
}

static struct scsi_step erase_on(struct scsi_unit *unit, struct scsi_task *task)
{
	if (task->stage == STAGE_PIECE)
		return clear(unit, task);
	return tape_walk_end(unit, task, NULL);
}

struct scsi_step scsi_tape_erase(struct scsi_unit *unit, struct scsi_task *task,
				 int result)
{
	static const struct tape_verb verb = { .begin = erase_begin,
					       .go_on = erase_on,
					       .error = SENSE_WRITE_ERROR };

	return tape_run(unit, task, result, &verb);
}
