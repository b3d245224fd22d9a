/* SPDX-License-Identifier: MIT */
#include "monitor/engine/resets.h"

void resets_begin(struct resets *resets, uint64_t now_ns)
{
	*resets = (struct resets){ .began_ns = now_ns };
}

enum resets_verdict resets_note(struct resets *resets, uint64_t now_ns)
{
	unsigned early_count = resets->early_count + 1;

	if (!resets->began_ns || now_ns - resets->began_ns > RESETS_EARLY_NS) {
		resets_begin(resets, now_ns);
		return RESETS_TELL;
	}
	*resets = (struct resets){ now_ns, early_count };
	return early_count < RESETS_MAX ? RESETS_GO_ON : RESETS_GIVE_UP;
}
