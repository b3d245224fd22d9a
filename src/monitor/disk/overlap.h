/* SPDX-License-Identifier: MIT */
/*
 * Which parts of a disk are being changed: an approximate filter that shows
 * quickly when there is no conflict, which is nearly always the case.
 *
 * Two changes of the same sectors are never with a service at the same time.
 * Otherwise the newer could be answered, the service die, and the replay of the
 * older overwrite new data with old (docs/architecture.md, 3).
 *
 * Threads    One owner.
 */
#ifndef MONITOR_OVERLAP_H
#define MONITOR_OVERLAP_H

#include <stdbool.h>
#include <stdint.h>

#define OVERLAP_BUCKET_BYTES 65536u
#define OVERLAP_BUCKETS      1024u
/* Longer changes are not counted per bucket. */
#define OVERLAP_BUCKETS_MAX 64u

struct overlap {
	uint32_t wide_count;
	uint16_t buckets[OVERLAP_BUCKETS]; /* changes, by place */
};

void overlap_add(struct overlap *overlap, uint64_t offset_bytes,
		 uint64_t bytes);
void overlap_remove(struct overlap *overlap, uint64_t offset_bytes,
		    uint64_t bytes);

/* False: none of the changes added touches these bytes. */
bool overlap_is_changing(const struct overlap *overlap, uint64_t offset_bytes,
			 uint64_t bytes);

/* The same for one that was added itself: no other one touches its bytes. */
bool overlap_is_possible(const struct overlap *overlap, uint64_t offset_bytes,
			 uint64_t bytes);

#endif
