/* SPDX-License-Identifier: MIT */
/*
 * A thread of a monitor that gave up what it does not need; which one, the
 * build says: NARROW_CALLS and NARROW_COUNT.
 */
#include "monitor/engine/kvm/calls.h"
#include "monitor/sandbox.h"
#include "sandbox/attempt.h"

const bool role_meets_supervisor = false;

int role_seal(struct sandbox_layers *layers)
{
	struct sandbox_program program;
	int result = sandbox_prepare(NARROW_CALLS, NARROW_COUNT, &program);

	if (result == 0)
		result =
			sandbox_seal(monitor_calls, monitor_call_count, layers);
	return result < 0 ? result : sandbox_narrow(&program);
}
