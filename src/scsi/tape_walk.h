/* SPDX-License-Identifier: MIT */
/*
 * How commands go over a tape; private to tape.c, tape_move.c and tape_write.c.
 */
#ifndef SCSI_TAPE_WALK_H
#define SCSI_TAPE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "scsi/tape.h"
#include "scsi/tape_image.h"
#include "scsi/unit.h"

/* To the beginning. */
void tape_rewind(struct scsi_tape *tape);

uint64_t tape_capacity(const struct scsi_unit *unit);

/* From this place on, whoever writes is warned that the end is near. */
uint64_t tape_warning_place(const struct scsi_unit *unit);

/* What a walk passes, and so counts. */
enum tape_goal {
	TAPE_PASS_BLOCKS, /* a filemark ends it */
	TAPE_PASS_FILEMARKS,
	TAPE_PASS_OBJECTS,
	TAPE_PASS_ALL, /* as far as the tape goes */
};

/* What a command remembers on its way, in the task's scratch. */
struct tape_walk {
	struct scsi_tape at; /* not committed yet */
	enum tape_goal goal;
	bool is_backwards;
	bool is_reading;      /* blocks: into the task's data */
	bool is_fixed;        /* the CDB counts blocks, not bytes */
	bool may_be_short;    /* a block, without being told (SILI) */
	uint32_t block_bytes; /* as the initiator has them */
	uint32_t taken_bytes; /* of the block that is being read */
	uint64_t left;        /* to pass, or to write */
	uint32_t piece;       /* the next, of what is written */
	bool is_ejected;      /* afterwards */
	bool is_stored;       /* the outcome promises stable storage */
	struct tape_object object;
	struct tape_piece bytes; /* being written */
	uint8_t mark[TAPE_MARK_BYTES];
	uint8_t far_mark[TAPE_MARK_BYTES];
};

/*
 * A command that moves the tape, which nobody else does meanwhile: what it does
 * first, and what after each of its own steps, whose errors are told by `error`.
 */
struct tape_verb {
	struct scsi_step (*begin)(struct scsi_unit *unit,
				  struct scsi_task *task);
	struct scsi_step (*go_on)(struct scsi_unit *unit,
				  struct scsi_task *task);
	enum scsi_sense_code error;
};

struct scsi_step tape_run(struct scsi_unit *unit, struct scsi_task *task,
			  int result, const struct tape_verb *verb);

/* The first of a verb's own stages, in task->stage. */
#define TAPE_STAGE_OWN 2

/* A walk from where the tape is now. */
struct tape_walk *tape_walk_begin(const struct scsi_unit *unit,
				  struct scsi_task *task);
struct tape_walk *tape_walk(struct scsi_task *task);

/*
 * What READ(6) and WRITE(6) say about blocks. Returns the byte of the CDB that
 * is wrong, 0 if none is.
 */
uint16_t tape_walk_transfer(const struct scsi_unit *unit,
			    struct scsi_task *task);

/* What INFORMATION says of a command that ends early (SSC-4 4.2.10). */
uint64_t tape_residue(const struct tape_walk *walk);

/* End the command where the walk has come to, with GOOD, or with this sense
 * data: both are committed together. */
struct scsi_step tape_walk_end(struct scsi_unit *unit, struct scsi_task *task,
			       const struct scsi_sense *sense);

#endif
