/* SPDX-License-Identifier: MIT */
/*
 * A logical unit: a volume as SCSI shows it, and commands as sequences of steps.
 *
 * A command never does I/O itself. scsi_unit_begin() checks it, in the order of
 * SAM-5 5.3.3 and SPC-4 4.3 and without any effect: its row in the ledger
 * (a command that has ended is answered from there), reservation conflict, unit
 * attention, operation code, usage mask, medium, write protection.
 * scsi_unit_step() then says what is to be done next, and takes how it went,
 * until it says SCSI_STEP_ANSWER. Stopping after any step, throwing the unit and
 * its tasks away, mapping the ledger again and beginning the same command with
 * the same row and sequence has the effect of having executed it once.
 *
 * Trust      CDB and data are a hostile guest's, and the monitor may change the
 *            data while a command runs: a parameter list is copied once, into
 *            the task's scratch, and checked there. Whom a task comes from
 *            (nexus) and the ledger are the caller's.
 * Threads    A unit, its nexuses and tasks belong to one thread.
 * Errors     What goes wrong is the task's outcome. Nothing allocates.
 */
#ifndef SCSI_UNIT_H
#define SCSI_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "scsi/command.h"
#include "scsi/ledger.h"
#include "scsi/sense.h"

/* A command transfers at most this much (VPD B0h says so). */
#define SCSI_TRANSFER_MAX (1U << 20)
/* COMPARE AND WRITE compares at most this much. */
#define SCSI_COMPARE_MAX (16U << 10)
/* What each task has for parameter lists, answers and data on their way. */
#define SCSI_SCRATCH_BYTES (64U << 10)

#define SCSI_SERIAL_BYTES 20

/* One per volume. Its fields change only between commands. */
struct scsi_unit {
	enum scsi_type type;
	uint32_t block_bytes;          /* a power of two, 512 to 4096 */
	uint32_t physical_block_bytes; /* a power of two, >= block_bytes */
	uint64_t block_count;          /* 0: there is no medium */
	bool is_thin;      /* freed blocks are given back, and read as zeroes */
	bool is_removable; /* the medium: CD and tape, disks if asked for */
	bool is_read_only; /* the medium, for everybody */
	bool is_shared;    /* other nexuses may write, now or later */
	uint8_t uuid[16];
	char serial[SCSI_SERIAL_BYTES]; /* ASCII, padded with zeroes */
	bool has_plate; /* for what outlives the host: SCSI_STEP_PLATE */
	/* Reservations, attentions, mode, medium, rows: never NULL. Memory that
	 * may outlive the process, or not: nothing here can tell. */
	struct scsi_ledger *ledger;
};

/* One per attachment: an I_T_L nexus. */
struct scsi_nexus {
	uint8_t initiator_port[SCSI_PORT_BYTES]; /* the same in every life */
	uint32_t index;                          /* of its part of the ledger */
	bool is_read_only;
};

/*
 * What the caller is to do. Memory is the task's data or scratch; everything is
 * done by the time scsi_unit_step() is called again with 0 or a negative errno.
 * -ENOSPC for a change ends the task with that as its error: it is to be kept
 * and begun again later. Others become sense data.
 */
enum scsi_step_kind {
	SCSI_STEP_ANSWER, /* task->error and task->outcome are final */
	SCSI_STEP_READ,   /* bytes of the volume into memory */
	SCSI_STEP_WRITE,  /* memory to the volume */
	SCSI_STEP_ZERO,   /* make the range read as zeroes; may_unmap */
	SCSI_STEP_UNMAP,  /* free it; on a thin unit it reads as zeroes then */
	/* Set task->run_bytes to how far, from offset_bytes and at most for
	 * length_bytes, blocks are alike. Result: 1 allocated, 0 not. */
	SCSI_STEP_EXTENT,
	/* Keep others' overlapping changes off the range until the answer. */
	SCSI_STEP_LOCK,
	SCSI_STEP_PLATE,  /* write and sync what outlives the host, then 0 */
	SCSI_STEP_COMMIT, /* make the ledger's prepared state the current one */
};

struct scsi_step {
	enum scsi_step_kind kind;
	bool may_unmap;        /* SCSI_STEP_ZERO */
	uint8_t *memory;       /* SCSI_STEP_READ and _WRITE */
	uint64_t offset_bytes; /* on the volume, inside it */
	uint64_t length_bytes; /* READ and WRITE: at most SCSI_TRANSFER_MAX */
};

/* A command being executed. Zeroed, then filled by the caller down to scratch. */
struct scsi_task {
	uint8_t cdb[SCSI_CDB_BYTES]; /* private copy */
	uint8_t *data;               /* shared with the peer */
	uint32_t data_bytes;         /* expected by the initiator */
	enum scsi_direction direction;
	uint16_t row; /* of the nexus, in the ledger */
	uint32_t row_sequence;
	uint8_t *scratch; /* SCSI_SCRATCH_BYTES, private, aligned */

