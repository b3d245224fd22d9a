/* SPDX-License-Identifier: MIT */
/*
 * A unit with a removable medium in memory, and one initiator of it. Medium and
 * ledger outlive the unit, which can be killed after any step.
 */
#ifndef TESTS_MEDIA_RIG_H
#define TESTS_MEDIA_RIG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/scsi_memory.h"

#define RIG_MEDIUM_BYTES (256u << 10)
#define RIG_DATA_BYTES   (64u << 10)

struct media_rig {
	struct scsi_memory memory;
	uint8_t data[RIG_DATA_BYTES];
	uint32_t nexus;      /* of the next command */
	uint32_t data_bytes; /* that it expects */
	struct scsi_outcome outcome;
};

void media_rig_open(struct media_rig *rig, enum scsi_type type);
void media_rig_close(struct media_rig *rig);

/* A death and a birth: nothing is left but medium and ledger. */
void media_rig_revive(struct media_rig *rig);

#define RIG_DIED (-1)

/* Run a command, as a new one or as the last one again. Returns its status, or
 * RIG_DIED when memory.die_at was in its way. */
int media_rig_run(struct media_rig *rig, const uint8_t *cdb, size_t cdb_bytes);
int media_rig_run_again(struct media_rig *rig, const uint8_t *cdb,
			size_t cdb_bytes);

#define RUN(rig, ...)                                          \
	media_rig_run((rig), (const uint8_t[]){ __VA_ARGS__ }, \
		      sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Of the sense data of the last outcome, in fixed format. */
uint32_t media_rig_sense(const struct media_rig *rig); /* SCSI_SENSE() */
uint8_t media_rig_marks(const struct media_rig *rig);  /* FM, EOM, ILI */
int32_t media_rig_information(const struct media_rig *rig);

#endif
