/* SPDX-License-Identifier: MIT */
/*
 * When to spin before sleeping.
 *
 * Waking a sleeper on another CPU costs tens of microseconds; reaching it while
 * it spins costs well under one. Spinning pays only while waits are short, so a
 * spinner arms itself after several short waits in a row, spins for at most its
 * cap, and backs off further each time spinning ends in sleep. At a low rate it
 * never arms, and an idle process never spins.
 *
 *   for (;;) {
 *           if (look_for_work()) { spin_found(&spin); continue; }
 *           if (spin_again(&spin)) continue;
 *           if (channel_prepare_sleep(...)) poll(...);
 *   }
 *
 * Threads    One owner.
 */
#ifndef CHANNEL_SPIN_H
#define CHANNEL_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#define SPIN_MONITOR_NS 20000u
#define SPIN_SERVICE_NS 50000u
/* A monitor that waits for a large chunk, which takes longer: as measured,
 * waking it for each one costs more processor time than spinning, and a fifth
 * of the bandwidth. */
#define SPIN_LARGE_NS 60000u

struct spin {
	uint32_t cap_ns;
	bool yields; /* CPUs are shared: give way while spinning */
	bool is_waiting;
	bool gave_up;   /* this wait has gone past the spin */
	uint32_t turns; /* of this wait, to look at the clock rarely */
	uint64_t wait_began_ns;
	uint32_t short_waits; /* in a row */
	uint32_t failures;    /* spins in a row that ended in sleep */
	uint32_t arm_after;   /* short waits in a row that arm */
};

void spin_init(struct spin *spin, uint32_t cap_ns);

/* Recent waits were short: the next one begins by spinning. */
bool spin_is_armed(const struct spin *spin);

/* A different kind of request is awaited: spin this long from now on. */
void spin_set_cap(struct spin *spin, uint32_t cap_ns);

/* There was nothing to do: true when the caller should check again (after a
 * short pause, taken here), false when it should sleep. */
bool spin_again(struct spin *spin);

/* The same decision when spinning is out of the question for this wait, for
 * example while a large request is in flight. Always false. */
bool spin_skip(struct spin *spin);

/* There was something to do, whether found by spinning or after a wake-up. */
void spin_found(struct spin *spin);

#endif
