/* SPDX-License-Identifier: MIT */
/*
 * Why a virtual processor came out of the guest, and what is done about it.
 *
 * Trust      The exit's numbers are KVM's; addresses and data in it are a
 *            hostile guest's and go to the board as they are.
 * Threads    The processor's own. Takes the board lock.
 */
#ifndef MONITOR_ENGINE_KVM_EXITS_H
#define MONITOR_ENGINE_KVM_EXITS_H

#include "monitor/engine/kvm/vcpu/vcpu.h"

/* KVM_RUN returned with an exit. */
void exit_handle(struct vcpu *vcpu);

/* KVM_RUN failed: this guest is over. */
void exit_failed(struct vcpu *vcpu, int error);

#endif
