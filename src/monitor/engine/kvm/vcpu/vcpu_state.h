/* SPDX-License-Identifier: MIT */
/*
 * A virtual processor's state in KVM, as bytes: its CPUID table, registers of
 * all kinds, local APIC, clock, and what is about to be delivered to it.
 *
 * It may be saved while it is parked (vcpu.h): nothing that KVM came out for is
 * half done then.
 *
 * Trust      A state read is hostile: sizes, counts and which registers there
 *            are is checked here, values by KVM, which is asked for nothing
 *            that a guest could not be given otherwise.
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

/* What this host's KVM has to say of a processor. */
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
 * The processor's part of what an image counts on: vendor, clock, room for
 * registers; and as XCR0 what the guest may set, by its CPUID table.
 */
int vcpu_describe(int vcpu_fd, const struct vcpu_shape *shape,
		  struct image_machine *ret_machine);

/* Append a section STATE_VCPU. -ENOMEM, or what KVM said. */
int vcpu_state_save(int vcpu_fd, const struct vcpu_shape *shape,
		    struct state_writer *writer);

/*
 * Read one. The processor is fresh; the CPUID table that this host gives it has
 * been set, and the one saved must not want more.
 *
 * -EBADMSG  the section makes no sense, or KVM does not take it
 * -ENOTSUP  the guest has seen a feature, a register or a clock that this host
 *           lacks
 * -ENOMEM
 */
int vcpu_state_restore(int vcpu_fd, const struct vcpu_shape *shape,
		       struct state_reader *reader, struct refusal *refusal);

#endif
