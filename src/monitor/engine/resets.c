/* SPDX-License-Identifier: MIT */
#include "monitor/engine/resets.h"

void resets_begin(struct resets *resets, uint64_t now_ns)
{
	*resets = (struct resets){ .began_ns = now_ns };
}

enum resets_verdict resets_note(struct resets *resets, uint64_t now_ns)
{
	unsigned young_count = resets->young_count + 1;

	if (!resets->began_ns || now_ns - resets->began_ns > RESETS_YOUNG_NS) {
		resets_begin(resets, now_ns);
		return RESETS_TELL;
	}
	*resets = (struct resets){ now_ns, young_count };
	return young_count < RESETS_MOST ? RESETS_GO_ON : RESETS_GIVE_UP;
}
