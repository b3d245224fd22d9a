/* SPDX-License-Identifier: MIT */
#include "virtio/segments.h"

#include <errno.h>

#include "base/count.h"

uint64_t segments_bytes(const struct ring_segment *segments, uint32_t count)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count; i++)
		bytes += segments[i].bytes;
	return bytes;
}

/* Leave out the first `*skip_bytes`; what remains of it goes back there. */
static bool begins_later(const struct ring_segment *segment,
			 uint64_t *skip_bytes)
{
	if (*skip_bytes < segment->bytes)
		return false;
	*skip_bytes -= segment->bytes;
	return true;
}

int segments_read(struct guestmem *memory, const struct ring_segment *segments,
		  uint32_t count, uint64_t offset_bytes, void *to,
		  uint64_t bytes)
{
	uint8_t *at = to;

	for (uint32_t i = 0; i < count && bytes != 0; i++) {
		uint64_t part;

		if (begins_later(&segments[i], &offset_bytes))
			continue;
		part = min_u64(bytes, segments[i].bytes - offset_bytes);
		if (guestmem_read(memory, at, segments[i].gpa + offset_bytes,
				  part) < 0)
			return -EFAULT;
		offset_bytes = 0;
		at += part;
		bytes -= part;
	}
	return bytes == 0 ? 0 : -EFAULT;
}

int segments_write(struct guestmem *memory, const struct ring_segment *segments,
		   uint32_t count, uint64_t offset_bytes, const void *from,
		   uint64_t bytes)
{
	const uint8_t *at = from;

	for (uint32_t i = 0; i < count && bytes != 0; i++) {
		uint64_t part;

		if (begins_later(&segments[i], &offset_bytes))
			continue;
		part = min_u64(bytes, segments[i].bytes - offset_bytes);
		if (guestmem_write(memory, segments[i].gpa + offset_bytes, at,
				   part) < 0)
			return -EFAULT;
		offset_bytes = 0;
		at += part;
		bytes -= part;
	}
	return bytes == 0 ? 0 : -EFAULT;
}
