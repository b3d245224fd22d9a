/* SPDX-License-Identifier: MIT */
/*
 * Children that the store does not know: an earlier supervisor started them,
 * with a store that was lost, moved away or replaced. They are left as they
 * are, since they may be all that is left of somebody's guest: not welcomed, so
 * that they go on among themselves, and not ended but by an operator.
 *
 * Who is here reached the rendezvous, so it holds that directory or is us, has
 * a uid of our children's, and is older than this supervisor (rendezvous.h).
 *
 * Trust      They may be hostile: what they say is read and thrown away, and
 *            one that connects without end is killed.
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

/* More are left waiting at the door. */
#define QUARANTINE_MAX 4096

/*
 * Keep one. Link and pidfd are taken on success.
 *
 * -ENOSPC, -ENOMEM
 */
int quarantine_put(struct supervisor *supervisor, struct control *control,
		   int *pidfd, pid_t pid, uid_t uid,
		   const struct child_hello *hello);

/* It connects again: takes the peer. False: no such process is here. */
bool quarantine_takes(struct supervisor *supervisor, pid_t pid, int *peer);

/* A guest is kept here, who may need what a service holds for nobody known. */
bool quarantine_has_guest(const struct supervisor *supervisor);

bool quarantine_has_uid(const struct supervisor *supervisor, uid_t uid);

/* One QUARANTINE_ROW each. */
void quarantine_report(struct supervisor *supervisor,
		       const struct ticket *ticket);

/* Kill it. -ENOENT with the refusal filled in */
int quarantine_end(struct supervisor *supervisor, pid_t pid,
		   struct refusal *refusal);

/* They live on. */
void quarantine_free(struct supervisor *supervisor);

#endif
