/* SPDX-License-Identifier: MIT */
/*
 * Two threads that each do one thing at the same moment, again and again: a
 * barrier that is missing shows in some of many rounds only.
 */
#ifndef TESTS_RACE_H
#define TESTS_RACE_H

/* `here` and `there` run at once, `there` in a thread of its own. Then `check`
 * runs alone, sees what both have done, and makes ready for the next round. */
struct race {
	void (*here)(void);
	void (*there)(void);
	void (*check)(void);
};

/* Some hundred thousand rounds, or as many as four seconds have. On one
 * processor nothing runs at once: the test is skipped. */
void race_run(const struct race *race);

#endif
