/* SPDX-License-Identifier: MIT */
/* What the files of switches share. */
#ifndef SUPERVISOR_NETWORK_PRIVATE_H
#define SUPERVISOR_NETWORK_PRIVATE_H

#include "control/dispatch.h"
#include "supervisor/network/network.h"

bool network_is_of_service(const struct network *network,
			   const struct service *service);

/* The switch whose uplink this is, also of one that is undefined but not free
 * yet; NULL: none. */
struct network *network_find_uplink(struct supervisor *supervisor, uint64_t id);

/* No instance has the uplink any more. */
void network_let_go(struct network *network);

/* When it has been let go and is closed, whoever waits for that is answered,
 * and an undefined switch ends. */
void network_settle(struct network *network);

/* network_uplink.c */

extern const struct binding_ops uplink_binding;

/* It is this one from now on; `uplink` is closed after. */
void network_take_uplink(struct network *network, struct uplink *uplink);

/* Give it to this instance, opened before if need be; later, if it is not time
 * yet or it cannot be opened. */
void network_give_uplink(struct network *network, struct instance *instance);

/* What struct binding_ops has of uplinks and interfaces alike. */
void network_tell_leave(struct binding *binding);

/* It was lost: tell, and close it. */
void network_note_lost(struct network *network);
void network_close_uplink(struct network *network);

/* Uplinks whose interface is in its bridge no more are lost. */
void networks_check_bridges(struct supervisor *supervisor);

/* network_report.c */

/* Answer everyone who waits for a report of it. */
void network_end_reports(struct network *network);

/* Rules of a network service: rows of a report, and how far it is. */
int network_take_port(void *data, struct message *message);
int network_take_entry(void *data, struct message *message);
int network_take_reported(void *data, struct message *message);

/* network_watch.c: for an uplink in a bridge, have networks_check_bridges()
 * called when interfaces change. */
void network_watch(const struct network *network);

/* What struct attachment_ops has of switches and interfaces (network.c). */
bool networks_are_settled(struct supervisor *supervisor,
			  const struct service *service);
struct binding *networks_find(struct supervisor *supervisor, uint64_t id);

#endif
