/* SPDX-License-Identifier: MIT */
/* Rows about a partition for whoever asked. */
#ifndef SUPERVISOR_PARTITION_REPORT_H
#define SUPERVISOR_PARTITION_REPORT_H

#include "supervisor/supervisor.h"

void report_partition(const struct partition *partition,
		      const struct ticket *ticket);
void report_definition(const struct partition *partition,
		       const struct ticket *ticket);
/* Of an installed partition, with the counters last reported. */
void report_disks(const struct partition *partition,
		  const struct ticket *ticket);
/* Sandboxes of a partition's monitor and services, or of all (NULL). */
void report_layers(struct supervisor *supervisor,
		   const struct partition *partition,
		   const struct ticket *ticket);

/* All rows of PARTITION_SHOW and its REPLY. */
void report_show(const struct partition *partition, struct ticket *ticket);

#endif
