/* SPDX-License-Identifier: MIT */
/*
 * Bytes scattered over segments of guest memory, addressed as one range.
 *
 * Trust      Segments come from a hostile guest: any address, any length.
 * Threads    As guestmem.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_SEGMENTS_H
#define VIRTIO_SEGMENTS_H

#include <stdint.h>

#include "virtio/ring.h"

/* Sum of the lengths; no overflow for RING_CHAIN_MAX segments. */
uint64_t segments_bytes(const struct ring_segment *segments, uint32_t count);

/*
 * Copy `bytes` at `offset_bytes` from the start of the segments.
 *
 * -EFAULT  beyond the segments, or not mapped guest memory
 */
int segments_read(struct guestmem *memory, const struct ring_segment *segments,
		  uint32_t count, uint64_t offset_bytes, void *to,
		  uint64_t bytes);
int segments_write(struct guestmem *memory, const struct ring_segment *segments,
		   uint32_t count, uint64_t offset_bytes, const void *from,
		   uint64_t bytes);

#endif
