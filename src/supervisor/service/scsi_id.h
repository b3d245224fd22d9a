/* SPDX-License-Identifier: MIT */
/*
 * The names of SCSI units and initiators: keyed hashes of ids that are never
 * reused, so they stay for as long as the store lives and are no other's, on
 * this host or another.
 */
#ifndef SUPERVISOR_SCSI_ID_H
#define SUPERVISOR_SCSI_ID_H

#include <stdint.h>

#include "scsi/ledger.h"

struct supervisor;

/* The initiator's port of an attachment. */
void scsi_id_of_port(const struct supervisor *supervisor,
		     uint64_t attachment_id, uint8_t ret_id[SCSI_ID_BYTES]);

/* The unit of a volume. */
void scsi_id_of_unit(const struct supervisor *supervisor, uint64_t volume_id,
		     uint8_t ret_id[SCSI_ID_BYTES]);

/* This life of the host; zeros if that is not to be known. */
void scsi_id_of_boot(uint8_t ret_id[SCSI_ID_BYTES]);

#endif
