/* SPDX-License-Identifier: MIT */
/*
 * Translation of linear to guest-physical addresses as the processor does it:
 * every paging mode, access rights checked, accessed and dirty bits set.
 * (KVM_TRANSLATE does not check access rights.)
 *
 * Trust      Registers and tables are a hostile guest's. Each entry is read
 *            once; an address found in one is only passed to read().
 * Source     Intel SDM volume 3, 4.
 */
#ifndef EMULATE_WALK_H
#define EMULATE_WALK_H

#include "emulate/emulate.h"

struct walk {
	uint64_t cr0, cr3, cr4, efer, rflags;
	uint32_t pkru;
	uint8_t cpl;
	uint8_t physical_bits; /* of an address, as CPUID says */
	/* Guest memory, 4 or 8 bytes, naturally aligned; false: there is
	 * none. */
	bool (*read)(void *context, uint64_t gpa, void *to, size_t bytes);
	/* Compare and exchange; false: the value was no longer `old`. */
	bool (*exchange)(void *context, uint64_t gpa, uint64_t old,
			 uint64_t new, size_t bytes);
	void *context;
};

/* -EFAULT  a page fault with *ret_error_code */
int walk_translate(const struct walk *walk, uint64_t linear,
		   enum emulate_access access, uint64_t *ret_gpa,
		   uint32_t *ret_error_code);

#endif
