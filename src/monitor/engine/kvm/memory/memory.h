/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory: one sealed memfd, mapped once, excluded from core dumps
 * and not inherited by children. Guest-physically it has a hole below 4 GiB for
 * devices (machine/layout.h); the file has none.
 *
 * Threads    Created and closed by the main thread. Every user that looks up
 *            addresses borrows it into a struct guestmem of its own.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_MEMORY_H
#define MONITOR_ENGINE_KVM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "guestmem/guestmem.h"

#define MEMORY_RANGE_MAX 2

struct pager;

struct memory_range {
	uint64_t gpa;
	uint64_t bytes;
	uint64_t offset_bytes; /* in file and mapping */
};

struct kvm_memory {
	int fd; /* owned */
	uint64_t bytes;
	uint8_t *map; /* owned; all of it */
	struct memory_range ranges[MEMORY_RANGE_MAX];
	uint32_t range_count;
};

/* The ranges of this much memory; returns their number. */
uint32_t memory_split(uint64_t bytes, struct memory_range *ret_ranges);

/*
 * Memory that reads as zeros.
 *
 * -EINVAL  not whole pages, or none
 * -ENOMEM  the host does not have it; with huge pages, that many of them
 */
int kvm_memory_open(struct kvm_memory *memory, uint64_t bytes, bool is_huge,
		    struct refusal *refusal);

/* Safe twice, and on one that is zeroed but for fd NO_FD. */
void kvm_memory_close(struct kvm_memory *memory);

/* The mapping of these bytes, all in one range; NULL: they are not memory. Any
 * thread. */
uint8_t *kvm_memory_at(const struct kvm_memory *memory, uint64_t gpa,
		       size_t bytes);

/* Make `guest`, which must be empty, refer to this memory: user addresses equal
 * guest-physical ones, as virtio over PCI requires. */
int kvm_memory_lend(const struct kvm_memory *memory, struct guestmem *guest);

/* Return these bytes of the guest's memory to the host: they read as zeros, and
 * are allocated again when touched. `pager` does not restore their content. Any
 * thread. */
void kvm_memory_give_back(const struct kvm_memory *memory, struct pager *pager,
			  uint64_t gpa, uint64_t bytes);

#endif
