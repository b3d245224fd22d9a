/* SPDX-License-Identifier: MIT */
/*
 * Loading the guest's kernel. It takes most of the time of a start, and needs
 * nothing but memory; so a thread does it while KVM creates the machine, and
 * ends before the sandbox is entered.
 *
 * Threads    The main thread.
 * Errors     0 or a negative errno, with a refusal.
 */
#ifndef MONITOR_ENGINE_KVM_LOAD_H
#define MONITOR_ENGINE_KVM_LOAD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/refusal.h"
#include "boot/boot.h"

struct kvm_machine;

struct loading {
	struct kvm_machine *machine; /* borrowed */
	pthread_t thread;
	bool has_thread;
	struct boot_entry entry;
	struct refusal refusal;
	int result;
};

/* The machine has its memory, which nothing else touches until
 * loading_end(). */
void loading_begin(struct loading *loading, struct kvm_machine *machine);

/* Wait for it; the first processor's initial state is in loading->entry. Safe
 * on a zeroed one. */
int loading_end(struct loading *loading, struct refusal *refusal);

/* Load in this thread, and set the first processor, parked as all are, to begin
 * there. */
int machine_load(struct kvm_machine *machine, struct refusal *refusal);

/* Set it to begin at `entry`. */
int machine_begin(struct kvm_machine *machine, const struct boot_entry *entry,
		  struct refusal *refusal);

#endif
