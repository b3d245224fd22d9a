/* SPDX-License-Identifier: MIT */
#include "supervisor/store/lifecycle.h"

#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "lib/harness.h"

struct step {
	enum partition_state from;
	enum partition_event event;
	enum partition_state to;
};

#define STEP(from, event, to)                                             \
	{                                                                 \
		PARTITION_##from, PARTITION_EVENT_##event, PARTITION_##to \
	}

/* Design 4, written down a second time: every pair not here is refused. */
static const struct step steps[] = {
	STEP(UNDEFINED, DEFINE, UNINSTALLED),
	STEP(UNINSTALLED, INSTALL, STOPPED),
	STEP(UNINSTALLED, UNDEFINE, UNDEFINED),
	STEP(STOPPED, START, STARTING),
	STEP(STOPPED, UNINSTALL, UNINSTALLED),
	STEP(SAVED, UNINSTALL, UNINSTALLED),
	STEP(STARTING, BOOTED, PAUSED),
	STEP(STARTING, FAILED, STOPPED),
	STEP(RUNNING, PAUSE, PAUSED),
	STEP(PAUSED, RESUME, RUNNING),
	STEP(RUNNING, SAVE, SAVING),
	STEP(PAUSED, SAVE, SAVING),
	STEP(SAVING, SAVED, SAVED),
	STEP(SAVING, FAILED, PAUSED),
	STEP(SAVED, RESTORE, RESTORING),
	STEP(SAVED, STOP, STOPPED),
	STEP(RESTORING, READY, PAUSED),
	STEP(RESTORING, FAILED, SAVED),
	STEP(STARTING, STOP, STOPPING),
	STEP(RUNNING, STOP, STOPPING),
	STEP(PAUSED, STOP, STOPPING),
	STEP(SAVING, STOP, STOPPING),
	STEP(RUNNING, OFF, STOPPED),
	STEP(STOPPING, OFF, STOPPED),
	STEP(STARTING, MONITOR_LOST, STOPPED),
	STEP(RUNNING, MONITOR_LOST, STOPPED),
	STEP(PAUSED, MONITOR_LOST, STOPPED),
	STEP(SAVING, MONITOR_LOST, STOPPED),
	STEP(STOPPING, MONITOR_LOST, STOPPED),
	STEP(RESTORING, MONITOR_LOST, SAVED),
	STEP(STARTING, RESTART, STARTING),
	STEP(RUNNING, RESTART, STARTING),
	STEP(PAUSED, RESTART, STARTING),
	STEP(SAVING, RESTART, STARTING),
};

static const struct step *find_step(unsigned from, unsigned event)
{
	for (size_t i = 0; i < ARRAY_COUNT(steps); i++)
		if (steps[i].from == from && steps[i].event == event)
			return &steps[i];
	return NULL;
}

static void check_pair(unsigned from, unsigned event)
{
	const struct step *step = find_step(from, event);
	struct lifecycle lifecycle = {
		.state = (enum partition_state)from,
		.before = PARTITION_PAUSED,
	};
	int result;

	CHECK_EQ(lifecycle_allows(&lifecycle, (enum partition_event)event),
		 step != NULL);
	result = lifecycle_apply(&lifecycle, (enum partition_event)event);
	CHECK_EQ(result, step ? 0 : -EINVAL);
	CHECK_EQ(lifecycle.state, step ? step->to : from);
}

TEST(every_pair_of_state_and_event_does_what_the_design_says)
{
	unsigned pairs = 0;

	for (unsigned from = 0; from < PARTITION_STATE_COUNT; from++) {
		for (unsigned event = 0; event < PARTITION_EVENT_COUNT;
		     event++) {
			check_pair(from, event);
			pairs++;
		}
	}

	CHECK_EQ(pairs, 10 * 17);
}

