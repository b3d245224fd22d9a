/* SPDX-License-Identifier: MIT */
/*
 * READ, SPACE and LOCATE: from object to object, in either direction.
 */
#include <string.h>

#include "base/count.h"
#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/tape_walk.h"

enum { STAGE_MARK = TAPE_STAGE_OWN, STAGE_FAR_MARK, STAGE_DATA };

/* Of READ. */
#define SILENT 0x02

/* Of SPACE (SSC-4 table 48). */
#define SPACE_CODE       0x0f
#define SPACE_BLOCKS     0
#define SPACE_FILEMARKS  1
#define SPACE_SEQUENTIAL 2
#define SPACE_TO_END     3
#define SPACE_BACKWARDS  0x800000u /* the sign of the count */

/* Of LOCATE (SSC-4 tables 29 and 31). */
#define LOCATE_PARTITION  0x02
#define LOCATE_TYPE(byte) ((byte) >> 3 & 7)
#define LOCATE_OBJECT     0
#define LOCATE_FILE       1
#define LOCATE_TO_END     3

static struct scsi_step read_bytes(struct scsi_task *task, uint32_t stage,
				   uint8_t *memory, uint64_t offset,
				   uint32_t length)
{
	task->stage = stage;
	return (struct scsi_step){ .kind = SCSI_STEP_READ,
				   .memory = memory,
				   .offset_bytes = offset,
				   .length_bytes = length };
}

static struct scsi_step end_with(struct scsi_unit *unit, struct scsi_task *task,
				 struct scsi_sense sense)
{
	sense.has_information = true;
	sense.information = tape_residue(tape_walk(task));
	return tape_walk_end(unit, task, &sense);
}

/* The tape goes no further in this direction. */
static struct scsi_step stop_at_end(struct scsi_unit *unit,
				    struct scsi_task *task)
{
	const struct tape_walk *walk = tape_walk(task);

	if (walk->goal == TAPE_PASS_ALL)
		return tape_walk_end(unit, task, NULL);
	if (walk->is_backwards)
		return end_with(
			unit, task,
			(struct scsi_sense){ .code = SENSE_TAPE_BEGIN,
					     .is_end_of_medium = true });
	return end_with(unit, task,
			(struct scsi_sense){ .code = SENSE_TAPE_BLANK });
}

static struct scsi_step look(struct scsi_unit *unit, struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);
	const struct scsi_tape *at = &walk->at;

	if (walk->left == 0)
		return tape_walk_end(unit, task, NULL);
	if (walk->is_backwards && at->place >= TAPE_MARK_BYTES)
		return read_bytes(task, STAGE_MARK, walk->mark,
				  at->place - TAPE_MARK_BYTES, TAPE_MARK_BYTES);
	if (!walk->is_backwards && at->place <= at->end &&
	    at->end - at->place >= TAPE_MARK_BYTES)
		return read_bytes(task, STAGE_MARK, walk->mark, at->place,
				  TAPE_MARK_BYTES);
	return stop_at_end(unit, task);
}

/* Go to the object's other side. */
static void pass(struct tape_walk *walk)
{
	uint64_t one = walk->is_backwards ? UINT64_MAX : 1;
	bool is_filemark = walk->object.kind == TAPE_FILEMARK;

	walk->at.place =
		walk->is_backwards ? walk->object.begin : walk->object.end;
	if (walk->object.kind == TAPE_GAP)
		return;
	walk->at.object += one;
	if (is_filemark)
		walk->at.file += one;
	if (walk->goal == TAPE_PASS_OBJECTS ||
	    walk->goal ==
		    (is_filemark ? TAPE_PASS_FILEMARKS : TAPE_PASS_BLOCKS))
		walk->left--;
}

static struct scsi_step see_filemark(struct scsi_unit *unit,
				     struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);

	pass(walk);
	if (walk->goal != TAPE_PASS_BLOCKS)
		return look(unit, task);
	return end_with(unit, task,
			(struct scsi_sense){ .code = SENSE_TAPE_FILEMARK,
					     .is_filemark = true });
}

