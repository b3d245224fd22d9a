/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "definition/partition.h"

#define HUGE_PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static uint64_t read_number(const char *path)
{
	char line[32] = "";
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	(void)fclose(file);
	return strtoull(line, NULL, 10);
}

/* A line "KEY:  N kB". */
static void take_line(const char *line, const char *key, uint64_t *bytes)
{
	size_t length = strlen(key);

	if (strncmp(line, key, length) == 0)
		*bytes = strtoull(line + length, NULL, 10) << 10;
}

struct memory_host memory_of_host(void)
{
	uint64_t free_pages = read_number(HUGE_PAGES "free_hugepages");
	uint64_t reserved = read_number(HUGE_PAGES "resv_hugepages");
	struct memory_host host = {
		.huge_bytes = read_number(HUGE_PAGES "nr_hugepages") *
			      HUGE_PAGE_BYTES,
		.huge_free_bytes =
			(free_pages - min_u64(reserved, free_pages)) *
			HUGE_PAGE_BYTES,
	};
	uint64_t pools_bytes = 0; /* of every size */
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		return host;
	while (fgets(line, sizeof(line), file)) {
		take_line(line, "MemTotal:", &host.total_bytes);
		take_line(line, "MemAvailable:", &host.free_bytes);
		take_line(line, "Hugetlb:", &pools_bytes);
	}
	(void)fclose(file);
	host.total_bytes -= min_u64(pools_bytes, host.total_bytes);
	return host;
}

static uint64_t less(uint64_t whole, uint64_t part)
{
	return whole - min_u64(whole, part);
}

static int check_huge(const struct memory_host *host,
		      const struct memory_demand *demand,
		      struct refusal *refusal)
{
	uint64_t left = min_u64(less(host->huge_bytes, demand->booked_bytes),
				host->huge_free_bytes);

	if (demand->wanted_bytes <= left)
		return 0;
	return refuse(refusal, -ERANGE, "memory.huge-pages",
		      "%llu huge pages of 2M are needed and the host has %llu "
		      "left, with %llu reserved; vm.nr_hugepages adds more",
		      demand->wanted_bytes / HUGE_PAGE_BYTES,
		      left / HUGE_PAGE_BYTES,
		      demand->booked_bytes / HUGE_PAGE_BYTES);
}

static int check_booked(const struct memory_host *host,
			const struct memory_demand *demand,
			struct refusal *refusal)
{
	uint64_t given = less(host->total_bytes, demand->reserve_bytes);

	if (!host->total_bytes ||
	    demand->wanted_bytes <= less(given, demand->booked_bytes))
		return 0;
	return refuse(
		refusal, -ERANGE, "memory.size",
		"%llu MiB are needed; of the host's %llu MiB %llu are reserved "
		"for other partitions and %llu held back (memory_reserve_mib)",
		(unsigned long long)demand->wanted_bytes >> 20,
		(unsigned long long)host->total_bytes >> 20,
		(unsigned long long)demand->booked_bytes >> 20,
		(unsigned long long)demand->reserve_bytes >> 20);
}

int memory_check(const struct memory_host *host,
		 const struct memory_demand *demand, struct refusal *refusal)
{
	int r;

	if (demand->has_huge_pages)
		return check_huge(host, demand, refusal);
	r = check_booked(host, demand, refusal);
	if (r < 0 || !host->free_bytes ||
	    demand->wanted_bytes <= host->free_bytes)
		return r;
	return refuse(refusal, -ERANGE, "memory.size",
		      "%llu MiB are needed and the host has %llu MiB left",
		      (unsigned long long)demand->wanted_bytes >> 20,
		      (unsigned long long)host->free_bytes >> 20);
}
