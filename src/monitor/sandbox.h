/* SPDX-License-Identifier: MIT */
/*
 * The system calls of the monitor's threads.
 *
 * The process's filter allows what any of its threads needs. After the seal the
 * threads that a guest drives install narrower ones; the main thread, which
 * talks to the supervisor and recreates machines, and a pager, which is
 * temporary, keep all.
 */
#ifndef MONITOR_SANDBOX_H
#define MONITOR_SANDBOX_H

#include "sandbox/sandbox.h"

/* The process, in addition to the base list and its engine's. */
extern const struct sandbox_call monitor_calls[];
extern const size_t monitor_call_count;

/* The I/O thread, and a witness's. */
extern const struct sandbox_call monitor_io_calls[];
extern const size_t monitor_io_call_count;
extern const struct sandbox_call monitor_witness_calls[];
extern const size_t monitor_witness_call_count;

#endif
