/* SPDX-License-Identifier: MIT */
/* The table of the monitor. */
#include "sandbox/attempt.h"

extern const struct sandbox_call monitor_calls[];
extern const size_t monitor_call_count;

const bool role_meets_supervisor = true;

int role_seal(struct sandbox_layers *layers)
{
	return sandbox_seal(monitor_calls, monitor_call_count, layers);
}
