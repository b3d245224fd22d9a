/* SPDX-License-Identifier: MIT */
#include "channel/hang.h"

#include "base/count.h"

/* So that whoever is told has half of the bound to find out for himself. */
#define SUSPECTS_PER_BOUND 2

void hang_begin(struct hang_watch *watch, uint64_t beats, uint64_t now_ns)
{
	*watch = (struct hang_watch){
		.beats = beats,
		.beats_ns = now_ns,
		.suspected_ns = now_ns,
	};
}

bool hang_is_suspected(struct hang_watch *watch, uint64_t beats,
		       uint64_t owing_ns, uint64_t bound_ns, uint64_t now_ns)
{
	uint64_t silent_ns;

	if (beats != watch->beats)
		watch->beats_ns = now_ns;
	watch->beats = beats;
	silent_ns = max_u64(max_u64(owing_ns, watch->beats_ns),
			    watch->suspected_ns);
	if (now_ns - silent_ns < bound_ns / SUSPECTS_PER_BOUND)
		return false;
	watch->suspected_ns = now_ns;
	return true;
}
