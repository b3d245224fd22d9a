/* SPDX-License-Identifier: MIT */
/* The table of the monitor with that of an engine: ROLE_ENGINE. */
#include <string.h>

#include "monitor/engine/engine.h"
#include "monitor/sandbox.h"
#include "sandbox/attempt.h"

#define CALLS_MAX 256

const bool role_meets_supervisor = true;

int role_seal(struct sandbox_layers *layers)
{
	static struct sandbox_call calls[CALLS_MAX];
	const struct engine_ops *ops = engine_find(ROLE_ENGINE);

	memcpy(calls, monitor_calls, monitor_call_count * sizeof(*calls));
	if (ops->call_count > 0)
		memcpy(calls + monitor_call_count, ops->calls,
		       ops->call_count * sizeof(*calls));
	return sandbox_seal(calls, monitor_call_count + ops->call_count,
			    layers);
}
