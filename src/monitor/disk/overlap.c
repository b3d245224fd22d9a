/* SPDX-License-Identifier: MIT */
#include "monitor/disk/overlap.h"

/* Buckets from `first` on; 0: too many, the change is wide. */
struct span {
	uint64_t first;
	uint32_t count;
};

static struct span span_of(uint64_t offset_bytes, uint64_t bytes)
{
	struct span span = { .first = offset_bytes / OVERLAP_BUCKET_BYTES };
	uint64_t last;

	if (bytes == 0)
		bytes = 1;
	last = (offset_bytes + bytes - 1) / OVERLAP_BUCKET_BYTES;
	if (last - span.first < OVERLAP_BUCKETS_MAX)
		span.count = (uint32_t)(last - span.first) + 1;
	return span;
}

/* Requests are bounded by the rings: 8 of 1024, far below a bucket's 65535. */
static void change(struct overlap *overlap, struct span span, int by)
{
	if (span.count == 0)
		overlap->wide_count += (uint32_t)by;
	for (uint32_t i = 0; i < span.count; i++) {
		uint16_t *bucket =
			&overlap->buckets[(span.first + i) % OVERLAP_BUCKETS];

		*bucket = (uint16_t)(*bucket + by);
	}
}

void overlap_add(struct overlap *overlap, uint64_t offset_bytes, uint64_t bytes)
{
	change(overlap, span_of(offset_bytes, bytes), 1);
}

void overlap_remove(struct overlap *overlap, uint64_t offset_bytes,
		    uint64_t bytes)
{
	change(overlap, span_of(offset_bytes, bytes), -1);
}

static bool has_more_than(const struct overlap *overlap, uint64_t offset_bytes,
			  uint64_t bytes, uint16_t count)
{
	struct span span = span_of(offset_bytes, bytes);

	if (overlap->wide_count > 0 || span.count == 0)
		return true;
	for (uint32_t i = 0; i < span.count; i++)
		if (overlap->buckets[(span.first + i) % OVERLAP_BUCKETS] >
		    count)
			return true;
	return false;
}

bool overlap_is_changing(const struct overlap *overlap, uint64_t offset_bytes,
			 uint64_t bytes)
{
	return has_more_than(overlap, offset_bytes, bytes, 0);
}

bool overlap_is_possible(const struct overlap *overlap, uint64_t offset_bytes,
			 uint64_t bytes)
{
	return has_more_than(overlap, offset_bytes, bytes, 1);
}
