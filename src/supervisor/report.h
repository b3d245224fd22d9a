/* SPDX-License-Identifier: MIT */
/* Rows about the supervisor's objects for whoever asked. */
#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H

#include "supervisor/supervisor.h"

void report_partition(const struct partition *partition,
		      const struct ticket *ticket);
/* SWITCH_ROW. */
void report_switch(const struct network *network, const struct ticket *ticket);
/* SWITCH_MIRROR_ROW and SWITCH_DEAD_END_ROW, as many as there are. */
void report_ports(const struct network *network, const struct ticket *ticket);

void report_definition(const struct partition *partition,
		       const struct ticket *ticket);
/* Of an installed partition, with the counters last reported. */
void report_disks(const struct partition *partition,
		  const struct ticket *ticket);
/* Sandboxes of a partition's monitor and services, or of all (NULL). */
void report_layers(struct supervisor *supervisor,
		   const struct partition *partition,
		   const struct ticket *ticket);
void report_service(const struct service *service, const struct ticket *ticket);
void report_supervisor(struct supervisor *supervisor,
		       const struct ticket *ticket);

/* All rows of PARTITION_SHOW and its REPLY. */
void report_show(const struct partition *partition, struct ticket *ticket);

#endif
