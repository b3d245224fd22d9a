/* SPDX-License-Identifier: MIT */
/*
 * A state machine walked in full. The test writes its transitions down a second
 * time; every other pair of state and event has to be refused. Every state but
 * the first has to be reached from it, every state but those of the set `final`
 * to be left, and every state and event to have a name.
 */
#ifndef TESTS_STATE_WALK_H
#define TESTS_STATE_WALK_H

#include "base/state_table.h"

struct state_step {
	unsigned from;
	unsigned event;
	unsigned to;
};

void state_walk(const struct state_table *table, const struct state_step *steps,
		size_t step_count, unsigned final);

#endif
