/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/calls.h"

#include <linux/kvm.h>

#include "base/count.h"

/* Lines are tried in this order: what a guest lives on comes first. */
/* clang-format off */
const struct sandbox_call kvm_vcpu_calls[] = {
	SANDBOX_CALL_IF(ioctl, 1, KVM_RUN, "the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_IRQ_LINE, "interrupt lines"),
	SANDBOX_CALL(sendto, "the guest's console"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_IRQFD, "message interrupts"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_GSI_ROUTING, "message interrupts"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_IOEVENTFD, "doorbells"),
	SANDBOX_CALL(poll, "which MSI-X vectors are pending"),

	/* Emulation. */
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_REGS, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_REGS, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_SREGS, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_SREGS, "a page fault for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XSAVE, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XSAVE2, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_XSAVE, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_XCRS, "an instruction for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_VCPU_EVENTS, "an exception for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_VCPU_EVENTS, "an exception for the guest"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_GET_DEBUGREGS, "a guest that steps"),
	SANDBOX_CALL_IF(ioctl, 1, KVM_SET_DEBUGREGS, "a guest that steps"),
};
/* clang-format on */

const size_t kvm_vcpu_call_count = ARRAY_COUNT(kvm_vcpu_calls);
