/* SPDX-License-Identifier: MIT */
/*
 * Where children find the supervisor again that comes after the one they were
 * started by: a socket in a directory that each of them holds, as its root.
 *
 * It lies below the state directory, in a folder that is ours alone: nobody
 * else reaches it by path, and no tidying of run-time files takes it away.
 *
 * Trust      Whoever connects may be hostile. A child that the store knows is
 *            known by its peer credentials as soon as it connects, and has one
 *            pending link. One that connects without end is killed. Others
 *            take nothing from those, and what is younger than this supervisor
 *            is sent away at once. One that an earlier supervisor started
 *            without our knowing it is taken over if its token proves that it
 *            is ours (token.h) and there is a place for it, ended if another
 *            has that place, and kept apart otherwise (quarantine.h).
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_RENDEZVOUS_H
#define SUPERVISOR_RENDEZVOUS_H

#include "base/refusal.h"

struct supervisor;

/* Listen. The refusal says why not. */
int rendezvous_open(struct supervisor *supervisor, struct refusal *refusal);

/* Safe when it was never opened. */
void rendezvous_close(struct supervisor *supervisor);

#endif
