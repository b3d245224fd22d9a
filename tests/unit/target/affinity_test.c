/* SPDX-License-Identifier: MIT */
#include "target/affinity.h"

#include "lib/harness.h"

static int cpus_now(void)
{
	cpu_set_t cpus;

	CHECK_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	return CPU_COUNT(&cpus);
}

TEST(a_place_beside_a_monitor_is_its_cpu_alone)
{
	struct affinity affinity;
	int all = cpus_now();

	affinity_init(&affinity);
	affinity_pin(&affinity, sched_getcpu());
	CHECK_EQ(cpus_now(), 1);

	affinity_clear(&affinity);
	CHECK_EQ(cpus_now(), all);
}

TEST(a_hostile_peer_cannot_name_a_cpu_that_is_not_ours)
{
	static const int named[] = { -1, -2147483647 - 1, CPU_SETSIZE,
				     2147483647 };
	struct affinity affinity;
	int all = cpus_now();

	affinity_init(&affinity);
	for (unsigned int i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		affinity_pin(&affinity, named[i]);
		CHECK_EQ(cpus_now(), all);
	}
}

TEST(a_cpu_outside_our_set_means_anywhere)
{
	struct affinity affinity;

	affinity_init(&affinity);
	CPU_CLR(sched_getcpu(), &affinity.all);
	affinity_pin(&affinity, sched_getcpu());

	CHECK_EQ(affinity.cpu, -1);
}
