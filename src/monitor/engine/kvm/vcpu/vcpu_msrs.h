/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers of a virtual processor: those that are state, as
 * KVM lists them.
 *
 * Trust      A list that comes from an image is hostile: vcpu_msrs_check() it.
 * Threads    As vcpu_state.h.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_VCPU_MSRS_H
#define MONITOR_ENGINE_KVM_VCPU_MSRS_H

#include <linux/kvm.h>
#include <stdint.h>

#include "base/refusal.h"
#include "monitor/engine/kvm/vcpu/vcpu_state.h"

#define VCPU_MSRS_MAX 2048

struct vcpu_msrs {
	uint32_t count;
	struct kvm_msr_entry *list; /* owned; room for VCPU_MSRS_MAX */
};

/* -ENOMEM */
int vcpu_msrs_init(struct vcpu_msrs *msrs);

/* Safe twice, and on one that is zeroed. */
void vcpu_msrs_release(struct vcpu_msrs *msrs);

/* Fill shape->msrs. -ENOMEM, or KVM's error. */
int vcpu_msrs_list(struct vcpu_shape *shape, int kvm_fd);

/* Their values; those that this processor does not have are omitted. */
int vcpu_msrs_read(struct vcpu_msrs *msrs, int vcpu_fd,
		   const struct vcpu_shape *shape);

/*
 * Leave only what a save reads here. -ENOTSUP: another one has a value.
 */
int vcpu_msrs_check(struct vcpu_msrs *msrs, const struct vcpu_shape *shape,
		    struct refusal *refusal);

/* -ENOTSUP: this host does not accept one of the values. */
int vcpu_msrs_write(const struct vcpu_msrs *msrs, int vcpu_fd,
		    struct refusal *refusal);

#endif
