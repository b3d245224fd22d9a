/* SPDX-License-Identifier: MIT */
/* How the probes fill the table; private to this folder. */
#ifndef PROBE_PROBE_ROWS_H
#define PROBE_PROBE_ROWS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe/probe.h"

/*
 * Add a row with a printf-like detail. The advice is copied; NULL for none.
 * Rows beyond a full table are dropped.
 */
void probe_add(struct probe_table *table, const char *id,
	       enum probe_verdict verdict, const char *advice,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));

#define PROBE_CHILD_TEXT 120

/* A child's result, sent through a pipe. */
struct probe_answer {
	int32_t error; /* 0: it works; else a negative errno, or PROBE_FAILED */
	char text[PROBE_CHILD_TEXT];
};

/* It failed in the way that `text` says. */
#define PROBE_FAILED (-4095)

/*
 * Run `ask` in a child process, so that a crash does not affect this one: a
 * child that crashes or takes more than `seconds` yields PROBE_FAILED and a
 * sentence.
 */
void probe_in_child(void (*ask)(const void *, struct probe_answer *),
		    const void *argument, unsigned int seconds,
		    struct probe_answer *ret_answer);

/* "kvm.*", and "kvm" that sums them up. */
void probe_kvm(struct probe_table *table);

/* The capabilities of the KVM API behind this descriptor that engine kvm
 * uses. */
void probe_capabilities(struct probe_table *table, int kvm);

/* True if engine kvm lacks nothing here; else *ret_missing is the row that says
 * what, or NULL if KVM was not probed. */
bool probe_can_kvm(const struct probe_table *table,
		   const struct probe_row **ret_missing);

/* Everything else but QEMU. */
void probe_host(struct probe_table *table);

#endif
