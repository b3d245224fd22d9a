/* SPDX-License-Identifier: MIT */
#include "supervisor/service/service_private.h"

#define AT(duty)  (1u << DUTY_##duty)
#define ON(event) DUTY_EVENT_##event

/* clang-format off */
static const struct state_rule rules[] = {
	/* event           from                                     to */
	{ ON(STAND_BY),    AT(NONE),                                DUTY_STANDBY },
	{ ON(SERVE_ALONE), AT(NONE),                                DUTY_ALONE },
	/* RETIRED: its successor came to nothing. */
	{ ON(SERVE),       AT(NONE) | AT(STANDBY) | AT(RETIRED),    DUTY_ACTIVE },
	{ ON(RETIRE),      AT(ACTIVE) | AT(STANDBY) | AT(ALONE) |
			   AT(RETIRED),                             DUTY_RETIRED },
};

static const char *const duties[] = {
	[DUTY_NONE]    = "new",
	[DUTY_ACTIVE]  = "active",
	[DUTY_STANDBY] = "standby",
	[DUTY_ALONE]   = "alone",
	[DUTY_RETIRED] = "retired",
};

static const char *const events[] = {
	[ON(SERVE)]       = "serve",
	[ON(STAND_BY)]    = "stand by",
	[ON(SERVE_ALONE)] = "serve alone",
	[ON(RETIRE)]      = "retire",
};
/* clang-format on */

const struct state_table instance_duties =
	STATE_TABLE("instance", duties, events, rules);

void instance_apply(struct instance *instance, enum duty_event event)
{
	instance->duty = (enum instance_duty)state_table_follow(
		&instance_duties, instance->duty, event);
}
