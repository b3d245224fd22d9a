/* SPDX-License-Identifier: MIT */
/*
 * Clients of the supervisor: the CLI, later the admin. Each has a control link
 * accepted from the client socket, sends requests and gets rows and one REPLY
 * for each.
 *
 * Trust      Whoever may connect may open any path as the supervisor; peer
 *            credentials are checked at accept (docs/threat-model.md). What
 *            they send is still checked field by field.
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_CLIENT_H
#define SUPERVISOR_CLIENT_H

#include "base/refusal.h"

struct supervisor;

/* Could clients be listened to? Said before anything is taken over. */
int clients_check(struct supervisor *supervisor, struct refusal *refusal);

/* Listen on the client socket. The refusal says why not. */
int clients_listen(struct supervisor *supervisor, struct refusal *refusal);
void clients_close(struct supervisor *supervisor);

#endif
