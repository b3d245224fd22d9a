/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <inttypes.h>

#define SUB_COUNT (1u << STATS_SUB_BITS)

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t shift;

	if (ns < SUB_COUNT)
		return (uint32_t)ns;
	shift = 63u - (uint32_t)__builtin_clzll(ns) - STATS_SUB_BITS;
	return ((shift + 1) << STATS_SUB_BITS) +
	       (uint32_t)((ns >> shift) & (SUB_COUNT - 1));
}

static uint64_t bucket_begin_ns(uint32_t bucket)
{
	uint32_t shift = bucket >> STATS_SUB_BITS;
	uint64_t sub = bucket & (SUB_COUNT - 1);

	return shift == 0 ? sub : (sub | SUB_COUNT) << (shift - 1);
}

void stats_add_latency(struct stats *stats, uint64_t ns)
{
	stats->buckets[bucket_of(ns)]++;
	stats->count++;
	stats->sum_ns += ns;
	if (ns > stats->max_ns)
		stats->max_ns = ns;
}

void stats_add_stall(struct stats *stats, uint64_t began_ns, uint64_t ended_ns)
{
	uint64_t ns = ended_ns - began_ns;

	if (ns > stats->longest_stall_ns)
		stats->longest_stall_ns = ns;
	if (ns < stats->stall_least_ns)
		return;
	if (stats->stall_count == STATS_STALLS_MAX) {
		stats->stalls_unlisted++;
		return;
	}
	stats->stalls[stats->stall_count++] =
		(struct stall){ began_ns, ended_ns };
}

uint64_t stats_percentile_ns(const struct stats *stats, double share)
{
	uint64_t wanted = (uint64_t)((double)stats->count * share);
	uint64_t passed = 0;

	for (uint32_t i = 0; i < STATS_BUCKETS; i++) {
		passed += stats->buckets[i];
		if (passed > wanted)
			return bucket_begin_ns(i);
	}
	return stats->max_ns;
}

void stats_print_stalls(const struct stats *stats, FILE *out)
{
	(void)fputc('[', out);
	for (uint32_t i = 0; i < stats->stall_count; i++)
		(void)fprintf(out, "%s[%" PRIu64 ", %" PRIu64 "]",
			      i ? ", " : "", stats->stalls[i].began_ns,
			      stats->stalls[i].ended_ns);
	(void)fputc(']', out);
}
