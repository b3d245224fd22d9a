/* SPDX-License-Identifier: MIT */
/*
 * Children that the store does not know: an earlier supervisor started them
 * with a store that was since lost, moved away or replaced. They may be all that
 * is left of somebody's guest, so they are neither adopted nor ended; they go on
 * serving each other until an operator ends them.
 *
 * They connected to the rendezvous socket, which takes its directory and the uid
 * of one of our children, and are older than this supervisor (rendezvous.h).
 *
 * Trust      They may be hostile: their messages are read and discarded, and
 *            one that keeps reconnecting is killed.
 * Threads    The supervisor's turn.
 */
#ifndef SUPERVISOR_QUARANTINE_H
#define SUPERVISOR_QUARANTINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/refusal.h"
#include "control/control.h"
#include "control/protocol.h"

struct supervisor;
struct ticket;

/* Further ones are disconnected, and connect again later. */
#define QUARANTINE_MAX 4096

/*
 * Keep one. Link and pidfd are taken on success.
 *
 * -ENOSPC, -ENOMEM
 */
int quarantine_put(struct supervisor *supervisor, struct control *control,
		   int *pidfd, pid_t pid, uid_t uid,
		   const struct child_hello *hello);

/* It has connected again: takes the link. False: it is not in quarantine. */
bool quarantine_takes(struct supervisor *supervisor, pid_t pid, int *peer);

/* True if a monitor is in quarantine: its guest may need what a service holds
 * for partitions unknown to us. */
bool quarantine_has_guest(const struct supervisor *supervisor);

bool quarantine_has_uid(const struct supervisor *supervisor, uid_t uid);

/* One QUARANTINE_ROW each. */
void quarantine_report(struct supervisor *supervisor,
		       const struct ticket *ticket);

/* Kill it. -ENOENT with the refusal filled in */
int quarantine_end(struct supervisor *supervisor, pid_t pid,
		   struct refusal *refusal);

/* Forget them; they go on running. */
void quarantine_free(struct supervisor *supervisor);

#endif
