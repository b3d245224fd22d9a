/* SPDX-License-Identifier: MIT */
/*
 * Named points at which a test stops or kills a process.
 *
 * BULKHEAD_FAILPOINT holds "NAME=ACTION" pairs separated by commas; an action
 * is `kill` (SIGKILL to itself), `stop` (SIGSTOP), `hang` (loops for ever) or
 * `fail` (failpoint() returns true), optionally followed by @N for the N-th
 * time the point is reached, counting from 1. Read once, on first use.
 *
 * BULKHEAD_FAILPOINT_FILE names a file with one such pair instead. It is looked
 * at each time, and removed before the action: a test arms a process that runs
 * already, and one that was started again in its place does not die again.
 *
 * Built without the option `failpoints` the macro is the constant false and
 * no name remains in the binary.
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
