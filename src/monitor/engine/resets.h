/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a guest that resets itself: each time it is told of, but a
 * guest that does so as soon as it has begun, again and again, will never come
 * up. It is given up, so that the partition's restart policy has the word,
 * which restarts with growing pauses.
 *
 * Firmware resets a machine a few times on its way up, which is nobody's news.
 */
#ifndef MONITOR_RESETS_H
#define MONITOR_RESETS_H

#include <stdint.h>

#include "base/clock.h"

/* A guest resets early for so long after it has begun. Together less than the
 * supervisor takes for a calm life of a monitor (RESTART_CALM_NS). */
#define RESETS_EARLY_NS (2 * NS_PER_S)
#define RESETS_MOST     10 /* early ones of a guest, in a row */
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

/* It begins by somebody's will. */
void resets_begin(struct resets *resets, uint64_t now_ns);

/* It resets itself, by which it begins again. */
enum resets_verdict resets_note(struct resets *resets, uint64_t now_ns);

#endif
