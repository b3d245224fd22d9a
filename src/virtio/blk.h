/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk (virtio 1.2, 5.2): decoding requests and writing their answers.
 * Framing is the driver's choice (2.7.4): header, data and status are found by
 * byte position, wherever segments begin and end.
 *
 * A decoded request is a private copy: only the data to be written is read from
 * the guest again, so a request can be replayed to a new service even if the
 * guest has overwritten its descriptors.
 *
 * Trust      The chain is a hostile guest's. An invalid request is answered
 *            with an error status, or with no status if it has no room for one;
 *            it affects no other guest.
 * Threads    As guestmem.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_blk.h>

#include "virtio/ring.h"

#define BLK_SECTOR_BYTES 512

/* The disk as the guest sees it. Sizes are multiples of block_bytes. */
struct blk_disk {
	uint64_t capacity_bytes;
	uint32_t block_bytes; /* logical: a power of two, 512 to 32768 */
	uint32_t physical_block_bytes; /* power of two, at least block_bytes */
	uint32_t optimal_bytes;        /* best transfer size; 0: unknown */
	uint32_t max_discard_bytes;    /* per request; 0: not supported */
	uint32_t max_write_zeroes_bytes; /* per request; 0: not supported */
	uint32_t discard_alignment_bytes;
	uint16_t max_segments; /* data segments of one request */
	uint16_t queue_count;
	bool is_read_only;
	bool zeroing_may_unmap;
	char id[VIRTIO_BLK_ID_BYTES]; /* zero padded, not terminated when full */
};

enum blk_operation {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH,
	BLK_DISCARD,
	BLK_WRITE_ZEROES,
	BLK_GET_ID,
};

struct blk_request {
	enum blk_operation operation;
	bool may_unmap;        /* BLK_WRITE_ZEROES */
	uint64_t offset_bytes; /* on the disk; checked against its capacity */
	uint64_t bytes;        /* on the disk; of data for BLK_GET_ID */
	gpa_t status_gpa;
	/* Data of READ, WRITE and GET_ID; inside the chain's storage: copy it
	 * before that is reused. */
	struct ring_segment *segments;
	uint32_t segment_count;
};

/*
 * The features to offer for this disk: VERSION_1, INDIRECT_DESC, EVENT_IDX and
 * those of virtio-blk that apply to it.
 */
uint64_t blk_features(const struct blk_disk *disk);

/* Fill the configuration space (5.2.4), whole. */
void blk_fill_config(const struct blk_disk *disk,
		     struct virtio_blk_config *ret_config);

/*
 * Decode a chain. The chain's segments are split in place.
 *
 * -EIO       a bad request: answer it with VIRTIO_BLK_S_IOERR
 * -ENOTSUP   answer it with VIRTIO_BLK_S_UNSUPP (both: *ret_request can be
 *            passed to blk_answer)
 * -EBADMSG   no status byte to answer in: push the chain with 0 bytes
 */
int blk_decode(const struct blk_disk *disk, struct guestmem *memory,
	       const struct ring_chain *chain, struct blk_request *ret_request);

/*
 * Write the status (VIRTIO_BLK_S_...) after the data, of which so many bytes
 * were written, and return the number of bytes written for the used ring.
 */
uint32_t blk_answer(struct guestmem *memory, gpa_t status_gpa,
		    uint64_t read_bytes, uint8_t status);

/* Execute and answer a BLK_GET_ID. Returns as blk_answer. */
uint32_t blk_answer_id(const struct blk_disk *disk, struct guestmem *memory,
		       const struct blk_request *request);

#endif
