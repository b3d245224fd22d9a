/* SPDX-License-Identifier: MIT */
#include "supervisor/budget.h"

#include "base/count.h"

bool budget_take(struct budget *budget, unsigned at_once, uint64_t interval_ns,
		 uint64_t now_ns)
{
	uint64_t from_ns = max_u64(budget->paid_until_ns, now_ns);

	if (from_ns - now_ns > (at_once - 1) * interval_ns)
		return false;
	budget->paid_until_ns = from_ns + interval_ns;
	return true;
}
