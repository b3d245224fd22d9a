/* SPDX-License-Identifier: MIT */
/*
 * Named points at which a test can stop or kill a process.
 *
 * BULKHEAD_FAILPOINT holds "NAME=ACTION" pairs separated by commas; an action
 * is `kill` (SIGKILL to itself), `stop` (SIGSTOP), `hang` (loops for ever) or
 * `fail` (failpoint() returns true), optionally followed by @N for the N-th
 * time the point is reached, counting from 1. The variable is read once, on
 * first use.
 *
 * BULKHEAD_FAILPOINT_FILE names a file that holds one such pair instead. It is
 * checked each time a point is reached and removed before the action, so a test
 * can arm a process that is already running, and the replacement of that
 * process does not trip over the same failpoint.
 *
 * Without the build option `failpoints` the macro is the constant false and the
 * binary contains none of the names.
 */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#include <stdbool.h>

#if BULKHEAD_FAILPOINTS
bool failpoint(const char *name);
#else
#define failpoint(name) (false)
#endif

#endif
