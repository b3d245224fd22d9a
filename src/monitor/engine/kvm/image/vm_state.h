/* SPDX-License-Identifier: MIT */
/*
 * What KVM keeps per machine, as bytes: interrupt controllers, timer, clock.
 *
 * Trust, Threads, Errors: as vcpu_state.h.
 */
#ifndef MONITOR_ENGINE_KVM_VM_STATE_H
#define MONITOR_ENGINE_KVM_VM_STATE_H

#include "machine/state.h"

/* Append a section STATE_VM. */
int vm_state_save(int vm_fd, struct state_writer *writer);

/* Read it, before the processors' states. -EBADMSG. */
int vm_state_restore(int vm_fd, struct state_reader *reader);

#endif
