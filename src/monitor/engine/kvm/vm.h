/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine of KVM without its processors: memory slots, interrupt
 * controllers and PIT in the kernel, the table of interrupt routes, irqfds and
 * ioeventfds.
 *
 * A guest's reset creates a new one, so no old state can be left over.
 *
 * Trust      The guest chooses the MSI messages; KVM accepts any address and
 *            data, and delivers to this machine only.
 * Threads    vm_set_line() any; the rest with the board lock held, or while no
 *            processor runs.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_VM_H
#define MONITOR_ENGINE_KVM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "machine/ops.h"
#include "monitor/engine/kvm/memory/memory.h"

struct kvm_irq_routing;

struct vm {
	int fd;                         /* owned */
	struct kvm_irq_routing *routes; /* owned; grows */
	uint32_t route_room;
};

/*
 * Make one with this memory.
 *
 * -ERANGE  more processors than KVM supports in one machine
 * other    KVM's error; all of them fill in the refusal
 */
int vm_open(struct vm *vm, int kvm_fd, uint32_t vcpu_count,
	    const struct kvm_memory *memory, struct refusal *refusal);

/* Safe twice, and on one that is zeroed but for fd NO_FD. */
void vm_close(struct vm *vm);

/* For the board; `vm` is its context. */
struct machine_ops vm_ops(struct vm *vm);

void vm_set_line(void *context, uint32_t gsi, bool level);

#endif
