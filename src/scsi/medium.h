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
	uint64_t number;     /* of what is in the drive; 0: nothing ever was */
};

/*
 * Another medium is in the drive from now on, or none: the unit's fields say
 * which already. Its number tells it from others: to say the same one again
 * changes nothing, so whoever is not sure that it was said says it again.
 * `recorded_bytes` is the length of a tape's image at most.
 *
 * A new medium is loaded, a tape at its beginning, and every nexus is told.
 *
 * -EBUSY  another change waits for what outlives the host: say it again later
 */
int scsi_unit_load(struct scsi_unit *unit, uint64_t number,
		   uint64_t recorded_bytes);

#endif
