/* SPDX-License-Identifier: MIT */
/*
 * Handling of VM exits.
 *
 * Trust      The exit's reason is KVM's; addresses and data in it are a hostile
 *            guest's and are passed to the board unchanged.
 * Threads    The processor's own. Takes the board lock.
 */
#ifndef MONITOR_ENGINE_KVM_EXITS_H
#define MONITOR_ENGINE_KVM_EXITS_H

#include "monitor/engine/kvm/vcpu/vcpu.h"

/* KVM_RUN returned with an exit. */
void exit_handle(struct vcpu *vcpu);

/* KVM_RUN failed: end this guest. */
void exit_failed(struct vcpu *vcpu, int error);

#endif
