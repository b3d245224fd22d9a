/* SPDX-License-Identifier: MIT */
/*
 * What the monitor's threads may ask of the kernel.
 *
 * The process's filter allows what any thread of it needs. After the seal those
 * that a guest drives give up the rest; the main thread, which talks to the
 * supervisor and makes machines anew, and a pager, which comes and goes, keep
 * all.
 */
#ifndef MONITOR_SANDBOX_H
#define MONITOR_SANDBOX_H

#include "sandbox/sandbox.h"

/* The process, beside the base list and what its engine needs. */
extern const struct sandbox_call monitor_calls[];
extern const size_t monitor_call_count;

/* The I/O thread, and a witness's. */
extern const struct sandbox_call monitor_io_calls[];
extern const size_t monitor_io_call_count;
extern const struct sandbox_call monitor_witness_calls[];
extern const size_t monitor_witness_call_count;

#endif
