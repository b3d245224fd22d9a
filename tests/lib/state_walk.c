/* SPDX-License-Identifier: MIT */
#include "lib/state_walk.h"

#include <errno.h>

#include "lib/harness.h"

static int expected(const struct state_step *steps, size_t step_count,
		    unsigned from, unsigned event)
{
	for (size_t i = 0; i < step_count; i++)
		if (steps[i].from == from && steps[i].event == event)
			return (int)steps[i].to;
	return -EINVAL;
}

static void check_pairs(const struct state_table *table,
			const struct state_step *steps, size_t step_count)
{
	for (unsigned from = 0; from < table->state_count; from++)
		for (unsigned event = 0; event < table->event_count; event++)
			CHECK_EQ(state_table_next(table, from, event),
				 expected(steps, step_count, from, event));
	CHECK_EQ(state_table_next(table, table->state_count, 0), -EINVAL);
	CHECK_EQ(state_table_next(table, 0, table->event_count), -EINVAL);
}

/* The set of states that one event leads to from a state of this set. */
static unsigned after(const struct state_table *table, unsigned from)
{
	unsigned to = 0;

	for (size_t i = 0; i < table->rule_count; i++)
		if (table->rules[i].from & from)
			to |= 1u << table->rules[i].to;
	return to;
}

static void check_ways(const struct state_table *table, unsigned final)
{
	unsigned all = (1u << table->state_count) - 1, reached = 1;

	for (unsigned i = 0; i < table->state_count; i++) {
		unsigned others = all & ~(1u << i);

		reached |= after(table, reached);
		CHECK_EQ((after(table, 1u << i) & others) == 0,
			 (final & 1u << i) != 0);
	}
	CHECK_EQ(reached, all);
}

static void check_shape(const struct state_table *table)
{
	CHECK(table->state_count <= STATE_TABLE_MAX);
	CHECK(table->event_count <= STATE_TABLE_MAX);
	for (unsigned i = 0; i < table->state_count; i++)
		CHECK(table->states[i]);
	for (unsigned i = 0; i < table->event_count; i++)
		CHECK(table->events[i]);
	for (size_t i = 0; i < table->rule_count; i++)
		for (size_t k = 0; k < i; k++)
			CHECK(table->rules[i].event != table->rules[k].event ||
			      !(table->rules[i].from & table->rules[k].from));
}

void state_walk(const struct state_table *table, const struct state_step *steps,
		size_t step_count, unsigned final)
{
	check_shape(table);
	check_pairs(table, steps, step_count);
	check_ways(table, final);
}
