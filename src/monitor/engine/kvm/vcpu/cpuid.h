/* SPDX-License-Identifier: MIT */
/*
 * A guest's CPUID: what KVM supports, less what cannot be saved (nested
 * virtualization), and a topology of one package with one core for each virtual
 * processor. The local APIC's id is the processor's number.
 *
 * Sources: Intel SDM 2A, CPUID (leaves 1, 4, 0BH, 1FH); AMD APM 3, appendix E
 * (8000_0001H, 8000_0008H, 8000_001DH, 8000_001EH).
 */
#ifndef MONITOR_ENGINE_KVM_CPUID_H
#define MONITOR_ENGINE_KVM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define CPUID_SIZE 256

/* `table.nent` entries; for KVM_SET_CPUID2. */
struct cpuid_table {
	struct kvm_cpuid2 table;
	struct kvm_cpuid_entry2 entries[CPUID_SIZE];
};

/* Bits of an APIC id, or of a number within a package, for so many. */
uint32_t cpuid_bits(uint32_t count);

/*
 * From what KVM supports to what every processor of this machine has in
 * common. Room is left for the leaves it adds.
 *
 * -E2BIG  no room
 */
int cpuid_shape(struct cpuid_table *cpuid, uint32_t count,
		bool has_deadline_timer);

/* What differs: the ids of processor `index`. */
void cpuid_number(struct cpuid_table *cpuid, uint32_t index);

/*
 * Ask KVM and shape the answer.
 *
 * -E2BIG  KVM knows more leaves than there is room for
 */
int cpuid_read(struct cpuid_table *cpuid, int kvm_fd, uint32_t count);

#endif
