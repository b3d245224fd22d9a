/* SPDX-License-Identifier: MIT */
/*
 * Mode pages (SPC-4 7.5, SBC-3 6.5): MODE SENSE and MODE SELECT, and what of
 * them an initiator may change, which the ledger keeps.
 */
#ifndef SCSI_MODE_H
#define SCSI_MODE_H

#include <stdint.h>

#include "scsi/command.h"

/* Current or saved values; of fixed size, since a ledger keeps them. Zeroes are
 * the defaults. */
struct scsi_mode {
	uint8_t is_write_through;     /* WCE of the caching page is 0 */
	uint8_t has_descriptor_sense; /* D_SENSE of the control page */
	uint8_t is_write_protected;   /* SWP of the control page */
	uint8_t reserved;
	uint32_t tape_block_bytes; /* of the block descriptor; 0: variable */
};

#endif