static struct scsi_step see_mark(struct scsi_unit *unit, struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);

	walk->object = walk->is_backwards
			       ? tape_object_behind(walk->mark, walk->at.place)
			       : tape_object_ahead(walk->mark, walk->at.place,
						   walk->at.end);
	switch (walk->object.kind) {
	case TAPE_BLOCK:
		return read_bytes(task, STAGE_FAR_MARK, walk->far_mark,
				  walk->object.far_mark, TAPE_MARK_BYTES);
	case TAPE_FILEMARK:
		return see_filemark(unit, task);
	case TAPE_GAP:
		pass(walk);
		return look(unit, task);
	case TAPE_END:
		return stop_at_end(unit, task);
	case TAPE_BROKEN:
		break;
	}
	return end_with(unit, task,
			(struct scsi_sense){ .code = SENSE_READ_ERROR });
}

/* Whether the initiator is told that a block has another length than asked. */
static bool is_wrong_length(const struct scsi_unit *unit,
			    const struct tape_walk *walk)
{
	if (walk->object.data_bytes == walk->block_bytes)
		return false;
	if (!walk->may_be_short)
		return true;
	return walk->object.data_bytes > walk->block_bytes &&
	       scsi_unit_mode(unit)->tape_block_bytes != 0;
}

/* What INFORMATION says of a block of another length (SSC-4 4.2.10.2). */
static uint64_t wrong_length_residue(const struct tape_walk *walk)
{
	if (walk->is_fixed)
		return walk->left;
	return (uint64_t)walk->block_bytes - walk->object.data_bytes;
}

/* A block has been read as far as it was asked for. */
static struct scsi_step see_data(struct scsi_unit *unit, struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);
	struct scsi_sense sense = { .has_information = true };

	task->done_bytes += walk->taken_bytes;
	if (walk->object.is_bad) {
		sense.code = SENSE_READ_ERROR;
		sense.information = tape_residue(walk);
	} else if (is_wrong_length(unit, walk)) {
		sense.is_wrong_length = true;
		sense.information = wrong_length_residue(walk);
	} else {
		pass(walk);
		return look(unit, task);
	}
	pass(walk);
	return tape_walk_end(unit, task, &sense);
}

static struct scsi_step see_far_mark(struct scsi_unit *unit,
				     struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);
	uint64_t room = task->data_bytes - task->done_bytes;

	if (memcmp(walk->mark, walk->far_mark, TAPE_MARK_BYTES) != 0)
		return end_with(
			unit, task,
			(struct scsi_sense){ .code = SENSE_READ_ERROR });
	if (!walk->is_reading) {
		pass(walk);
		return look(unit, task);
	}
	walk->taken_bytes = (uint32_t)min_u64(
		room, min_u64(walk->block_bytes, walk->object.data_bytes));
	if (walk->taken_bytes == 0)
		return see_data(unit, task);
	return read_bytes(task, STAGE_DATA, task->data + task->done_bytes,
			  walk->object.begin + TAPE_MARK_BYTES,
			  walk->taken_bytes);
}

static struct scsi_step go_on(struct scsi_unit *unit, struct scsi_task *task)
{
	if (task->stage == STAGE_MARK)
		return see_mark(unit, task);
	if (task->stage == STAGE_FAR_MARK)
		return see_far_mark(unit, task);
	return see_data(unit, task);
}

static struct scsi_step read_begin(struct scsi_unit *unit,
				   struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk_begin(unit, task);
	uint16_t wrong = tape_walk_transfer(unit, task);

	if (wrong)
		return scsi_refuse_cdb(unit, task, wrong, wrong == 1 ? 0 : 7);
	if (walk->is_fixed && task->cdb[1] & SILENT)
		return scsi_refuse_cdb(unit, task, 1, 1);
	walk->may_be_short = task->cdb[1] & SILENT;
	if (task->is_repeated)
		walk->at.place = task->handler[0];
	walk->goal = TAPE_PASS_BLOCKS;
	walk->is_reading = true;
	return walk->left ? look(unit, task) : scsi_answer(task);
}

struct scsi_step scsi_tape_read(struct scsi_unit *unit, struct scsi_task *task,
				int result)
{
	static const struct tape_verb verb = { .begin = read_begin,
					       .go_on = go_on,
					       .error = SENSE_READ_ERROR };

	return tape_run(unit, task, result, &verb);
}

