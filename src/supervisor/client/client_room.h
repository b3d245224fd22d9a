/* SPDX-License-Identifier: MIT */
/*
 * Who may be a client beside the others that are. There are CLIENTS_MAX places;
 * CLIENTS_RESERVED of them are for root and the owner of the supervisor alone,
 * and each other user has at most CLIENTS_OF_USER. Whoever waits for nothing
 * gives way, the one silent longest first, so only requests under way keep
 * others out.
 *
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_CLIENT_ROOM_H
#define SUPERVISOR_CLIENT_ROOM_H

#include <stdbool.h>

#include "supervisor/client/client_private.h"

#define CLIENTS_MAX      64
#define CLIENTS_RESERVED 16
#define CLIENTS_OF_USER  16

/*
 * Is there room in `all`, the one silent longest first, for one who is not in
 * it yet? *ret_leaver is who must go for that, or NULL.
 */
bool client_has_room(const struct client_queue *all,
		     const struct client *newcomer, struct client **ret_leaver);

#endif
