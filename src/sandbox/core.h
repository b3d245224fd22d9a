/* SPDX-License-Identifier: MIT */
/*
 * Core scheduling (prctl(2), PR_SCHED_CORE): hyperthreads of one core run
 * processes of one group only at a time, so nobody watches a neighbour through
 * what they share.
 *
 * Errors     0 or a negative errno: -EINVAL of a kernel without it, -ENODEV of
 *            processors without hyperthreads.
 */
#ifndef SANDBOX_CORE_H
#define SANDBOX_CORE_H

#include <stdbool.h>
#include <sys/types.h>

/* Make a process, and all that it will start, a group of its own. */
int core_make_own(pid_t pid);

/* Is it in a group that somebody made? */
bool core_is_own(pid_t pid);

#endif
