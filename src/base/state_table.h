/* SPDX-License-Identifier: MIT */
/*
 * A state machine as data: which event leads from which states to which.
 *
 * A machine is an enum of states, which begins with the first one, an enum of
 * events, a table of rules, and one function that writes the state: a line
 * around state_table_follow(). tools/check-states sees that nobody else does.
 *
 * Trust      What a peer or a guest may say when is checked before it becomes
 *            an event: an event that is not in the table is a fault of ours. A
 *            build with failpoints ends there, with the names of both; a
 *            release logs it, with how many there were, and stays in its state.
 * Threads    Any; a machine belongs to whoever owns its state.
 */
#ifndef BASE_STATE_TABLE_H
#define BASE_STATE_TABLE_H

#include "base/count.h"

/* Up to so many states and events. */
#define STATE_TABLE_MAX 32

struct state_rule {
	unsigned event;
	unsigned from; /* a set of states: one bit each */
	unsigned to;
};

struct state_table {
	const char *noun; /* what has the states */
	const char *const *states;
	unsigned state_count;
	const char *const *events;
	unsigned event_count;
	const struct state_rule *rules;
	size_t rule_count;
};

/* Of arrays that have a name for each state and each event. */
#define STATE_TABLE(noun_, states_, events_, rules_)                    \
	{                                                               \
		.noun = noun_, .states = states_,                       \
		.state_count = ARRAY_COUNT(states_), .events = events_, \
		.event_count = ARRAY_COUNT(events_), .rules = rules_,   \
		.rule_count = ARRAY_COUNT(rules_),                      \
	}

/* The state after it; -EINVAL: refused. */
int state_table_next(const struct state_table *table, unsigned state,
		     unsigned event);

/* The state after it, which cannot be refused. */
unsigned state_table_follow(const struct state_table *table, unsigned state,
			    unsigned event);

/* Their names; "unknown" for any other number. */
const char *state_table_state(const struct state_table *table, unsigned state);
const char *state_table_event(const struct state_table *table, unsigned event);

#endif
