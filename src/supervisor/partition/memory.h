/* SPDX-License-Identifier: MIT */
/*
 * The host's memory against what guests are promised. A guest takes its memory
 * as it touches it, so what is free now says little of what is still to give:
 * the sizes of all that run are booked against what the host has, and only then
 * what is free is looked at. Memory in huge pages is a pool of its own.
 */
#ifndef SUPERVISOR_MEMORY_H
#define SUPERVISOR_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"

/* 0: not known, and nothing is refused because of it; not so of huge pages. */
struct memory_host {
	uint64_t total_bytes; /* without the pool of huge pages */
	uint64_t free_bytes;
	uint64_t huge_bytes; /* the pool */
	uint64_t huge_free_bytes;
};

struct memory_demand {
	bool has_huge_pages;
	uint64_t wanted_bytes;
	uint64_t booked_bytes;  /* of the same kind, by all others that run */
	uint64_t reserve_bytes; /* the host keeps this for itself */
};

/* As /proc and /sys say. */
struct memory_host memory_of_host(void);

/* -ERANGE  the host cannot keep that promise; the refusal has the numbers */
int memory_check(const struct memory_host *host,
		 const struct memory_demand *demand, struct refusal *refusal);

#endif
