/* SPDX-License-Identifier: MIT */
/*
 * Checksum and segmentation offload between ports.
 *
 * A frame whose checksum or segmentation its sender left to others travels as
 * it is to a receiver that negotiated the same, and is finished here for one
 * that did not: offload_begin(), then offload_next() until it is false.
 *
 * Trust      Offsets, sizes and headers are the sender's, and hostile.
 *            offload_check() comes first; nothing here believes a length that
 *            it has not compared with the frame's.
 * Threads    No state but the caller's.
 * Source     virtio 1.2, 5.1.6.2 (fields); RFC 768, 791, 8200, 9293 (headers);
 *            RFC 3168, 6.1.2 (CWR on the first segment only).
 */
#ifndef NET_SWITCH_OFFLOAD_H
#define NET_SWITCH_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "net/switch/ethernet.h"

/* More pieces than a sender with a sane segment size needs are refused: a
 * segment of one byte would make 65,000 frames of one. */
#define OFFLOAD_PIECES_MAX 128u

/* What a receiver takes unfinished. */
struct offload_features {
	bool checksum; /* GUEST_CSUM */
	bool tso4;
	bool tso6;
	bool ecn;
	bool uso4;
	bool uso6;
};

/*
 * Is what the virtio-net header says of this parsed frame possible? Sizes and
 * offsets are compared and, for a frame to be cut, its headers. What nobody
 * asked for, or only the sender knows, is taken out of the header: the receiver
 * is told nothing that was not checked.
 *
 * -EBADMSG  no; drop it
 */
int offload_check(struct frame *frame);

/* True when the receiver takes the frame as it is. */
bool offload_passes(const struct frame *frame,
		    const struct offload_features *features);

/* A frame on its way out: rewritten headers, then bytes of the sender's. */
struct offload_piece {
	uint8_t head[FRAME_HEAD_MAX];
	uint32_t head_bytes;
	const uint8_t *data; /* inside the frame's bytes */
	uint32_t data_bytes;
};

struct offload_cut {
	const struct frame *frame;
	uint32_t head_bytes;
	uint32_t at;   /* where the data of the next piece begins */
	uint32_t step; /* bytes of data in a piece */
	uint32_t index;
};

/* Begin to finish a frame that offload_check() passed. */
void offload_begin(struct offload_cut *cut, const struct frame *frame);

/* The next piece, with lengths and checksums; false when there is none. */
bool offload_next(struct offload_cut *cut, struct offload_piece *ret_piece);

#endif
