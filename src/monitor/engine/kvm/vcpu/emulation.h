/* SPDX-License-Identifier: MIT */
/*
 * Instructions that KVM passes to user space (KVM_EXIT_INTERNAL_ERROR, suberror
 * emulation): conversion of KVM's registers to and from emulate's abstract
 * processor, and counters of what was emulated.
 *
 * Requires KVM_CAP_EXIT_ON_EMULATION_FAILURE; without it, KVM raises #UD for
 * such an instruction in user mode, and only those of the guest's kernel arrive
 * here.
 *
 * Trust      The instruction, all registers and all memory are a hostile
 *            guest's.
 * Threads    emulation_handle() the processor's own; the counters any.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_EMULATION_H
#define MONITOR_ENGINE_KVM_EMULATION_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/protocol.h"
#include "emulate/emulate.h"
#include "emulate/xstate.h"

/* What the processors of a machine have in common. */
struct emulations {
	struct xstate_layout layout;
	size_t xstate_bytes; /* as KVM wants them */
	bool has_xstate2;
	uint32_t features; /* of the guest's CPUID */
	uint8_t physical_bits;
	uint64_t counts[EMULATE_RULE_MAX]; /* atomic */
};

/* Memory and devices, by guest-physical address. */
struct emulation_ops {
	/* `bytes` within one page, mapped here; NULL: no memory. */
	uint8_t *(*memory)(void *context, uint64_t gpa, size_t bytes);
	/* The board: 1, 2, 4 or 8 bytes, aligned. */
	void (*read)(void *context, uint64_t gpa, void *to, size_t bytes);
	void (*write)(void *context, uint64_t gpa, const void *from,
		      size_t bytes);
	void *context;
};

/* For a machine whose processors have this CPUID; again after a reset, when
 * counters go on. The struct is zeroed at first. */
void emulations_init(struct emulations *emulations, int vm_fd,
		     const struct kvm_cpuid2 *cpuid);

#define EMULATION_TEXT_SIZE 128

/*
 * Emulate the instruction of the exit in `run`, or inject the exception that it
 * raises; 0: the processor may run on.
 *
 * -EOPNOTSUPP  it is not supported; text says which it is
 * other        KVM's state could not be read or set; text says so
 */
int emulation_handle(struct emulations *emulations, int vcpu_fd,
		     const struct kvm_run *run, const struct emulation_ops *ops,
		     char text[static EMULATION_TEXT_SIZE]);

/* One row per mnemonic that was ever emulated. */
void emulations_report(const struct emulations *emulations,
		       void (*row)(void *context, const struct emulation *row),
		       void *context);

#endif
