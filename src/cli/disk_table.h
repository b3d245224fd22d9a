/* SPDX-License-Identifier: MIT */
/* The disks of one or all partitions, as a table for people. */
#ifndef CLI_DISK_TABLE_H
#define CLI_DISK_TABLE_H

#include "cli/table.h"
#include "control/protocol.h"

void disk_table_init(struct table *table);
void disk_table_add(struct table *table, const struct disk_row *row);

#endif
