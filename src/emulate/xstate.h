/* SPDX-License-Identifier: MIT */
/*
 * Vector registers as XSAVE stores them, in the standard format that
 * KVM_GET_XSAVE and KVM_SET_XSAVE use.
 *
 * The offsets of components differ between processors and come from CPUID; the
 * size of the area comes from the caller (KVM_CAP_XSAVE2), and nothing beyond
 * it is touched.
 *
 * Trust      The area was filled by the kernel from a guest's registers.
 * Source     Intel SDM volume 1, 13.
 */
#ifndef EMULATE_XSTATE_H
#define EMULATE_XSTATE_H

#include "emulate/emulate.h"

struct xstate_layout {
	/* Offset of each component; 0: this host does not have it. */
	uint32_t avx, masks, high_256, high_16, keys;
};

/* The layout of this host. */
void xstate_layout_find(struct xstate_layout *ret_layout);

/* Vectors and masks from an area. */
void xstate_get(const struct xstate_layout *layout, const uint8_t *area,
		size_t bytes, struct emulate_cpu *cpu);

/* The rights of protection keys, register PKRU. */
uint32_t xstate_pkru(const struct xstate_layout *layout, const uint8_t *area,
		     size_t bytes);

/* Back into the area they came from. */
void xstate_put(const struct xstate_layout *layout, uint8_t *area, size_t bytes,
		const struct emulate_cpu *cpu);

#endif
