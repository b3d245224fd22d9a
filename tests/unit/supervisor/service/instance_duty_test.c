/* SPDX-License-Identifier: MIT */
#include "base/count.h"
#include "lib/harness.h"
#include "lib/state_walk.h"
#include "supervisor/service/service.h"

#define STEP(from, event, to)                              \
	{                                                  \
		DUTY_##from, DUTY_EVENT_##event, DUTY_##to \
	}

static const struct state_step steps[] = {
	STEP(NONE, SERVE, ACTIVE),      STEP(NONE, STAND_BY, STANDBY),
	STEP(NONE, SERVE_ALONE, ALONE), STEP(STANDBY, SERVE, ACTIVE),
	STEP(RETIRED, SERVE, ACTIVE),   STEP(ACTIVE, RETIRE, RETIRED),
	STEP(STANDBY, RETIRE, RETIRED), STEP(ALONE, RETIRE, RETIRED),
	STEP(RETIRED, RETIRE, RETIRED),
};

TEST(an_instance_of_one_disk_never_serves_others)
{
	state_walk(&instance_duties, steps, ARRAY_COUNT(steps), 0);
}