TEST(a_failed_save_returns_to_the_state_before_it)
{
	struct lifecycle lifecycle = { .state = PARTITION_RUNNING };

	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_SAVE), 0);
	CHECK_EQ(lifecycle.state, PARTITION_SAVING);

	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_FAILED), 0);
	CHECK_EQ(lifecycle.state, PARTITION_RUNNING);
}

TEST(a_restored_partition_is_what_it_was_when_it_was_saved)
{
	struct lifecycle lifecycle = { .state = PARTITION_PAUSED };

	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_SAVE), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_SAVED), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_RESTORE), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_READY), 0);

	CHECK_EQ(lifecycle.state, PARTITION_PAUSED);
}

/* Each ends with a START that forgets the life before. */
static void check_restart(enum partition_state from, enum partition_state to)
{
	struct lifecycle lifecycle = { .state = from };

	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_RESTART), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_RESTART), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_BOOTED), 0);
	CHECK_EQ(lifecycle.state, to);

	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_MONITOR_LOST), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_START), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_BOOTED), 0);
	CHECK_EQ(lifecycle.state, PARTITION_RUNNING);
}

TEST(a_restart_keeps_what_the_operator_had_paused)
{
	struct lifecycle lifecycle = { .state = PARTITION_PAUSED };

	check_restart(PARTITION_RUNNING, PARTITION_RUNNING);
	check_restart(PARTITION_PAUSED, PARTITION_PAUSED);

	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_SAVE), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_RESTART), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_BOOTED), 0);
	CHECK_EQ(lifecycle.state, PARTITION_PAUSED);
}

TEST(a_start_stored_by_an_older_release_ends_running)
{
	struct lifecycle lifecycle;

	CHECK_EQ(lifecycle_load(&lifecycle, PARTITION_STARTING, 0), 0);
	CHECK_EQ(lifecycle_apply(&lifecycle, PARTITION_EVENT_BOOTED), 0);
	CHECK_EQ(lifecycle.state, PARTITION_RUNNING);
}

TEST(a_stored_state_that_could_not_have_been_written_is_refused)
{
	struct lifecycle lifecycle;

	CHECK_EQ(lifecycle_load(&lifecycle, PARTITION_RUNNING, 0), 0);
	CHECK_EQ(lifecycle_load(&lifecycle, PARTITION_SAVED, PARTITION_PAUSED),
		 0);

	CHECK_EQ(lifecycle_load(&lifecycle, PARTITION_UNDEFINED, 0), -EBADMSG);
	CHECK_EQ(lifecycle_load(&lifecycle, PARTITION_STATE_COUNT, 0),
		 -EBADMSG);
	CHECK_EQ(lifecycle_load(&lifecycle, PARTITION_RUNNING, 99), -EBADMSG);
	CHECK_EQ(lifecycle_load(&lifecycle, PARTITION_SAVED, 0), -EBADMSG);
}

TEST(every_state_and_event_has_a_name)
{
	for (unsigned i = 0; i < PARTITION_STATE_COUNT; i++)
		CHECK(partition_state_name((enum partition_state)i) != NULL);
	for (unsigned i = 0; i < PARTITION_EVENT_COUNT; i++)
		CHECK(partition_event_name((enum partition_event)i) != NULL);

	CHECK_EQ(strcmp(partition_state_name(PARTITION_PAUSED), "paused"), 0);
	CHECK_EQ(strcmp(partition_state_name((enum partition_state)99),
			"unknown"),
		 0);
}

TEST(the_monitored_states_are_those_of_the_design)
{
	unsigned monitored = 0;

	for (unsigned i = 0; i < PARTITION_STATE_COUNT; i++)
		monitored |= (unsigned)partition_has_monitor(i) << i;

	CHECK_EQ(monitored,
		 1 << PARTITION_STARTING | 1 << PARTITION_RUNNING |
			 1 << PARTITION_PAUSED | 1 << PARTITION_SAVING |
			 1 << PARTITION_RESTORING | 1 << PARTITION_STOPPING);
}
