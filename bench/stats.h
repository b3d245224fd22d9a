/* SPDX-License-Identifier: MIT */
/*
 * Latencies in a log-linear histogram (error below 1 %), and stalls: times
 * without any answer while requests were outstanding.
 *
 * Threads    One owner. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdint.h>
#include <stdio.h>

#define STATS_SUB_BITS   7u
#define STATS_BUCKETS    ((65u - STATS_SUB_BITS) << STATS_SUB_BITS)
#define STATS_STALLS_MAX 262144u

struct stall {
	uint64_t began_ns;
	uint64_t ended_ns;
};

struct stats {
	uint64_t buckets[STATS_BUCKETS];
	uint64_t count;
	uint64_t sum_ns;
	uint64_t max_ns;
	uint64_t longest_stall_ns;
	uint64_t stall_least_ns; /* shorter ones are not listed */
	uint32_t stall_count;
	uint32_t stalls_unlisted; /* found the list full */
	struct stall stalls[STATS_STALLS_MAX];
};

void stats_add_latency(struct stats *stats, uint64_t ns);
void stats_add_stall(struct stats *stats, uint64_t began_ns, uint64_t ended_ns);

/* The latency that `share` (0 to 1) of the requests do not exceed. */
uint64_t stats_percentile_ns(const struct stats *stats, double share);

/* [[began, ended], ...] as JSON. */
void stats_print_stalls(const struct stats *stats, FILE *out);

#endif
