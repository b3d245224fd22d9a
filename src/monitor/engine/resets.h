/* SPDX-License-Identifier: MIT */
/*
 * Resets that a guest makes by itself. Each is reported, but a guest that
 * resets again and again right after its start will never come up. It is ended,
 * so that the partition's restart policy applies, which restarts with growing
 * pauses.
 *
 * Firmware resets a machine a few times while booting, which is not reported.
 */
#ifndef MONITOR_RESETS_H
#define MONITOR_RESETS_H

#include <stdint.h>

#include "base/clock.h"

/* A reset is early within this time after the start. All early ones together
 * take less time than the supervisor requires of a stable monitor
 * (RESTART_CALM_NS). */
#define RESETS_EARLY_NS (2 * NS_PER_S)
#define RESETS_MAX      10 /* early ones of a guest, in a row */
#define RESETS_HOPELESS \
	"the guest reset itself 10 times in a row as soon as it had begun"

/* All zero: it has not begun. Times are of clock_now_ns(). */
struct resets {
	uint64_t began_ns;
	unsigned early_count; /* in a row */
};

enum resets_verdict {
	RESETS_TELL,    /* go on, and say so */
	RESETS_GO_ON,   /* in silence */
	RESETS_GIVE_UP, /* RESETS_HOPELESS */
};

/* It was started or reset by an operator. */
void resets_begin(struct resets *resets, uint64_t now_ns);

/* It reset itself, and starts again. */
enum resets_verdict resets_note(struct resets *resets, uint64_t now_ns);

#endif
