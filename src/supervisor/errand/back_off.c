/* SPDX-License-Identifier: MIT */
#include "supervisor/errand/back_off.h"

#include "base/clock.h"
#include "base/count.h"

#define FIRST_MS 100u

void back_off_note(struct back_off *back_off, uint64_t began_ns,
		   uint64_t early_ns, uint64_t now_ns)
{
	uint64_t ms = FIRST_MS;

	if (began_ns && now_ns - began_ns > early_ns)
		back_off->early_exits = 0;
	back_off->early_exits++;
	if (back_off->early_exits <= BACK_OFF_FREE)
		return;
	for (unsigned i = BACK_OFF_FREE + 1;
	     i < back_off->early_exits && ms < BACK_OFF_MOST_MS; i++)
		ms *= 2;
	back_off->not_before_ns =
		now_ns + min_u64(ms, BACK_OFF_MOST_MS) * NS_PER_MS;
}

uint64_t back_off_wait_ms(const struct back_off *back_off, uint64_t now_ns)
{
	if (now_ns >= back_off->not_before_ns)
		return 0;
	return (back_off->not_before_ns - now_ns) / NS_PER_MS + 1;
}

bool back_off_is_news(const struct back_off *back_off)
{
	unsigned ends = back_off->early_exits;

	return ends <= BACK_OFF_FREE || (ends & (ends - 1)) == 0;
}