static struct scsi_step space_begin(struct scsi_unit *unit,
				    struct scsi_task *task)
{
	static const int8_t goals[] = {
		[SPACE_BLOCKS] = TAPE_PASS_BLOCKS,
		[SPACE_FILEMARKS] = TAPE_PASS_FILEMARKS,
		[SPACE_SEQUENTIAL] = -1,
		[SPACE_TO_END] = TAPE_PASS_ALL,
	};
	struct tape_walk *walk = tape_walk_begin(unit, task);
	uint8_t code = task->cdb[1] & SPACE_CODE;
	uint32_t count = get_be24(task->cdb + 2);

	if (code >= ARRAY_COUNT(goals) || goals[code] < 0)
		return scsi_refuse_cdb(unit, task, 1, 3);
	walk->goal = (enum tape_goal)goals[code];
	walk->is_backwards = count & SPACE_BACKWARDS;
	walk->left = walk->is_backwards ? 2 * SPACE_BACKWARDS - count : count;
	if (walk->goal == TAPE_PASS_ALL) {
		walk->is_backwards = false;
		walk->left = 1;
	}
	return walk->left ? look(unit, task) : scsi_answer(task);
}

struct scsi_step scsi_tape_space(struct scsi_unit *unit, struct scsi_task *task,
				 int result)
{
	static const struct tape_verb verb = { .begin = space_begin,
					       .go_on = go_on,
					       .error = SENSE_READ_ERROR };

	return tape_run(unit, task, result, &verb);
}

/* From the beginning or from here, whichever is nearer. */
static struct scsi_step go_to_object(struct scsi_unit *unit,
				     struct scsi_task *task, uint64_t object)
{
	struct tape_walk *walk = tape_walk(task);

	walk->goal = TAPE_PASS_OBJECTS;
	if (object < walk->at.object / 2)
		tape_rewind(&walk->at);
	walk->is_backwards = object < walk->at.object;
	walk->left = walk->is_backwards ? walk->at.object - object
					: object - walk->at.object;
	return look(unit, task);
}

/* To the first block of a file: behind so many filemarks. */
static struct scsi_step go_to_file(struct scsi_unit *unit,
				   struct scsi_task *task, uint64_t file)
{
	struct tape_walk *walk = tape_walk(task);

	walk->goal = TAPE_PASS_FILEMARKS;
	if (file <= walk->at.file)
		tape_rewind(&walk->at);
	walk->left = file - walk->at.file;
	return look(unit, task);
}

static struct scsi_step go_to_end(struct scsi_unit *unit,
				  struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);

	walk->goal = TAPE_PASS_ALL;
	walk->left = 1;
	return look(unit, task);
}

/* There is one partition, number 0. */
static bool names_other_partition(const struct scsi_task *task,
				  uint8_t partition)
{
	return task->cdb[1] & LOCATE_PARTITION && partition != 0;
}

static struct scsi_step locate_begin(struct scsi_unit *unit,
				     struct scsi_task *task)
{
	(void)tape_walk_begin(unit, task);
	if (names_other_partition(task, task->cdb[8]))
		return scsi_refuse_cdb(unit, task, 8, 7);
	return go_to_object(unit, task, get_be32(task->cdb + 3));
}

struct scsi_step scsi_tape_locate(struct scsi_unit *unit,
				  struct scsi_task *task, int result)
{
	static const struct tape_verb verb = { .begin = locate_begin,
					       .go_on = go_on,
					       .error = SENSE_READ_ERROR };

	return tape_run(unit, task, result, &verb);
}

static struct scsi_step locate_long_begin(struct scsi_unit *unit,
					  struct scsi_task *task)
{
	uint64_t where = get_be64(task->cdb + 4);

	(void)tape_walk_begin(unit, task);
	if (names_other_partition(task, task->cdb[3]))
		return scsi_refuse_cdb(unit, task, 3, 7);
	switch (LOCATE_TYPE(task->cdb[1])) {
	case LOCATE_OBJECT:
		return go_to_object(unit, task, where);
	case LOCATE_FILE:
		return go_to_file(unit, task, where);
	case LOCATE_TO_END:
		return go_to_end(unit, task);
	default:
		return scsi_refuse_cdb(unit, task, 1, 5);
	}
}

struct scsi_step scsi_tape_locate_long(struct scsi_unit *unit,
				       struct scsi_task *task, int result)
{
	static const struct tape_verb verb = { .begin = locate_long_begin,
					       .go_on = go_on,
					       .error = SENSE_READ_ERROR };

	return tape_run(unit, task, result, &verb);
}
