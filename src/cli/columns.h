/* SPDX-License-Identifier: MIT */
/* The columns of tables that more than one verb prints (cli/rows.h). */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include "cli/rows.h"

extern const struct column partition_columns[];
extern const struct column disk_columns[];
extern const struct column nic_columns[];
extern const struct column process_columns[];
extern const struct column emulation_columns[];
extern const struct column service_columns[];
extern const struct column quarantine_columns[];
extern const struct column volume_columns[];
extern const struct column volume_disk_columns[];
extern const struct column reservation_columns[];
extern const struct column switch_columns[];
extern const struct column port_columns[];
extern const struct column entry_columns[];
extern const struct column mirror_columns[];
extern const struct column dead_end_columns[];

#endif
