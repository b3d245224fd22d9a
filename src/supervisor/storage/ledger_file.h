/* SPDX-License-Identifier: MIT */
/*
 * The files that hold what SCSI units must remember while services die:
 * RUNTIME_DIR/volumes/ID.ledger, 0600, one for each volume that has a unit.
 * What is in one is written by the instance that serves the volume; the next
 * one reads it, when that has ended. It outlives services and supervisors, and
 * ends with the volume, or with the host if the folder is in memory.
 *
 * Trust      A service writes it, so what is in it is that service's word; its
 *            size is restored before another one is given it.
 * Threads    The supervisor's only one.
 * Errors     0 or a negative errno.
 */
#ifndef SUPERVISOR_LEDGER_FILE_H
#define SUPERVISOR_LEDGER_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "scsi/ledger.h"

/* Of every ledger; sparse, so what is not used costs nothing. */
#define LEDGER_FILE_BYTES SCSI_LEDGER_BYTES

/* Make the folder. */
int ledger_file_open_folder(const char *runtime_dir);

/* Open it for reading and writing, with zeros where nobody wrote; it is made if
 * it is not there. The caller owns the descriptor. */
int ledger_file_open(const char *runtime_dir, uint64_t volume_id, int *ret_fd);

/* Copy its first `bytes`. -ENOENT: nobody has had a unit of the volume. */
int ledger_file_read(const char *runtime_dir, uint64_t volume_id, void *to,
		     size_t bytes);

/* Remove it, if it is there. */
void ledger_file_remove(const char *runtime_dir, uint64_t volume_id);

#endif
