/* SPDX-License-Identifier: MIT */
/*
 * Core scheduling (prctl(2), PR_SCHED_CORE): the hyperthreads of a core run
 * only processes with the same cookie at a time, so no process can observe
 * another through shared core resources.
 *
 * Errors     0 or a negative errno: -EINVAL on a kernel without it, -ENODEV on
 *            processors without hyperthreads.
 */
#ifndef SANDBOX_CORE_H
#define SANDBOX_CORE_H

#include <stdbool.h>
#include <sys/types.h>

/* Give a process, and all that it will start, a cookie of its own. */
int core_create_cookie(pid_t pid);

/* Whether the process has a cookie, whoever created it. */
bool core_has_cookie(pid_t pid);

#endif
