/* SPDX-License-Identifier: MIT */
/*
 * A SCSI unit over plain memory, for tests: its steps are taken at once.
 */
#ifndef TESTS_SCSI_MEMORY_H
#define TESTS_SCSI_MEMORY_H

#include "scsi/unit.h"

struct scsi_memory {
	struct scsi_unit unit;
	struct scsi_nexus nexus;
	uint8_t *image;
	uint8_t *is_allocated; /* a byte for each physical block */
	uint8_t scratch[SCSI_SCRATCH_BYTES];
	uint32_t step_count; /* of the last command */
	int fail_with;       /* what READ, WRITE, ZERO and UNMAP return */
};

/* Allocate image and map of a unit whose type and sizes are set. */
void scsi_memory_open(struct scsi_memory *memory);
void scsi_memory_close(struct scsi_memory *memory);

/*
 * Execute the command of task->cdb with its data and direction, as nexus.
 * Asserts that steps stay inside of the volume and of the task's memory.
 */
void scsi_memory_run(struct scsi_memory *memory, struct scsi_task *task);

#endif
