/* SPDX-License-Identifier: MIT */
/*
 * Unit attention conditions (SAM-5 5.14): what a nexus has yet to be told.
 *
 * A nexus has a condition at most once, and is told of one at a time, in the
 * order of this enum. Each is told exactly once, wherever the service dies:
 * telling is a store in the ledger that names the command which was told
 * (scsi/ledger.h), and that command is told the same again.
 *
 * Threads    Pure functions.
 */
#ifndef SCSI_ATTENTION_H
#define SCSI_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "scsi/sense.h"

enum scsi_attention {
	ATTENTION_POWER_ON,
	ATTENTION_RESET,
	ATTENTION_NEXUS_LOST,
	ATTENTION_MEDIUM_CHANGED,
	ATTENTION_CAPACITY_CHANGED,
	ATTENTION_MODE_CHANGED,
	ATTENTION_PREEMPTED_RESERVATION,
	ATTENTION_RELEASED_RESERVATION,
	ATTENTION_PREEMPTED_REGISTRATION,
	ATTENTION_COUNT,
};

/* One bit for each. */
#define ATTENTION_BIT(attention) (1U << (attention))
#define ATTENTION_ALL            (ATTENTION_BIT(ATTENTION_COUNT) - 1)

/* What a command does to nexuses, sets of them by their index: part of what it
 * makes of the ledger's state, and finished by whoever opens the ledger next. */
struct scsi_effects {
	uint64_t raised[ATTENTION_COUNT];
	uint64_t aborted; /* whose tasks are */
};

/* The next one to tell of a set that is not empty. */
enum scsi_attention scsi_attention_first(uint32_t pending);

/* How it is told: CHECK CONDITION, or with is_data GOOD and the sense data
 * beside it, for REQUEST SENSE to return. */
void scsi_attention_outcome(enum scsi_attention attention, bool is_descriptor,
			    bool is_data, struct scsi_outcome *ret_outcome);

#endif
