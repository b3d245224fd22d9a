/* SPDX-License-Identifier: MIT */
/*
 * Checksum and segmentation offload between ports.
 *
 * A frame whose sender offloaded checksum or segmentation passes unchanged to a
 * receiver that negotiated the same offloads, and is completed here for one
 * that did not: offload_begin(), then offload_next() until it returns false.
 *
 * Trust      Offsets, sizes and headers are the sender's, and hostile.
 *            offload_check() comes first; no length is used before it has been
 *            compared with the frame's.
 * Threads    No state but the caller's.
 * Source     virtio 1.2, 5.1.6.2 (fields); RFC 768, 791, 8200, 9293 (headers);
 *            RFC 3168, 6.1.2 (CWR on the first segment only).
 */
#ifndef NET_SWITCH_OFFLOAD_H
#define NET_SWITCH_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "net/switch/ethernet.h"

/* An upper limit for any sane segment size: segments of one byte would turn one
 * frame into 65,000. */
#define OFFLOAD_SEGMENTS_MAX 128u

/* The offloads that a receiver negotiated. */
struct offload_features {
	bool checksum; /* GUEST_CSUM */
	bool tso4;
	bool tso6;
	bool ecn;
	bool uso4;
	bool uso6;
};

/*
 * Validate the virtio-net header of this parsed frame: sizes and offsets and,
 * for a frame to be segmented, its protocol headers. Fields that are not
 * needed, or cannot be checked, are cleared: the receiver sees nothing that was
 * not checked.
 *
 * -EBADMSG  invalid; drop it
 */
int offload_check(struct frame *frame);

/* True when the receiver accepts the frame unchanged. */
bool offload_passes(const struct frame *frame,
		    const struct offload_features *features);

/* A segment: rewritten headers, then bytes of the sender's frame. */
struct offload_segment {
	uint8_t head[FRAME_HEAD_MAX];
	uint32_t head_bytes;
	const uint8_t *data; /* inside the frame's bytes */
	uint32_t data_bytes;
};

struct segmentation {
	const struct frame *frame;
	uint32_t head_bytes;
	uint32_t at;   /* where the data of the next segment begins */
	uint32_t step; /* bytes of data in a segment */
	uint32_t index;
};

/* Begin to segment a frame that offload_check() accepted. */
void offload_begin(struct segmentation *segmentation,
		   const struct frame *frame);

/* The next segment, with lengths and checksums; false when there is none. */
bool offload_next(struct segmentation *segmentation,
		  struct offload_segment *ret_segment);

#endif
