/* SPDX-License-Identifier: MIT */
/*
 * Tapes (SSC-4): what the ledger keeps of one.
 *
 * A command moves a copy of the tape's place, reads or writes at it, and ends
 * by making the copy the current one, together with its outcome. Killed before
 * that, it begins again where it began, with the same bytes; killed after it,
 * it has happened.
 *
 * The image (scsi/tape_image.h) begins at the volume's first byte; the volume's
 * size is the tape's capacity.
 */
#ifndef SCSI_TAPE_H
#define SCSI_TAPE_H

#include <stdint.h>

/* Where a tape is; of fixed size, since the ledger keeps it. Zeroes: at the
 * beginning of an empty one. */
struct scsi_tape {
	uint64_t place;  /* in the image */
	uint64_t object; /* blocks and filemarks in front of it */
	uint64_t file;   /* filemarks in front of it */
	uint64_t end;    /* the tape ends here at the latest */
};

/* What density mode data and REPORT DENSITY SUPPORT tell, one of our own, and
 * how MODE SELECT may say it, too. */
#define TAPE_DENSITY         0x80
#define TAPE_DENSITY_DEFAULT 0x00
#define TAPE_DENSITY_SAME    0x7f

#endif
