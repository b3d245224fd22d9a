/* SPDX-License-Identifier: MIT */
/*
 * Growing pauses before something is tried again that exits early, again and
 * again: none for the first few ends, then 100 ms, doubling up to 5 s, for
 * ever. One that lived long enough ends the row.
 */
#ifndef SUPERVISOR_BACK_OFF_H
#define SUPERVISOR_BACK_OFF_H

#include <stdbool.h>
#include <stdint.h>

/* Ends that are followed by no pause. */
#define BACK_OFF_FREE    3
#define BACK_OFF_MOST_MS 5000u

/* All zero to begin with. Times are of clock_now_ns(). */
struct back_off {
	unsigned early_exits; /* in a row */
	uint64_t not_before_ns;
};

/* It ended at `now_ns`; `began_ns` 0: it never began. */
void back_off_note(struct back_off *back_off, uint64_t began_ns,
		   uint64_t early_ns, uint64_t now_ns);

/* How long to wait yet; 0: go. */
uint64_t back_off_wait_ms(const struct back_off *back_off, uint64_t now_ns);

/* Whether its last end is worth a word: the first ones, then each that doubles
 * their number. */
bool back_off_is_news(const struct back_off *back_off);

#endif
