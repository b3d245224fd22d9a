/* SPDX-License-Identifier: MIT */
/* What the files of switches share. */
#ifndef SUPERVISOR_NETWORK_PRIVATE_H
#define SUPERVISOR_NETWORK_PRIVATE_H

#include "control/dispatch.h"
#include "supervisor/network.h"

/* Answer everyone who waits for a report of it. */
void network_end_reports(struct network *network);

/* Rules of a network service: rows of a report, and how far it is. */
int network_take_port(void *data, struct message *message);
int network_take_entry(void *data, struct message *message);
int network_take_reported(void *data, struct message *message);

/* network_watch.c: for an uplink in a bridge, have networks_check_bridges()
 * called when interfaces change. */
void network_watch(const struct network *network);

/* Uplinks whose interface is in its bridge no more are lost. */
void networks_check_bridges(struct supervisor *supervisor);

#endif