	struct scsi_nexus *nexus;
	const struct scsi_command *command; /* NULL: no such command */
	uint32_t stage;                     /* the handler's */
	bool is_resumed;  /* it began in another life of its service */
	bool is_repeated; /* its outcome is known: read the data again */
	bool is_locked;   /* SCSI_STEP_LOCK was asked for */
	bool has_row;
	uint8_t *moved; /* what it writes, if the ledger kept it */
	uint64_t lba;   /* as scsi_command_blocks() */
	uint64_t block_count;
	uint64_t done_bytes; /* of what is done in pieces */
	uint64_t run_bytes;  /* the answer to SCSI_STEP_EXTENT */
	uint32_t list_bytes; /* of a parameter list, in scratch */
	uint64_t handler[4]; /* whatever else a handler remembers */

	/* Negative: answer with this errno, and no outcome (-ENOSPC). */
	int error;
	struct scsi_outcome outcome;
};

/*
 * Begin a command. Never waits, has no effect. Call scsi_unit_step() next, with
 * 0, whatever this returned in the outcome.
 *
 * -EPROTO    row and sequence are none that an honest peer would send: break
 *            its channel (nothing was changed)
 */
int scsi_unit_begin(struct scsi_unit *unit, struct scsi_nexus *nexus,
		    struct scsi_task *task);

/* The next step, given how the last one went. Not after SCSI_STEP_ANSWER. */
struct scsi_step scsi_unit_step(struct scsi_unit *unit, struct scsi_task *task,
				int result);

/* For handlers: what holds of the unit, beside its fields. */
bool scsi_unit_has(const struct scsi_unit *unit,
		   const struct scsi_command *command);
bool scsi_unit_has_medium(const struct scsi_unit *unit);
const struct scsi_mode *scsi_unit_mode(const struct scsi_unit *unit);
const struct scsi_medium *scsi_unit_medium(const struct scsi_unit *unit);
bool scsi_unit_is_protected(const struct scsi_unit *unit,
			    const struct scsi_nexus *nexus);

struct scsi_origin scsi_task_origin(const struct scsi_task *task);

/*
 * For handlers: make the state that scsi_ledger_prepare() gave the current one,
 * by a SCSI_STEP_COMMIT; the task ends with its outcome as it is then. After
 * -EAGAIN it is to be prepared again. The latter raises an attention for every
 * other nexus.
 */
struct scsi_step scsi_commit(struct scsi_unit *unit, struct scsi_task *task,
			     const struct scsi_effects *effects);
struct scsi_step scsi_commit_for_others(struct scsi_unit *unit,
					struct scsi_task *task,
					enum scsi_attention attention);

/*
 * For handlers: how a task ends. Each returns the step that says so.
 * scsi_answer() is GOOD; the others set sense data in the format that the
 * control mode page asks for.
 */
struct scsi_step scsi_answer(struct scsi_task *task);
struct scsi_step scsi_answer_status(struct scsi_task *task,
				    enum scsi_status status);
struct scsi_step scsi_answer_sense(struct scsi_unit *unit,
				   struct scsi_task *task,
				   const struct scsi_sense *sense);
struct scsi_step scsi_refuse(struct scsi_unit *unit, struct scsi_task *task,
			     enum scsi_sense_code code);
/* INVALID FIELD IN CDB, or IN PARAMETER LIST, which points to it; the bit is
 * the leftmost of the field, or -1. */
struct scsi_step scsi_refuse_cdb(struct scsi_unit *unit, struct scsi_task *task,
				 uint16_t byte, int8_t bit);
struct scsi_step scsi_refuse_list(struct scsi_unit *unit,
				  struct scsi_task *task, uint16_t byte,
				  int8_t bit);
/* An errno of a step: -ENOSPC is kept, others are sense data with `code`. */
struct scsi_step scsi_answer_error(struct scsi_unit *unit,
				   struct scsi_task *task, int error,
				   enum scsi_sense_code code);

/*
 * End with data: scratch[0..bytes), cut to the allocation length, which is no
 * error (SPC-4 4.2.5.6), and to what the initiator expects.
 */
struct scsi_step scsi_answer_data(struct scsi_task *task, uint32_t bytes,
				  uint32_t allocation_bytes);

/*
 * Copy the parameter list that the CDB announces into scratch, once; false if
 * there is less of it than announced, or too much: refuse with
 * SENSE_BAD_LIST_LENGTH.
 */
bool scsi_take_list(struct scsi_task *task, uint32_t bytes);

#endif
