/* SPDX-License-Identifier: MIT */
#include "supervisor/child/service_limits.h"

#include <unistd.h>

#include "base/count.h"
#include "control/protocol.h"

/* Threads and processes of a monitor: those of its engine and to spare. */
#define MONITOR_TASKS 1024
/* The pages of images that a service reads and writes are its own as well, so
 * it is given much: they are let go of before anything ends. */
#define HOST_SHARE        4
#define SERVICE_BYTES_MIN (512ull << 20)

static uint64_t service_bytes(const struct config *config, uint64_t host_bytes)
{
	if (config->service_memory_mib)
		return (uint64_t)config->service_memory_mib << 20;
	return max_u64(host_bytes / HOST_SHARE, SERVICE_BYTES_MIN);
}

struct cgroup_limits limits_for(const struct config *config, uint32_t role,
				uint64_t host_bytes)
{
	struct cgroup_limits limits = { .process_count = MONITOR_TASKS };

	if (role == ROLE_MONITOR)
		return limits;
	limits.memory_bytes = service_bytes(config, host_bytes);
	limits.process_count = config->service_tasks;
	limits.cpu_weight = config->service_weight;
	return limits;
}

uint64_t limits_host_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);

	return pages < 0 || bytes < 0 ? 0 : (uint64_t)pages * (uint64_t)bytes;
}
