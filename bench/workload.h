/* SPDX-License-Identifier: MIT */
/*
 * One run of load against a back end: warm up, measure, drain, and, when
 * verifying, read everything written once more.
 *
 * Threads    One owner.
 * Errors     0 or a negative errno; those of fakeguest.h too. A disk that
 *            answers wrongly is no error but counted in the result.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "fakeguest.h"
#include "stats.h"
#include "verify.h"

enum workload_op {
	WORKLOAD_RANDREAD,
	WORKLOAD_RANDWRITE,
	WORKLOAD_SEQREAD,
	WORKLOAD_SEQWRITE,
	WORKLOAD_MIXED, /* random, every second one a write */
	WORKLOAD_OP_COUNT,
};

struct workload_settings {
	const char *path; /* of the back end's socket; borrowed */
	enum workload_op op;
	uint32_t block_bytes;
	uint32_t depth;
	uint32_t queue_count;
	uint32_t connect_ms;
	uint64_t span_bytes; /* use only the disk's begin; 0: all */
	uint64_t duration_ns;
	uint64_t warmup_ns;
	uint64_t think_ns; /* pause before each batch of requests */
	uint64_t drain_ns; /* how long an answer may take at the end */
	uint64_t stall_least_ns;
	uint64_t seed;
	bool is_verifying;
	bool is_spinning;
	const volatile int *stop; /* becomes non-zero to end early; borrowed */
};

struct workload_result {
	uint64_t began_ns; /* of the measured window */
	uint64_t ended_ns;
	uint64_t cpu_ns;       /* our own, in the window */
	uint64_t all_requests; /* answered, warm-up and drain included */
	uint64_t all_cpu_ns;   /* our own, for these */
	uint64_t errors;       /* answered with an error */
	uint64_t unanswered;   /* counted as lost too */
	uint64_t kicks;        /* in all */
	uint64_t wakes;
	uint64_t reconnects;
	uint64_t checked; /* cells that were read and judged */
	uint64_t lost;
	uint64_t duplicated;
	uint64_t corrupt;
	struct stats stats; /* of the window */
};

/* `result` is large: allocate it. */
int workload_run(const struct workload_settings *settings,
		 struct workload_result *result);

#endif
