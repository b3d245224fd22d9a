/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory: one sealed memfd, mapped once, left out of core dumps and
 * of children. In the guest it has a hole below 4 GiB for devices
 * (machine/layout.h); in the file it has none.
 *
 * Threads    Made and closed by the main thread. Everyone who looks things up
 *            in it borrows it into a struct guestmem of their own.
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

/* Where so many bytes of memory are; returns the number of ranges. */
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

/* Where this machine has so many bytes of it mapped, all in one range; NULL: they
 * are not memory. Any thread. */
uint8_t *kvm_memory_at(const struct kvm_memory *memory, uint64_t gpa,
		       size_t bytes);

/* Have `guest`, which must be empty, show this memory: user addresses are
 * guest-physical ones, as virtio over PCI wants it. */
int kvm_memory_lend(const struct kvm_memory *memory, struct guestmem *guest);

/* Let the host have these bytes, which lie in the guest's memory: they read as
 * zeros, and take memory again when they are touched. `pager` does not bring
 * back what they held. Any thread. */
void kvm_memory_give_back(const struct kvm_memory *memory, struct pager *pager,
			  uint64_t gpa, uint64_t bytes);

#endif
