/* SPDX-License-Identifier: MIT */
#include "supervisor/child/process_private.h"

#define AT(state) (1u << PROCESS_##state)
#define ALIVE     (AT(STARTING) | AT(EXPECTED) | AT(READY))
#define ON(event) PROCESS_EVENT_##event

/* clang-format off */
static const struct state_rule rules[] = {
	/* event        from                  to */
	{ ON(READY),    AT(STARTING),         PROCESS_READY },
	{ ON(EXPECT),   ALIVE,                PROCESS_EXPECTED },
	{ ON(REPORTED), AT(EXPECTED),         PROCESS_READY },
	{ ON(KILL),     ALIVE,                PROCESS_DYING },
	{ ON(ENDED),    ALIVE | AT(DYING),    PROCESS_DYING },
};

static const char *const states[] = {
	[PROCESS_STARTING] = "starting",
	[PROCESS_EXPECTED] = "expected",
	[PROCESS_READY]    = "ready",
	[PROCESS_DYING]    = "dying",
};

static const char *const events[] = {
	[ON(READY)]    = "ready",
	[ON(EXPECT)]   = "expect",
	[ON(REPORTED)] = "reported",
	[ON(KILL)]     = "kill",
	[ON(ENDED)]    = "ended",
};
/* clang-format on */

const struct state_table process_states =
	STATE_TABLE("process", states, events, rules);

void process_apply(struct process *process, enum process_event event)
{
	process->state = (enum process_state)state_table_follow(
		&process_states, process->state, event);
}
