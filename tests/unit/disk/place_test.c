/* SPDX-License-Identifier: MIT */
#include "disk/place.h"

#include "lib/harness.h"

static int cpus_now(void)
{
	cpu_set_t cpus;

	CHECK_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	return CPU_COUNT(&cpus);
}

TEST(a_place_beside_a_monitor_is_its_cpu_alone)
{
	struct place place;
	int all = cpus_now();

	place_init(&place);
	place_beside(&place, sched_getcpu());
	CHECK_EQ(cpus_now(), 1);

	place_anywhere(&place);
	CHECK_EQ(cpus_now(), all);
}

TEST(a_hostile_peer_cannot_name_a_cpu_that_is_not_ours)
{
	static const int named[] = { -1, -2147483647 - 1, CPU_SETSIZE,
				     2147483647 };
	struct place place;
	int all = cpus_now();

	place_init(&place);
	for (unsigned int i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		place_beside(&place, named[i]);
		CHECK_EQ(cpus_now(), all);
	}
}

TEST(a_cpu_outside_our_set_means_anywhere)
{
	struct place place;

	place_init(&place);
	CPU_CLR(sched_getcpu(), &place.all);
	place_beside(&place, sched_getcpu());

	CHECK_EQ(place.cpu, -1);
}
