/* SPDX-License-Identifier: MIT */
/*
 * How much somebody may ask for in a while: so many at once, and then one each
 * interval. What a hostile process can make us do without end is bounded by
 * one of these per process.
 */
#ifndef SUPERVISOR_BUDGET_H
#define SUPERVISOR_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* All zero to begin with: everything may be had at once. */
struct budget {
	uint64_t paid_until_ns; /* when all that was taken will be earned */
};

/* Take one, at `now_ns` of clock_now_ns(). False when none is left. */
bool budget_take(struct budget *budget, unsigned at_once, uint64_t interval_ns,
		 uint64_t now_ns);

/* How long until there is one to be taken; 0: there is. */
uint64_t budget_wait_ns(const struct budget *budget, unsigned at_once,
			uint64_t interval_ns, uint64_t now_ns);

#endif
