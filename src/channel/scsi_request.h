/* SPDX-License-Identifier: MIT */
/*
 * The requests of a SCSI channel: one logical unit, seen by one initiator.
 *
 *   op             SCSI_COMMAND, SCSI_TASK_MANAGEMENT, SCSI_REPLAYED
 *   flags          SCSI_DATA_IN or SCSI_DATA_OUT (never both), SCSI_ORDERED or
 *                  SCSI_HEAD_OF_QUEUE (neither: a simple task)
 *   length_bytes   of data that the initiator expects; 0 without a direction
 *   buffer_offset  where they are granted, a multiple of CHANNEL_BUFFER_UNIT
 *   offset_bytes   the place: row, sense slot and row sequence (scsi_place_...)
 *   payload        the CDB, zero padded; for task management the function in
 *                  byte 0 and the row of the task in bytes 2 and 3, little
 *                  endian
 *
 * A row is a slot of the client's table of requests: it holds one request at a
 * time, and its sequence grows with each. A request that is replayed has both
 * unchanged, which is how a service knows that it began it before. One that comes
 * with a greater sequence while its row's command has not ended says that the
 * initiator has forgotten that one: its guest was reset. SCSI_REPLAYED
 * says that every request of an earlier generation has been sent again; it has
 * no row.
 *
 * A response's status is a negative errno
 *   -ENOSPC    no room behind a sparse file: the change is held, and others off
 *              its bytes; unless it comes again within five seconds, it is
 *              settled as soon as they wait
 *   -EIO       a failure that the service has no sense data for
 * or an outcome (scsi_outcome_...): a SAM status, flags, and the length of the
 * sense data, which are in the slot that the request named. The outcome of task
 * management has its result (enum scsi_task_result) in place of the status.
 * `bytes` is how much data was transferred, from the first byte on.
 *
 * The buffer area begins with SCSI_SENSE_AREA_BYTES of sense slots, which the
 * client never grants. A channel has no more slots than sense slots.
 *
 * What no honest client sends breaks the channel: an unknown op, flag or
 * function, both directions, a transfer above SCSI_TRANSFER_MAX, a sense slot or
 * a row that there is not, a buffer that is misaligned or outside the area or
 * among the sense slots.
 */
#ifndef CHANNEL_SCSI_REQUEST_H
#define CHANNEL_SCSI_REQUEST_H

#include <stdint.h>

enum scsi_op {
	SCSI_COMMAND = 1,
	SCSI_TASK_MANAGEMENT = 2,
	SCSI_REPLAYED = 3,
};

#define SCSI_DATA_IN       0x0001u
#define SCSI_DATA_OUT      0x0002u
#define SCSI_ORDERED       0x0004u
#define SCSI_HEAD_OF_QUEUE 0x0008u
#define SCSI_FLAGS         0x000fu

/* Rows of a queue: the control queue has the first, then each request queue; a
 * row is the first of its queue and the head. */
#define SCSI_QUEUE_ROWS 256u

/* The longest transfer. */
#define SCSI_TRANSFER_MAX (1U << 20)

#define SCSI_SENSE_SLOTS      256u
#define SCSI_SENSE_SLOT_BYTES 128u
#define SCSI_SENSE_AREA_BYTES (SCSI_SENSE_SLOTS * SCSI_SENSE_SLOT_BYTES)
/* The longest sense data. */
#define SCSI_SENSE_MAX 96u

/* Task management as virtio 1.2, 5.6.6.2, numbers it. */
enum scsi_function {
	SCSI_ABORT_TASK = 0,
	SCSI_ABORT_TASK_SET = 1,
	SCSI_CLEAR_ACA = 2,
	SCSI_CLEAR_TASK_SET = 3,
	SCSI_I_T_NEXUS_RESET = 4,
	SCSI_LOGICAL_UNIT_RESET = 5,
	SCSI_QUERY_TASK = 6,
	SCSI_QUERY_TASK_SET = 7,
	SCSI_FUNCTION_COUNT,
};

/* Its results, numbered there as well. */
enum scsi_task_result {
	SCSI_FUNCTION_COMPLETE = 0,
	SCSI_FUNCTION_SUCCEEDED = 10,
	SCSI_FUNCTION_REJECTED = 11,
};

/* A place. ----------------------------------------------------------------- */

static inline uint64_t scsi_place(uint16_t row, uint16_t sense_slot,
				  uint32_t sequence)
{
	return (uint64_t)sequence << 32 | (uint32_t)sense_slot << 16 | row;
}

static inline uint16_t scsi_place_row(uint64_t place)
{
	return (uint16_t)place;
}

static inline uint16_t scsi_place_sense_slot(uint64_t place)
{
	return (uint16_t)(place >> 16);
}

static inline uint32_t scsi_place_sequence(uint64_t place)
{
	return (uint32_t)(place >> 32);
}

/* An outcome. --------------------------------------------------------------- */

/* It promises stable storage. */
#define SCSI_STORED 0x01u
/* It was ended by a reset, or aborted by task management. */
#define SCSI_RESET   0x02u
#define SCSI_ABORTED 0x04u

static inline int32_t scsi_outcome(uint8_t status, uint8_t flags,
				   uint8_t sense_bytes)
{
	return status | flags << 8 | sense_bytes << 16;
}

static inline uint8_t scsi_outcome_status(int32_t outcome)
{
	return (uint8_t)outcome;
}

static inline uint8_t scsi_outcome_flags(int32_t outcome)
{
	return (uint8_t)(outcome >> 8);
}

static inline uint8_t scsi_outcome_sense_bytes(int32_t outcome)
{
	return (uint8_t)(outcome >> 16);
}

#endif
