/* SPDX-License-Identifier: MIT */
#include "supervisor/errand/budget.h"

#include "base/count.h"

uint64_t budget_wait_ns(const struct budget *budget, unsigned at_once,
			uint64_t interval_ns, uint64_t now_ns)
{
	uint64_t owed_ns = max_u64(budget->paid_until_ns, now_ns) - now_ns;
	uint64_t most_ns = (at_once - 1) * interval_ns;

	return owed_ns > most_ns ? owed_ns - most_ns : 0;
}

bool budget_take(struct budget *budget, unsigned at_once, uint64_t interval_ns,
		 uint64_t now_ns)
{
	if (budget_wait_ns(budget, at_once, interval_ns, now_ns))
		return false;
	budget->paid_until_ns =
		max_u64(budget->paid_until_ns, now_ns) + interval_ns;
	return true;
}
