/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets at paths that a user named: the vhost-user sockets of
 * foreign VMMs. Only a socket that is ours and dead is ever removed: it belongs
 * to our user, and nobody listens.
 *
 * Threads    The supervisor's only one; nothing here waits for a peer.
 * Errors     Negative errno with the refusal filled in.
 */
#ifndef SUPERVISOR_LISTENER_H
#define SUPERVISOR_LISTENER_H

#include "base/refusal.h"

/*
 * Make sure that nothing is at `path`: what an earlier listener of ours left is
 * removed.
 *
 * -EEXIST  there is something that is no socket, or not ours
 * -EBUSY   somebody listens there
 */
int listener_clear(const char *path, struct refusal *refusal);

/* Clear the path and listen there, for our user only. */
int listener_open(const char *path, int *ret_fd, struct refusal *refusal);

#endif
