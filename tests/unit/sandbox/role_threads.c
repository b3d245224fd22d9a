/* SPDX-License-Identifier: MIT */
/* A table with threads and no more. */
#include "base/count.h"
#include "sandbox/attempt.h"

static const struct sandbox_call calls[] = { SANDBOX_THREAD_CALLS };

const bool role_meets_supervisor = true;

int role_seal(struct sandbox_layers *layers)
{
	return sandbox_seal(calls, ARRAY_COUNT(calls), layers);
}
