/* SPDX-License-Identifier: MIT */
/*
 * How fast a port may send: `bytes` every `period`, as Xen's network domains
 * give credit, but evenly through the period: a period's frames in one burst
 * overrun the rings of receivers. What is not used is kept, up to a bucket that
 * the longest frame always fits in. A sender without credit waits in its own
 * ring; nothing of it is dropped.
 *
 * Threads    No state but the caller's. Time is CLOCK_MONOTONIC.
 */
#ifndef NET_SWITCH_CREDIT_H
#define NET_SWITCH_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#define CREDIT_BUCKET_MIN (128u << 10)

/* Who ran out of credit is not woken for less than what comes in this time. */
#define CREDIT_GRAIN_NS 500000u

struct credit {
	uint64_t bytes; /* a period; 0: no limit */
	uint64_t period_ns;
	uint64_t bucket;
	uint64_t full_ns; /* what filling it takes */
	uint64_t left;
	uint64_t since_ns;  /* what came until then is in `left` */
	uint64_t looked_ns; /* one look at a time is enough */
};

/* A full bucket. `bytes` up to 2^40, `period_us` at least 1 when limited. */
void credit_init(struct credit *credit, uint64_t bytes, uint32_t period_us,
		 uint64_t now_ns);

/* Spend; false, and nothing changes, when there is not enough yet. */
bool credit_spend(struct credit *credit, uint32_t bytes, uint64_t now_ns);

/* When to try again with so many (at most the bucket): there is enough then. */
uint64_t credit_ready_ns(const struct credit *credit, uint32_t bytes);

#endif
