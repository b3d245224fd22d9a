/* SPDX-License-Identifier: MIT */
/*
 * What START STOP UNIT (SBC-3 5.25) and PREVENT ALLOW MEDIUM REMOVAL (SBC-3
 * 5.8) say about a unit and its medium, which the ledger keeps.
 */
#ifndef SCSI_MEDIUM_H
#define SCSI_MEDIUM_H

#include <stdbool.h>
#include <stdint.h>

#include "scsi/command.h"

/* Of fixed size, since a ledger keeps it. Zeroes: loaded, and free. */
struct scsi_medium {
	uint8_t is_ejected;
	uint8_t reserved[7];
	uint64_t preventing; /* a bit for each nexus, by its index */
};

#endif
