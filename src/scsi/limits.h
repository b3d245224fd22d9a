/* SPDX-License-Identifier: MIT */
/*
 * Limits: what VPD page B0h tells initiators and commands are held to.
 */
#ifndef SCSI_LIMITS_H
#define SCSI_LIMITS_H

/* Linux makes requests of this size, which others can overlap with. */
#define SCSI_TRANSFER_OPTIMAL (256U << 10)
/* WRITE SAME of data other than zeroes is as much work as that many bytes. */
#define SCSI_WRITE_SAME_MAX (16U << 20)
/* Of one UNMAP, together. */
#define SCSI_UNMAP_MAX    (256U << 20)
#define SCSI_UNMAP_RANGES 256U

/* The longest answer to REPORT SUPPORTED OPERATION CODES. */
#define SCSI_REPORT_BYTES     4096
#define SCSI_REPORT_ROW_BYTES 20

#endif
