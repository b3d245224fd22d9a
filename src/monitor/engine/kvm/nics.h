/* SPDX-License-Identifier: MIT */
/*
 * A PCI function for each network interface: the interfaces belong to the I/O
 * thread, as the disks do (disks.h).
 */
#ifndef MONITOR_ENGINE_KVM_NICS_H
#define MONITOR_ENGINE_KVM_NICS_H

struct iothread;
struct kvm_machine;

/* Before the I/O thread runs. */
int machine_add_nics(struct kvm_machine *machine, struct iothread *io);

/* Safe twice. */
void machine_remove_nics(struct kvm_machine *machine);

#endif
