/* SPDX-License-Identifier: MIT */
#include "scsi/tape_walk.h"

#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "scsi/bytes.h"
#include "scsi/handlers.h"

enum { STAGE_BEGIN, STAGE_COMMIT };
_Static_assert(STAGE_COMMIT < TAPE_STAGE_OWN, "verbs have their own");

/* Of READ(6) and WRITE(6). */
#define FIXED 0x01

/* A writer is warned within the last part of a tape, of at most so much. */
#define WARNING_PART 16
#define WARNING_MAX  (16ull << 20)

uint64_t tape_capacity(const struct scsi_unit *unit)
{
	return unit->block_count * unit->block_bytes;
}

uint64_t tape_warning_place(const struct scsi_unit *unit)
{
	uint64_t capacity = tape_capacity(unit);

	return capacity - min_u64(capacity / WARNING_PART, WARNING_MAX);
}

struct tape_walk *tape_walk(struct scsi_task *task)
{
	return (struct tape_walk *)(void *)task->scratch;
}

struct tape_walk *tape_walk_begin(const struct scsi_unit *unit,
				  struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);

	*walk = (struct tape_walk){
		.at = unit->ledger->state.tape,
		.is_ejected = scsi_unit_medium(unit)->is_ejected,
	};
	return walk;
}

uint16_t tape_walk_transfer(const struct scsi_unit *unit,
			    struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);
	uint32_t length = get_be24(task->cdb + 2);

	walk->is_fixed = task->cdb[1] & FIXED;
	walk->block_bytes = length;
	walk->left = length > 0;
	if (walk->is_fixed) {
		walk->block_bytes = scsi_unit_mode(unit)->tape_block_bytes;
		walk->left = length;
		if (walk->block_bytes == 0)
			return 1;
	}
	return walk->left * walk->block_bytes > SCSI_TRANSFER_MAX ? 2 : 0;
}

uint64_t tape_residue(const struct tape_walk *walk)
{
	/* Of blocks of any length, bytes. */
	if (walk->goal == TAPE_PASS_BLOCKS && !walk->is_fixed &&
	    walk->block_bytes > 0)
		return walk->left * walk->block_bytes;
	return walk->left;
}

static struct scsi_step commit(struct scsi_unit *unit, struct scsi_task *task)
{
	struct tape_walk *walk = tape_walk(task);
	bool is_loaded =
		!walk->is_ejected && scsi_unit_medium(unit)->is_ejected;
	struct scsi_state *next = scsi_ledger_prepare(unit->ledger);

	if (!next)
		return scsi_answer_status(task, SCSI_BUSY);
	next->tape = walk->at;
	next->medium.is_ejected = walk->is_ejected;
	task->stage = STAGE_COMMIT;
	if (is_loaded)
		return scsi_commit_for_others(unit, task,
					      ATTENTION_MEDIUM_CHANGED);
	return scsi_commit(unit, task, NULL);
}

struct scsi_step tape_walk_end(struct scsi_unit *unit, struct scsi_task *task,
			       const struct scsi_sense *sense)
{
	/* What a command was answered stays so; only data is read again. */
	if (task->is_repeated)
		return (struct scsi_step){ .kind = SCSI_STEP_ANSWER };
	task->outcome.transferred_bytes = (uint32_t)task->done_bytes;
	if (sense)
		(void)scsi_answer_sense(unit, task, sense);
	else
		(void)scsi_answer(task);
	task->outcome.is_stored = !sense && tape_walk(task)->is_stored;
	return commit(unit, task);
}

static struct scsi_step committed(struct scsi_unit *unit,
				  struct scsi_task *task, int result)
{
	if (result == -EAGAIN)
		return commit(unit, task);
	if (result < 0)
		return scsi_refuse(unit, task, SENSE_INTERNAL_FAILURE);
	return (struct scsi_step){ .kind = SCSI_STEP_ANSWER };
}

struct scsi_step tape_run(struct scsi_unit *unit, struct scsi_task *task,
			  int result, const struct tape_verb *verb)
{
	switch (task->stage) {
	case STAGE_BEGIN:
		return verb->begin(unit, task);
	case STAGE_COMMIT:
		return committed(unit, task, result);
	default:
		break;
	}
	if (result < 0)
		return scsi_answer_error(unit, task, result, verb->error);
	return verb->go_on(unit, task);
}

void tape_rewind(struct scsi_tape *tape)
{
	*tape = (struct scsi_tape){ .end = tape->end };
}

static struct scsi_step rewind_begin(struct scsi_unit *unit,
				     struct scsi_task *task)
{
	tape_rewind(&tape_walk_begin(unit, task)->at);
	return tape_walk_end(unit, task, NULL);
}

struct scsi_step scsi_tape_rewind(struct scsi_unit *unit,
				  struct scsi_task *task, int result)
{
	static const struct tape_verb verb = { .begin = rewind_begin };

	return tape_run(unit, task, result, &verb);
}

