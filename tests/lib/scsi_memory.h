/* SPDX-License-Identifier: MIT */
/*
 * A SCSI unit over plain memory, for tests: its steps are taken at once.
 */
#ifndef TESTS_SCSI_MEMORY_H
#define TESTS_SCSI_MEMORY_H

#include "scsi/unit.h"

#define SCSI_MEMORY_NEXUSES 4
#define SCSI_MEMORY_ROWS    64 /* of each */

struct scsi_memory {
	struct scsi_unit unit;
	struct scsi_ledger ledger;
	struct scsi_nexus nexuses[SCSI_MEMORY_NEXUSES];
	void *memory; /* borrowed if it was set, else its own */
	bool is_own;
	uint32_t *row_sequence; /* goes on where another process ended */
	uint8_t *image;
	uint8_t *is_allocated; /* a byte for each physical block */
	uint8_t scratch[SCSI_SCRATCH_BYTES];
	uint32_t step_count; /* of the last command, but for locks */
	/* The service dies before the Nth step, but for locks, of a command, counted
	 * from 1; the last one is its answer. 0: it does not. */
	uint32_t die_at;
	int fail_with; /* what READ, WRITE, ZERO and UNMAP return */
	int fail_plate_with;
};

/* How much memory a unit of this size needs. */
size_t scsi_memory_bytes(const struct scsi_memory *memory);

/*
 * Make a unit whose type and sizes are set, with four nexuses that know of it:
 * no attention is pending. Or open what another process made in `memory`.
 */
void scsi_memory_make(struct scsi_memory *memory);
void scsi_memory_open(struct scsi_memory *memory);
void scsi_memory_close(struct scsi_memory *memory);

/*
 * Execute the command of task->cdb with its data and direction, as a nexus.
 * Asserts that steps stay inside of the volume and of the task's memory.
 */
void scsi_memory_run(struct scsi_memory *memory, uint32_t nexus,
		     struct scsi_task *task);

/* The same in a row and sequence that are set: as replayed. False: refused as
 * no honest peer's, or not ended because of die_at. */
bool scsi_memory_replay(struct scsi_memory *memory, uint32_t nexus,
			struct scsi_task *task);

#endif
