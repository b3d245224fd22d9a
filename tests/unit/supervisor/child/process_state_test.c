/* SPDX-License-Identifier: MIT */
#include "base/count.h"
#include "lib/harness.h"
#include "lib/state_walk.h"
#include "supervisor/child/process.h"

#define STEP(from, event, to)                                       \
	{                                                           \
		PROCESS_##from, PROCESS_EVENT_##event, PROCESS_##to \
	}

static const struct state_step steps[] = {
	STEP(STARTING, READY, READY),
	STEP(EXPECTED, REPORTED, READY),
	/* Of an earlier supervisor; or its link was lost. */
	STEP(STARTING, EXPECT, EXPECTED),
	STEP(EXPECTED, EXPECT, EXPECTED),
	STEP(READY, EXPECT, EXPECTED),
	STEP(STARTING, KILL, DYING),
	STEP(EXPECTED, KILL, DYING),
	STEP(READY, KILL, DYING),
	STEP(STARTING, ENDED, DYING),
	STEP(EXPECTED, ENDED, DYING),
	STEP(READY, ENDED, DYING),
	STEP(DYING, ENDED, DYING),
};

TEST(a_process_that_is_dying_is_never_anything_else)
{
	state_walk(&process_states, steps, ARRAY_COUNT(steps),
		   1u << PROCESS_DYING);
}
