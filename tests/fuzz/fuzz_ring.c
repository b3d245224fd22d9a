/* SPDX-License-Identifier: MIT */
/*
 * The input is guest memory, with a ring at its start: whatever a driver puts
 * there, walking it and decoding what comes out must end, stay in bounds, and
 * hand out no head twice.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fake_driver.h"
#include "virtio/blk.h"
#include "virtio/segments.h"

#define SIZE 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct blk_disk disk = {
	.capacity_bytes = 1 << 20,
	.block_bytes = 512,
	.physical_block_bytes = 512,
	.max_discard_bytes = 1 << 16,
	.max_write_zeroes_bytes = 1 << 16,
	.max_segments = 16,
	.queue_count = 1,
	.id = "fuzz",
};

static void insist(int condition)
{
	if (!condition)
		abort();
}

static uint32_t serve(struct guestmem *memory, const struct ring_chain *chain)
{
	static uint8_t buffer[4096];
	struct blk_request request;
	uint64_t part;
	int result = blk_decode(&disk, memory, chain, &request);

	if (result == -EBADMSG)
		return 0;
	if (result == -EIO)
		return blk_answer(memory, request.status_gpa, 0,
				  VIRTIO_BLK_S_IOERR);
	if (result == -ENOTSUP)
		return blk_answer(memory, request.status_gpa, 0,
				  VIRTIO_BLK_S_UNSUPP);
	if (request.operation == BLK_GET_ID)
		return blk_answer_id(&disk, memory, &request);
	insist(request.offset_bytes <= disk.capacity_bytes);
	insist(request.bytes <= disk.capacity_bytes - request.offset_bytes);
	part = request.bytes < sizeof(buffer) ? request.bytes : sizeof(buffer);
	if (request.operation == BLK_READ)
		insist(segments_write(memory, request.segments,
				      request.segment_count, 0, buffer,
				      part) == 0);
	if (request.operation == BLK_WRITE)
		insist(segments_read(memory, request.segments,
				     request.segment_count,
				     request.bytes - part, buffer, part) == 0);
	return blk_answer(memory, request.status_gpa,
			  request.operation == BLK_READ ? request.bytes : 0,
			  VIRTIO_BLK_S_OK);
}

static void walk(struct ring *ring, struct guestmem *memory)
{
	static struct ring_segment segments[RING_CHAIN_MAX];
	struct ring_chain chain;
	int taken = 0, result;

	while (taken++ < 100 &&
	       (result = ring_take(ring, memory, segments, RING_CHAIN_MAX,
				   &chain)) == 0) {
		insist(ring_is_out(ring, chain.head));
		insist(chain.readable_count + chain.writable_count <=
		       RING_CHAIN_MAX);
		if (taken % 3 == 0)
			continue; /* leave it out */
		ring_fill_used(ring, chain.head, serve(memory, &chain));
		ring_publish_used(ring);
		(void)ring_should_signal(ring);
	}
	insist(taken > 100 || result == -EAGAIN || ring->is_broken);
	insist(ring->out_count <= SIZE);
	(void)ring_want_kicks(ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct fake_driver driver;
	static struct guestmem memory;
	struct ring ring;
	uint64_t features;

	if (bytes < 1 || bytes > 1 << 16)
		return 0;
	if (!driver.host) {
		fake_driver_open(&driver, SIZE);
		fake_driver_map(&driver, &memory);
	}
	memset(driver.host, 0, 1 << 16);
	memcpy(driver.host, data + 1, bytes - 1);
	features = (uint64_t)data[0] << VIRTIO_RING_F_INDIRECT_DESC;
	ring_init(&ring);
	insist(ring_map(&ring, &memory, SIZE, &driver.addresses) == 0);
	insist(ring_start(&ring, features, NULL, 0) == 0);
	walk(&ring, &memory);
	return 0;
}
