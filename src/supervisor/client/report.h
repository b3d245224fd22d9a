/* SPDX-License-Identifier: MIT */
/* Rows about switches, services and the supervisor for whoever asked. */
#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H

#include "supervisor/supervisor.h"

/* SWITCH_ROW. */
void report_switch(const struct network *network, const struct ticket *ticket);
/* SWITCH_MIRROR_ROW and SWITCH_DEAD_END_ROW, as many as there are. */
void report_ports(const struct network *network, const struct ticket *ticket);
void report_service(const struct service *service, const struct ticket *ticket);
void report_supervisor(struct supervisor *supervisor,
		       const struct ticket *ticket);

#endif
