/* SPDX-License-Identifier: MIT */
/*
 * The capabilities of this host, found by trying rather than by names and
 * versions.
 *
 * Each result is a row: an id that scripts may rely on, a verdict, a sentence
 * with the evidence, and advice when something is missing. `bulkhead doctor`
 * prints them; probe_engine() uses the same rows to choose the engine of
 * `engine: auto`.
 *
 * Threads    Forks short-lived children; call it while the process has one
 *            thread, or from the CLI.
 * Errors     A probe that cannot run is a row that says so, never an error.
 */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "definition/partition.h"

enum probe_verdict { PROBE_NO, PROBE_PARTIAL, PROBE_YES };

struct probe_row {
	char id[32]; /* "kvm.int3", "landlock", "namespace.net" */
	enum probe_verdict verdict;
	char detail[160];
	char advice[160]; /* empty when there is nothing to do */
};

#define PROBE_ROW_MAX 64

struct probe_table {
	size_t count;
	struct probe_row rows[PROBE_ROW_MAX];
};

/* Run every probe; takes a fraction of a second, longer only when KVM hangs. */
void probe_all(struct probe_table *ret_table);

/* Only the probes of /dev/kvm (the probe guest) and of QEMU. */
void probe_engines(struct probe_table *ret_table);

/*
 * Whether an ordinary user can create a user namespace here: 0, or a negative
 * errno with the cause and the setting to change, as a sentence fragment.
 */
int probe_userns(char *to, size_t room);

/* The row with this id, or NULL. */
const struct probe_row *probe_find(const struct probe_table *table,
				   const char *id);

/* "yes", "partial" or "no". */
const char *probe_verdict_name(enum probe_verdict verdict);

enum probe_accelerator { PROBE_TCG = 0, PROBE_KVM = 1 };

struct probe_engine {
	/* The choice of auto: kvm where it works, else qemu. */
	enum engine_kind engine;
	enum probe_accelerator accelerator; /* of QEMU */
	bool has_kvm;         /* engine kvm runs unmodified guests here */
	char qemu[PATH_SIZE]; /* the binary; empty: no engine qemu here */
	char reason[192];     /* why auto chose it: a sentence */
	char kvm_reason[192]; /* why engine kvm is available or not */
	/* From probe_userns(); empty: they are available. */
	char userns_refusal[128];
};

/*
 * Decide, from the rows of probe_all() or probe_engines(), which engine
 * `engine: auto` chooses on this host and which are available by name.
 *
 * -ENOENT  no engine can run here; ret_engine->reason says why
 */
int probe_engine(const struct probe_table *table,
		 struct probe_engine *ret_engine);

/* The choice of auto: "kvm", "qemu" or "none". */
const char *probe_engine_name(const struct probe_engine *engine);

#endif
