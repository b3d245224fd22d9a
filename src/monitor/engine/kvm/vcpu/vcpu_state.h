/* SPDX-License-Identifier: MIT */
/*
 * A virtual processor's state in KVM, as bytes: its CPUID table, all registers,
 * local APIC, clock, and pending events.
 *
 * It may be saved while it is parked (vcpu.h), when no exit is half completed.
 *
 * Trust      A state being read is hostile: sizes, counts and the set of
 *            registers are checked here, values by KVM; nothing is set that a
 *            guest could not have otherwise.
 * Threads    The main thread, while all processors are parked.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_VCPU_STATE_H
#define MONITOR_ENGINE_KVM_VCPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "machine/state.h"
#include "saved/image.h"

/* What this host's KVM reports about processors. */
struct vcpu_shape {
	uint32_t msr_count;
	uint32_t *msrs; /* owned: those that are state */
	uint32_t xsave_bytes;
	bool has_tsc_control;
};

/* -ENOMEM, or what KVM said. */
int vcpu_shape_read(struct vcpu_shape *shape, int kvm_fd, int vm_fd);

/* Safe twice. */
void vcpu_shape_release(struct vcpu_shape *shape);

/*
 * The processor's part of what an image requires: vendor, clock, size of the
 * registers; and as XCR0 what the guest may set according to its CPUID.
 */
int vcpu_describe(int vcpu_fd, const struct vcpu_shape *shape,
		  struct image_machine *ret_machine);

/* Append a section STATE_VCPU. -ENOMEM, or KVM's error. */
int vcpu_state_save(int vcpu_fd, const struct vcpu_shape *shape,
		    struct state_writer *writer);

/*
 * Read one into a new processor whose CPUID table of this host has been set;
 * the saved table must not require more.
 *
 * -EBADMSG  the section is invalid, or KVM does not accept it
 * -ENOTSUP  the guest has seen a feature, a register or a clock that this host
 *           lacks
 * -ENOMEM
 */
int vcpu_state_restore(int vcpu_fd, const struct vcpu_shape *shape,
		       struct state_reader *reader, struct refusal *refusal);

#endif
