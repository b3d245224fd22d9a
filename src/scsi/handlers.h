/* SPDX-License-Identifier: MIT */
/*
 * The handlers that command.def names, by the file that has them.
 */
#ifndef SCSI_HANDLERS_H
#define SCSI_HANDLERS_H

#include "scsi/command.h"

/* inquiry.c: SPC-4 6.4, 7.8 */
scsi_handler scsi_inquiry;

/* report.c: SPC-4 6.29, 6.33, 6.35, 6.36, 6.42, 6.47; SBC-3 5.16 to 5.19 */
scsi_handler scsi_test_unit_ready;
scsi_handler scsi_request_sense;
scsi_handler scsi_send_diagnostic;
scsi_handler scsi_report_luns;
scsi_handler scsi_report_codes;
scsi_handler scsi_report_functions;
scsi_handler scsi_read_capacity;
scsi_handler scsi_read_capacity_long;
scsi_handler scsi_read_defects;

/* mode.c: SPC-4 6.9 to 6.12, 7.5; SBC-3 6.5 */
scsi_handler scsi_mode_sense;
scsi_handler scsi_mode_select;

/* medium.c: SBC-3 5.8, 5.25 */
scsi_handler scsi_start_stop;
scsi_handler scsi_prevent_allow;

/* reserve_command.c: SPC-4 6.15, 6.16; SPC-2 7.9, 7.17 */
scsi_handler scsi_persistent_in;
scsi_handler scsi_persistent_out;
scsi_handler scsi_reserve_unit;
scsi_handler scsi_release_unit;

/* block.c: SBC-3 5.10 to 5.15, 5.21, 5.22, 5.29 to 5.40 */
scsi_handler scsi_read;
scsi_handler scsi_write;
scsi_handler scsi_verify;
scsi_handler scsi_write_verify;
scsi_handler scsi_or_write;
scsi_handler scsi_prefetch;
scsi_handler scsi_synchronize;

/* unmap.c: SBC-3 5.4, 5.28, 5.43 */
scsi_handler scsi_unmap;
scsi_handler scsi_write_same;
scsi_handler scsi_lba_status;

/* compare.c: SBC-3 5.2 */
scsi_handler scsi_compare_and_write;

/* tape.c: SSC-4 7.2, 7.5, 7.7, 7.10, 7.11 */
scsi_handler scsi_tape_rewind;
scsi_handler scsi_tape_load;
scsi_handler scsi_tape_block_limits;
scsi_handler scsi_tape_read_position;
scsi_handler scsi_tape_density_support;

/* tape_move.c: SSC-4 6.4, 7.3, 7.4, 7.12 */
scsi_handler scsi_tape_read;
scsi_handler scsi_tape_space;
scsi_handler scsi_tape_locate;
scsi_handler scsi_tape_locate_long;

/* tape_write.c: SSC-4 6.2, 6.8, 6.9 */
scsi_handler scsi_tape_write;
scsi_handler scsi_tape_write_filemarks;
scsi_handler scsi_tape_erase;

/* disc.c: MMC-6 6.5, 6.6, 6.11, 6.21, 6.22 */
scsi_handler scsi_get_configuration;
scsi_handler scsi_get_events;
scsi_handler scsi_read_toc;
scsi_handler scsi_read_disc_information;
scsi_handler scsi_mechanism_status;

#endif
