/* SPDX-License-Identifier: MIT */
#include "target/affinity.h"

void affinity_init(struct affinity *affinity)
{
	*affinity = (struct affinity){ .cpu = -1 };
	if (sched_getaffinity(0, sizeof(affinity->all), &affinity->all) < 0)
		CPU_ZERO(&affinity->all);
}

unsigned int affinity_other_cpus(const struct affinity *affinity)
{
	int count = CPU_COUNT(&affinity->all);

	return count > 0 ? (unsigned int)count - 1 : 0;
}

/* A refusal is no harm: it is only slower then. */
static void bind_to(struct affinity *affinity, const cpu_set_t *cpus, int cpu)
{
	if (sched_setaffinity(0, sizeof(*cpus), cpus) == 0)
		affinity->cpu = cpu;
}

void affinity_pin(struct affinity *affinity, int cpu)
{
	cpu_set_t one;

	if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &affinity->all)) {
		affinity_clear(affinity);
		return;
	}
	if (cpu == affinity->cpu)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	bind_to(affinity, &one, cpu);
}

void affinity_clear(struct affinity *affinity)
{
	if (affinity->cpu >= 0)
		bind_to(affinity, &affinity->all, -1);
}
