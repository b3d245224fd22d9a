/* SPDX-License-Identifier: MIT */
/*
 * What the network's load generator does with its ports: port 0 receives, the
 * others send to it, each in a thread of its own.
 *
 *   flood   every sender sends whenever there is room
 *   stream  as flood, but with no more under way than a window that port 0
 *           opens again, as TCP has it; what is lost is not sent again
 *   ping    port 1 sends one frame, port 0 sends it back
 *   paced   port 1 sends at a rate; when did what arrive late, and what not
 *   idle    all are connected and silent
 *
 * Every frame carries its sender, its number and when it was sent.
 *
 * Errors     0 or a negative errno.
 */
#ifndef BENCH_NETRUN_H
#define BENCH_NETRUN_H

#include <stdbool.h>
#include <stdint.h>

#include "stats.h"

#define NETRUN_PORTS_MAX 17u
#define NETRUN_BYTES_MIN 60u
#define NETRUN_GAPS_MAX  65536u

enum netrun_mode {
	NETRUN_FLOOD,
	NETRUN_STREAM,
	NETRUN_PING,
	NETRUN_PACED,
	NETRUN_IDLE,
	NETRUN_MODE_COUNT,
};

struct netrun_settings {
	enum netrun_mode mode;
	uint32_t port_count;
	const char *specs[NETRUN_PORTS_MAX]; /* see netport.h */
	uint32_t bytes;                      /* of a frame */
	uint32_t gso_bytes;    /* frames of TCP to be cut into such; 0: not */
	uint32_t queue_size;   /* of a fake guest's rings */
	uint32_t window;       /* frames under way, of a stream */
	uint32_t rate;         /* frames per second, paced */
	uint64_t gap_least_ns; /* shorter ones are not listed */
	uint64_t warmup_ns;
	uint64_t duration_ns;
	bool is_spinning;
	const volatile int *stop; /* ends the measured time early */
};

/* Between two frames that came one after the other, beyond the pace. */
struct netrun_gap {
	uint64_t before_ns;
	uint64_t after_ns;
	uint64_t late_ns;
	uint64_t lost; /* frames */
};

struct netrun_sender {
	uint64_t sent; /* all the time; the others in the measured time */
	uint64_t frames;
	uint64_t bytes;
};

struct netrun_result {
	uint64_t began_ns;
	uint64_t ended_ns;
	uint64_t cpu_ns; /* of the generator, in the measured time */
	struct netrun_sender senders[NETRUN_PORTS_MAX];
	uint64_t lost; /* paced and ping */
	uint64_t disordered;
	uint32_t gap_count;
	uint32_t gaps_unlisted;
	struct netrun_gap gaps[NETRUN_GAPS_MAX];
	struct stats stats; /* latencies of ping (and back) and paced */
};

int netrun(const struct netrun_settings *settings,
	   struct netrun_result *ret_result);

#endif
