/* SPDX-License-Identifier: MIT */
/*
 * What handlers of block commands share. Checks end the task with sense data
 * when they fail; the handler then returns SCSI_ENDED.
 */
#ifndef SCSI_BLOCK_H
#define SCSI_BLOCK_H

#include "scsi/unit.h"

#define SCSI_ENDED ((struct scsi_step){ .kind = SCSI_STEP_ANSWER })

/* Inside of the unit, wherever the sum would wrap (SBC-3 4.4). */
bool scsi_block_range(struct scsi_unit *unit, struct scsi_task *task);

/* At most so much, as VPD page B0h says. */
bool scsi_block_limit(struct scsi_unit *unit, struct scsi_task *task,
		      uint64_t max_bytes);

/* Exactly so much data. */
bool scsi_block_data(struct scsi_unit *unit, struct scsi_task *task,
		     uint64_t bytes);

/* A step from task->lba on, task->done_bytes further. */
struct scsi_step scsi_block_step(const struct scsi_unit *unit,
				 const struct scsi_task *task,
				 enum scsi_step_kind kind, uint8_t *memory,
				 uint64_t bytes);

/* Where two pieces of memory differ first, if they do. */
bool scsi_bytes_differ(const uint8_t *a, const uint8_t *b, uint64_t count,
		       uint64_t *ret_offset);

/* MISCOMPARE, at this offset of the data (SBC-3 5.2, 5.29). */
struct scsi_step scsi_miscompare(struct scsi_unit *unit, struct scsi_task *task,
				 uint64_t offset_bytes);

#endif
