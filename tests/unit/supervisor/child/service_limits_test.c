/* SPDX-License-Identifier: MIT */
#include "supervisor/child/service_limits.h"

#include "control/protocol.h"
#include "lib/harness.h"

static struct config config_of_file(void)
{
	struct config config;
	struct refusal refusal;

	CHECK_EQ(config_default(&config, &refusal), 0);
	return config;
}

TEST(a_service_is_bounded_in_memory_processors_and_threads)
{
	struct config config = config_of_file();
	static const uint32_t roles[] = { ROLE_DISK, ROLE_NET, ROLE_CONSOLE };

	for (unsigned i = 0; i < 3; i++) {
		struct cgroup_limits limits =
			limits_for(&config, roles[i], 64ull << 30);

		CHECK_EQ(limits.memory_bytes, 16ull << 30);
		CHECK_EQ(limits.cpu_weight, config.service_weight);
		CHECK_EQ(limits.process_count, config.service_tasks);
		CHECK(limits.cpu_weight && limits.process_count);
	}
}

TEST(a_small_host_leaves_a_service_what_it_needs)
{
	struct config config = config_of_file();

	CHECK_EQ(limits_for(&config, ROLE_DISK, 1ull << 30).memory_bytes,
		 512ull << 20);
	CHECK_EQ(limits_for(&config, ROLE_DISK, 0).memory_bytes, 512ull << 20);
}

TEST(what_is_configured_counts)
{
	struct config config = config_of_file();
	struct cgroup_limits limits;

	config.service_memory_mib = 300;
	config.service_weight = 7;
	config.service_tasks = 64;
	limits = limits_for(&config, ROLE_NET, 64ull << 30);

	CHECK_EQ(limits.memory_bytes, 300ull << 20);
	CHECK_EQ(limits.cpu_weight, 7);
	CHECK_EQ(limits.process_count, 64);
}

TEST(a_monitor_has_its_guest_s_memory_and_a_bound_on_threads)
{
	struct config config = config_of_file();
	struct cgroup_limits limits =
		limits_for(&config, ROLE_MONITOR, 64ull << 30);

	CHECK_EQ(limits.memory_bytes, 0);
	CHECK(limits.process_count > 0);
}
