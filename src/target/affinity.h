/* SPDX-License-Identifier: MIT */
/*
 * The CPU affinity of the loop's thread.
 *
 * Waking a sleeper on another, idle CPU costs thirty times as much as on the
 * waker's own. At a low rate, when every request finds the service asleep, it
 * therefore sleeps on the CPU of its monitor; at a high rate it spins, and wants
 * a CPU of its own.
 *
 * Threads    New threads inherit the affinity: call affinity_clear() before.
 */
#ifndef TARGET_AFFINITY_H
#define TARGET_AFFINITY_H

#include <sched.h>

struct affinity {
	cpu_set_t all; /* the CPUs that we may use */
	int cpu;       /* the one we are pinned to; -1: none */
};

void affinity_init(struct affinity *affinity);

/* The number of CPUs besides the current one; 0 if unknown. */
unsigned int affinity_other_cpus(const struct affinity *affinity);

/* Run on this CPU only. The number comes from a peer: if it is not one of ours,
 * run anywhere. */
void affinity_pin(struct affinity *affinity, int cpu);

void affinity_clear(struct affinity *affinity);

#endif
