/* SPDX-License-Identifier: MIT */
#include "supervisor/service/binding.h"

#include "base/count.h"
#include "lib/harness.h"
#include "lib/state_walk.h"

#define STEP(from, event, to)                                       \
	{                                                           \
		BINDING_##from, BINDING_EVENT_##event, BINDING_##to \
	}

static const struct state_step steps[] = {
	STEP(DETACHED, CLAIM, FENCING),
	STEP(DETACHED, FOUND, UP),
	STEP(DETACHED, RELEASED, DETACHED),
	/* Invariant I4: only a fence that is lifted lets it be given. */
	STEP(FENCING, LIFTED, WAITING),
	STEP(FENCING, FOUND, UP),
	STEP(FENCING, RELEASED, DETACHED),
	STEP(WAITING, GIVEN, UP),
	STEP(WAITING, FOUND, UP),
	STEP(WAITING, BLOCKED, FENCING),
	STEP(WAITING, UNWANTED, DETACHED),
	STEP(WAITING, RELEASED, DETACHED),
	STEP(UP, LEAVE, DETACHING),
	STEP(UP, LOST, FENCING),
	STEP(DETACHING, LOST, FENCING),
};

TEST(what_was_served_is_given_again_only_behind_its_fence)
{
	state_walk(&binding_states, steps, ARRAY_COUNT(steps), 0);
}

TEST(what_nobody_wants_is_detached_when_its_fence_is_lifted)
{
	struct binding binding = { .is_wanted = true };

	binding_want(&binding, true);
	CHECK_EQ(binding.state, BINDING_WAITING);

	binding_apply(&binding, BINDING_EVENT_BLOCKED);
	binding_want(&binding, false);
	CHECK_EQ(binding.state, BINDING_FENCING);

	binding_lift(&binding);
	CHECK_EQ(binding.state, BINDING_DETACHED);
}

TEST(what_is_wanted_twice_waits_once)
{
	struct binding binding = { .generation = 0 };

	binding_want(&binding, true);
	binding_want(&binding, true);
	CHECK_EQ(binding.state, BINDING_WAITING);

	binding_want(&binding, false);
	binding_want(&binding, false);
	CHECK_EQ(binding.state, BINDING_DETACHED);
}
