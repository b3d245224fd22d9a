/* SPDX-License-Identifier: MIT */
/*
 * The system calls of a virtual processor's thread, besides those that every
 * thread needs: running the guest, and what the board does on the guest's
 * behalf. It cannot create machines, map descriptors it does not hold, talk to
 * the supervisor or kill anything but its own process.
 */
#ifndef MONITOR_ENGINE_KVM_CALLS_H
#define MONITOR_ENGINE_KVM_CALLS_H

#include "sandbox/sandbox.h"

extern const struct sandbox_call kvm_vcpu_calls[];
extern const size_t kvm_vcpu_call_count;

#endif
