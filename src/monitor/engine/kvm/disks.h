/* SPDX-License-Identifier: MIT */
/*
 * The disks of a machine: PCI functions whose devices belong to the I/O thread.
 *
 * Threads    The main thread, before the I/O thread runs and after it ended.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_DISKS_H
#define MONITOR_ENGINE_KVM_DISKS_H

struct iothread;
struct kvm_machine;

int machine_add_disks(struct kvm_machine *machine, struct iothread *io);
/* For transports: run a function on the I/O thread (the context). */
void machine_call_io(void *context, void (*work)(void *argument),
		     void *argument);

void machine_remove_disks(struct kvm_machine *machine);

#endif
