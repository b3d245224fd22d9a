/* SPDX-License-Identifier: MIT */
/*
 * A virtual processor's state in KVM, as bytes.
 *
 * It may be saved while its thread is out of KVM_RUN and nothing that KVM
 * exited for is half done: a pause takes effect only after KVM_RUN returned
 * -EINTR (with immediate_exit set it finishes an access and runs nothing).
 *
 * Trust      A state read is hostile: sizes and counts are checked here, values
 *            by KVM.
 * Threads    The main thread, while no processor runs.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_VCPU_STATE_H
#define MONITOR_ENGINE_KVM_VCPU_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <linux/kvm.h>

#include "machine/state.h"
#include "saved/image.h"

#define VCPU_CPUID_MAX 256
#define VCPU_MSR_MAX   1024

/* What this host's KVM has to say of a processor. */
struct vcpu_shape {
	uint32_t msr_count;
	uint32_t *msrs; /* owned */
	uint32_t xsave_bytes;
	uint32_t nested_bytes; /* 0: it does not do that */
	bool has_tsc_control;
};

/* -ENOMEM, or what KVM said. */
int vcpu_shape_read(struct vcpu_shape *shape, int kvm_fd, int vm_fd);
void vcpu_shape_release(struct vcpu_shape *shape);

/* The processor's part of what an image counts on: vendor, XCR0 as the guest
 * may set it, room for the registers, clock. */
int vcpu_describe(int vcpu_fd, const struct vcpu_shape *shape,
		  struct image_machine *ret_machine);

/*
 * Append a section STATE_VCPU.
 *
 * -EOPNOTSUPP  the guest itself runs guests
 */
int vcpu_state_save(int vcpu_fd, const struct vcpu_shape *shape,
		    struct state_writer *writer);

/*
 * Read one. The processor is fresh; its CPUID table as this host would give it
 * has been set, and the one saved must want nothing else.
 *
 * -EBADMSG  the section makes no sense, or KVM does not take it
 * -ENOTSUP  the guest has seen a feature or a clock that this host lacks
 */
int vcpu_state_restore(int vcpu_fd, const struct vcpu_shape *shape,
		       struct state_reader *reader);

/* After a restore or a pause: tell the guest's watchdogs that it stood. */
void vcpu_tell_pause(int vcpu_fd);

#endif
