/* SPDX-License-Identifier: MIT */
/*
 * Ranges of a volume that its clients change, each for itself: who wants bytes
 * that another holds, or has asked for earlier, waits for them.
 *
 * In the order of asking, so nobody starves; and nobody holds one range while
 * he waits for another, so nobody waits for ever.
 *
 * Pure. Nothing allocates: the caller has a range in each of its commands.
 *
 * Threads    One owner.
 */
#ifndef VOLUME_SHARE_H
#define VOLUME_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/* Belongs to the share from share_take() to share_release(). */
struct share_range {
	uint64_t offset_bytes;
	uint64_t length_bytes; /* its end may lie beyond every volume */
	uint32_t waits_for;    /* earlier ranges that overlap; 0: it holds */
	struct share_range *next;
	struct share_range *previous;
	struct share_range *next_freed;
};

/* Zeroed is empty. */
struct share {
	struct share_range *first; /* in the order of asking */
	struct share_range *last;
};

/* Ask for range->offset_bytes, length_bytes. True: it is held. */
bool share_take(struct share *share, struct share_range *range);

/* Give a range back, held or waiting. Those that are held because of it, in the
 * order of asking, linked by next_freed; NULL for none. */
struct share_range *share_release(struct share *share,
				  struct share_range *range);

/* Does anybody wait for it? */
bool share_is_awaited(const struct share_range *range);

#endif
