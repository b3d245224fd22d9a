/* SPDX-License-Identifier: MIT */
#include "disk/place.h"

void place_init(struct place *place)
{
	*place = (struct place){ .cpu = -1 };
	if (sched_getaffinity(0, sizeof(place->all), &place->all) < 0)
		CPU_ZERO(&place->all);
}

unsigned int place_other_cpus(const struct place *place)
{
	int count = CPU_COUNT(&place->all);

	return count > 0 ? (unsigned int)count - 1 : 0;
}

/* A refusal is no harm: it is only slower then. */
static void bind_to(struct place *place, const cpu_set_t *cpus, int cpu)
{
	if (sched_setaffinity(0, sizeof(*cpus), cpus) == 0)
		place->cpu = cpu;
}

void place_beside(struct place *place, int cpu)
{
	cpu_set_t one;

	if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &place->all)) {
		place_anywhere(place);
		return;
	}
	if (cpu == place->cpu)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	bind_to(place, &one, cpu);
}

void place_anywhere(struct place *place)
{
	if (place->cpu >= 0)
		bind_to(place, &place->all, -1);
}
