/* SPDX-License-Identifier: MIT */
#include "supervisor/service/binding.h"

#define AT(state) (1u << BINDING_##state)
#define ON(event) BINDING_EVENT_##event
#define UNSERVED  (AT(DETACHED) | AT(FENCING) | AT(WAITING))
#define SERVED    (AT(UP) | AT(DETACHING))

/* clang-format off */
static const struct state_rule rules[] = {
	/* event        from          to */
	{ ON(CLAIM),    AT(DETACHED), BINDING_FENCING },
	{ ON(LIFTED),   AT(FENCING),  BINDING_WAITING },
	{ ON(BLOCKED),  AT(WAITING),  BINDING_FENCING },
	{ ON(UNWANTED), AT(WAITING),  BINDING_DETACHED },
	{ ON(GIVEN),    AT(WAITING),  BINDING_UP },
	{ ON(FOUND),    UNSERVED,     BINDING_UP },
	{ ON(LEAVE),    AT(UP),       BINDING_DETACHING },
	{ ON(LOST),     SERVED,       BINDING_FENCING },
	{ ON(RELEASED), UNSERVED,     BINDING_DETACHED },
};

static const char *const states[] = {
	[BINDING_DETACHED]  = "detached",
	[BINDING_FENCING]   = "fencing",
	[BINDING_WAITING]   = "waiting",
	[BINDING_UP]        = "up",
	[BINDING_DETACHING] = "detaching",
};

static const char *const events[] = {
	[ON(CLAIM)]    = "claim",
	[ON(LIFTED)]   = "lifted",
	[ON(BLOCKED)]  = "blocked",
	[ON(UNWANTED)] = "unwanted",
	[ON(GIVEN)]    = "given",
	[ON(FOUND)]    = "found",
	[ON(LEAVE)]    = "leave",
	[ON(LOST)]     = "lost",
	[ON(RELEASED)] = "released",
};
/* clang-format on */

const struct state_table binding_states =
	STATE_TABLE("binding", states, events, rules);

void binding_apply(struct binding *binding, enum binding_event event)
{
	binding->state = (enum binding_state)state_table_follow(
		&binding_states, binding->state, event);
}
