/* SPDX-License-Identifier: MIT */
#include "base/state_table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

static const char *name_of(const char *const *names, unsigned count,
			   unsigned number)
{
	return number < count ? names[number] : "unknown";
}

const char *state_table_state(const struct state_table *table, unsigned state)
{
	return name_of(table->states, table->state_count, state);
}

const char *state_table_event(const struct state_table *table, unsigned event)
{
	return name_of(table->events, table->event_count, event);
}

int state_table_next(const struct state_table *table, unsigned state,
		     unsigned event)
{
	if (state >= table->state_count)
		return -EINVAL;
	for (size_t i = 0; i < table->rule_count; i++)
		if (table->rules[i].event == event &&
		    table->rules[i].from & 1u << state)
			return (int)table->rules[i].to;
	return -EINVAL;
}

static void note_refused(const struct state_table *table, unsigned state,
			 unsigned event)
{
	static unsigned refused_count;
	unsigned count =
		__atomic_add_fetch(&refused_count, 1, __ATOMIC_RELAXED);

	log_error("an event that cannot be noun=%s state=\"%s\" event=\"%s\" "
		  "count=%u",
		  table->noun, state_table_state(table, state),
		  state_table_event(table, event), count);
	if (BULKHEAD_FAILPOINTS)
		abort();
}

unsigned state_table_follow(const struct state_table *table, unsigned state,
			    unsigned event)
{
	int next = state_table_next(table, state, event);

	if (next >= 0)
		return (unsigned)next;
	note_refused(table, state, event);
	return state;
}