/* LOAD UNLOAD (SSC-4 7.2). */

#define LOAD        0x01
#define LOAD_TO_END 0x04

static struct scsi_step load_begin(struct scsi_unit *unit,
				   struct scsi_task *task)
{
	bool is_load = task->cdb[4] & LOAD;
	struct tape_walk *walk = tape_walk_begin(unit, task);

	if (is_load && task->cdb[4] & LOAD_TO_END)
		return scsi_refuse_cdb(unit, task, 4, 2);
	if (is_load && unit->block_count == 0)
		return scsi_refuse(unit, task, SENSE_NO_MEDIUM);
	if (!is_load && scsi_unit_medium(unit)->preventing)
		return scsi_refuse(unit, task, SENSE_REMOVAL_PREVENTED);
	tape_rewind(&walk->at);
	walk->is_ejected = !is_load;
	return tape_walk_end(unit, task, NULL);
}

struct scsi_step scsi_tape_load(struct scsi_unit *unit, struct scsi_task *task,
				int result)
{
	static const struct tape_verb verb = { .begin = load_begin };

	return tape_run(unit, task, result, &verb);
}

/* READ POSITION (SSC-4 7.7). */

#define POSITION_ACTION    0x1f
#define POSITION_SHORT     0x00
#define POSITION_LONG      0x06
#define POSITION_AT_BEGIN  0x80
#define POSITION_NEAR_END  0x40
#define POSITION_NO_BYTES  0x10 /* how many are in a buffer is not known */
#define POSITION_TOO_LARGE 0x02 /* for the short form */

static uint8_t position_flags(const struct scsi_unit *unit,
			      const struct scsi_tape *tape)
{
	if (tape->place == 0)
		return POSITION_AT_BEGIN;
	return tape->place >= tape_warning_place(unit) ? POSITION_NEAR_END : 0;
}

static uint32_t put_short(const struct scsi_tape *tape, uint8_t *at)
{
	if (tape->object > UINT32_MAX) {
		at[0] |= POSITION_TOO_LARGE;
		return 20;
	}
	put_be32(at + 4, (uint32_t)tape->object);
	put_be32(at + 8, (uint32_t)tape->object);
	return 20;
}

static uint32_t put_long(const struct scsi_tape *tape, uint8_t *at)
{
	put_be64(at + 8, tape->object);
	put_be64(at + 16, tape->file);
	return 32;
}

struct scsi_step scsi_tape_read_position(struct scsi_unit *unit,
					 struct scsi_task *task, int result)
{
	const struct scsi_tape *tape = &unit->ledger->state.tape;
	uint8_t *answer = task->scratch;

	memset(answer, 0, 32);
	answer[0] = position_flags(unit, tape);
	switch (task->cdb[1] & POSITION_ACTION) {
	case POSITION_SHORT:
		return scsi_answer_data(task, put_short(tape, answer),
					UINT32_MAX);
	case POSITION_LONG:
		return scsi_answer_data(task, put_long(tape, answer),
					UINT32_MAX);
	default:
		return scsi_refuse_cdb(unit, task, 1, 4);
	}
}

/* READ BLOCK LIMITS (SSC-4 7.5): of any length that a command can transfer. */
struct scsi_step scsi_tape_block_limits(struct scsi_unit *unit,
					struct scsi_task *task, int result)
{
	put_be32(task->scratch, SCSI_TRANSFER_MAX);
	put_be16(task->scratch + 4, 1);
	return scsi_answer_data(task, 6, UINT32_MAX);
}

/* REPORT DENSITY SUPPORT (SSC-4 7.11): one, whether asked about the drive or
 * about the medium in it. */

#define DENSITY_HEADER     4
#define DENSITY_BYTES      52
#define DENSITY_WRITABLE   0x80
#define DENSITY_IS_DEFAULT 0x20
#define DENSITY_OF_MEDIUM  0x01

struct scsi_step scsi_tape_density_support(struct scsi_unit *unit,
					   struct scsi_task *task, int result)
{
	uint8_t *answer = task->scratch, *density = answer + DENSITY_HEADER;

	if (task->cdb[1] & DENSITY_OF_MEDIUM && !scsi_unit_has_medium(unit))
		return scsi_refuse(unit, task, SENSE_NO_MEDIUM);
	memset(answer, 0, DENSITY_HEADER + DENSITY_BYTES);
	put_be16(answer, DENSITY_HEADER + DENSITY_BYTES - 2);
	density[0] = density[1] = TAPE_DENSITY;
	density[2] = DENSITY_WRITABLE | DENSITY_IS_DEFAULT;
	/* In megabytes. */
	put_be32(density + 12,
		 (uint32_t)min_u64(tape_capacity(unit) / 1000000, UINT32_MAX));
	memcpy(density + 16,
	       "BULKHEAD"
	       "SIMH    "
	       "Tape image          ",
	       36);
	return scsi_answer_data(task, DENSITY_HEADER + DENSITY_BYTES,
				get_be16(task->cdb + 7));
}
