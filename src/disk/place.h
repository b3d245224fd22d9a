/* SPDX-License-Identifier: MIT */
/*
 * On which CPU the loop's thread runs.
 *
 * Waking a sleeper on another, idle CPU costs thirty times what it costs on
 * one's own. At a low rate, when every request finds the service asleep, it
 * therefore sleeps where its monitor runs; when requests come in a row it
 * spins, and wants a CPU of its own.
 *
 * Threads    Those that are created inherit the place: place_anywhere() first.
 */
#ifndef DISK_PLACE_H
#define DISK_PLACE_H

#include <sched.h>

struct place {
	cpu_set_t all; /* where we may run at all */
	int cpu;       /* where we are bound to; -1: nowhere */
};

void place_init(struct place *place);

/* How many CPUs there are beside the one we run on; 0 if unknown. */
unsigned int place_other_cpus(const struct place *place);

/* Run on this CPU alone. It comes from a peer: anything that is not one of
 * ours means anywhere. */
void place_beside(struct place *place, int cpu);

void place_anywhere(struct place *place);

#endif
