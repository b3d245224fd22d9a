/* SPDX-License-Identifier: MIT */
/*
 * The rate limit of a port, a token bucket: `bytes` every `period`, like the
 * credit of Xen's network back end, but spread evenly over the period, since a
 * period's frames in one burst would overrun the rings of receivers. Unused
 * credit accumulates up to a bucket that always holds the longest frame. A
 * sender without credit waits in its own ring; none of its frames is dropped.
 *
 * Threads    No state but the caller's. Time is CLOCK_MONOTONIC.
 */
#ifndef NET_SWITCH_CREDIT_H
#define NET_SWITCH_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#define CREDIT_BUCKET_MIN (128u << 10)

/* A sender that ran out of credit waits at least until this much time's worth
 * has accumulated. */
#define CREDIT_GRAIN_NS 500000u

struct credit {
	uint64_t bytes; /* a period; 0: no limit */
	uint64_t period_ns;
	uint64_t bucket;
	uint64_t full_ns; /* how long filling it takes */
	uint64_t left;
	uint64_t since_ns;  /* `left` includes what accrued until then */
	uint64_t looked_ns; /* checked at most once at any time */
};

/* A full bucket. `bytes` up to 2^40, `period_us` at least 1 when limited. */
void credit_init(struct credit *credit, uint64_t bytes, uint32_t period_us,
		 uint64_t now_ns);

/* Spend; false, and nothing changes, when there is not enough yet. */
bool credit_spend(struct credit *credit, uint32_t bytes, uint64_t now_ns);

/* When there will be enough for this many bytes (at most the bucket). */
uint64_t credit_ready_ns(const struct credit *credit, uint32_t bytes);

#endif
