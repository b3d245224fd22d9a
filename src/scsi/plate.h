/* SPDX-License-Identifier: MIT */
/*
 * The plate: what of a unit's state outlives the host, as bytes of a file.
 *
 * It has two slots, and the next content goes to the one that the last did not
 * go to: written and synced, before the ledger's state changes and before the
 * command is answered. A slot that was written in part is one that nobody was
 * told of. What it has are registrations and the reservation, where the last
 * registration asked for that (APTPL), and saved mode pages.
 *
 * Trust      A file that may have been cut off or damaged: every field is
 *            checked.
 * Threads    Pure functions.
 */
#ifndef SCSI_PLATE_H
#define SCSI_PLATE_H

#include <stdint.h>

#include "scsi/ledger.h"

#define SCSI_PLATE_SLOT_BYTES 4096
#define SCSI_PLATE_BYTES      (2 * SCSI_PLATE_SLOT_BYTES)

/*
 * The slot for a state, which is that of a prepared one at SCSI_STEP_PLATE, and
 * where in the file it belongs. `sequence` is 1 more than the plate's last; a
 * plate is made with 0 and then 1.
 */
void scsi_plate_encode(const struct scsi_state *state, uint64_t sequence,
		       const uint8_t volume[SCSI_ID_BYTES],
		       uint8_t ret_slot[SCSI_PLATE_SLOT_BYTES],
		       uint64_t *ret_offset_bytes);

/*
 * What the file says, as the first state of a ledger.
 *
 * -EUCLEAN  neither slot checks, or it is another volume's
 */
int scsi_plate_decode(const uint8_t file[SCSI_PLATE_BYTES],
		      const uint8_t volume[SCSI_ID_BYTES],
		      struct scsi_state *ret_state, uint64_t *ret_sequence);

#endif
