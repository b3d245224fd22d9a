/* SPDX-License-Identifier: MIT */
/* Shared by the files of the pager: pager.c has its life cycle, pager_load.c
 * reads chunks of the image, pager_place.c puts their pages into memory. */
#ifndef MONITOR_ENGINE_KVM_PAGER_PRIVATE_H
#define MONITOR_ENGINE_KVM_PAGER_PRIVATE_H

#include "monitor/engine/kvm/image/pager.h"

#define PAGER_WORD_BITS 64

static inline bool pager_test_bit(const uint64_t *bits, uint64_t index)
{
	return (bits[index / PAGER_WORD_BITS] >> (index % PAGER_WORD_BITS) &
		1) != 0;
}

static inline void pager_set_bit(uint64_t *bits, uint64_t index)
{
	bits[index / PAGER_WORD_BITS] |= 1ull << (index % PAGER_WORD_BITS);
}

/* pager_place.c: put bytes into the memory file: through a registered mapping
 * if there is one, so that it is atomic for all of them. */
int pager_put(const struct pager *pager, uint64_t offset, uint64_t bytes,
	      const uint8_t *from);

/* A page that is not in the image, or no longer wanted from it. */
int pager_put_zero(const struct pager *pager, uint64_t offset);

/* Resume threads that wait for these pages in any mapping. */
void pager_wake(const struct pager *pager, uint64_t offset, uint64_t bytes);

/* pager_load.c: all of the image at once. */
int pager_load_all(struct pager *pager, const struct image_progress *loaded);

/* Serve faults and load the rest, until all is there. -ECANCELED: pager_stop()
 * was called. */
int pager_work(struct pager *pager);

#endif
