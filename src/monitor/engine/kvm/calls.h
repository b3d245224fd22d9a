/* SPDX-License-Identifier: MIT */
/*
 * What a virtual processor's thread may ask of the kernel, beside what every
 * thread needs: run the guest, and what the board does on the guest's behalf.
 * It cannot make machines, map descriptors it does not hold, talk to the
 * supervisor or end anything but its own process.
 */
#ifndef MONITOR_ENGINE_KVM_CALLS_H
#define MONITOR_ENGINE_KVM_CALLS_H

#include "sandbox/sandbox.h"

extern const struct sandbox_call kvm_vcpu_calls[];
extern const size_t kvm_vcpu_call_count;

#endif
