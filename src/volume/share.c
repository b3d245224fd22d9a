/* SPDX-License-Identifier: MIT */
#include "volume/share.h"

#include <stddef.h>

static bool reaches(const struct share_range *range, uint64_t offset_bytes)
{
	return offset_bytes >= range->offset_bytes &&
	       offset_bytes - range->offset_bytes < range->length_bytes;
}

static bool overlaps(const struct share_range *a, const struct share_range *b)
{
	return a->length_bytes && b->length_bytes &&
	       (reaches(a, b->offset_bytes) || reaches(b, a->offset_bytes));
}

bool share_take(struct share *share, struct share_range *range)
{
	range->waits_for = 0;
	for (const struct share_range *other = share->first; other;
	     other = other->next)
		range->waits_for += overlaps(other, range);
	range->next = NULL;
	range->previous = share->last;
	if (share->last)
		share->last->next = range;
	else
		share->first = range;
	share->last = range;
	return range->waits_for == 0;
}

static void unlink_range(struct share *share, struct share_range *range)
{
	if (range->previous)
		range->previous->next = range->next;
	else
		share->first = range->next;
	if (range->next)
		range->next->previous = range->previous;
	else
		share->last = range->previous;
}

struct share_range *share_release(struct share *share,
				  struct share_range *range)
{
	struct share_range *freed = NULL, **end = &freed;

	for (struct share_range *other = range->next; other;
	     other = other->next) {
		if (!overlaps(range, other) || --other->waits_for)
			continue;
		other->next_freed = NULL;
		*end = other;
		end = &other->next_freed;
	}
	unlink_range(share, range);
	return freed;
}

bool share_is_awaited(const struct share_range *range)
{
	const struct share_range *other = range->next;

	while (other && !overlaps(range, other))
		other = other->next;
	return other != NULL;
}
