/* SPDX-License-Identifier: MIT */
#include "virtio/blk.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "base/count.h"
#include "virtio/segments.h"

#define BIT(number) (1ull << (number))

/* What remains of a chain while its parts are cut off. */
struct part {
	struct ring_segment *segments;
	uint32_t count;
};

uint64_t blk_features(const struct blk_disk *disk)
{
	uint64_t features =
		BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
		BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_BLK_F_SEG_MAX) |
		BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_TOPOLOGY) |
		BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_MQ);

	if (disk->is_read_only)
		return features | BIT(VIRTIO_BLK_F_RO);
	if (disk->max_discard_bytes != 0)
		features |= BIT(VIRTIO_BLK_F_DISCARD);
	if (disk->max_write_zeroes_bytes != 0)
		features |= BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	return features;
}

/* The writeback byte stays 0: CONFIG_WCE is not offered. */
void blk_fill_config(const struct blk_disk *disk,
		     struct virtio_blk_config *ret_config)
{
	uint32_t ratio = disk->physical_block_bytes / disk->block_bytes;

	*ret_config = (struct virtio_blk_config){
		.capacity = disk->capacity_bytes / BLK_SECTOR_BYTES,
		.seg_max = disk->max_segments,
		.blk_size = disk->block_bytes,
		.physical_block_exp = (uint8_t)__builtin_ctz(ratio),
		.min_io_size = (uint16_t)ratio,
		.opt_io_size = disk->optimal_bytes / disk->block_bytes,
		.num_queues = disk->queue_count,
		.max_discard_sectors =
			disk->max_discard_bytes / BLK_SECTOR_BYTES,
		.max_discard_seg = disk->max_discard_bytes != 0,
		.discard_sector_alignment =
			disk->discard_alignment_bytes / BLK_SECTOR_BYTES,
		.max_write_zeroes_sectors =
			disk->max_write_zeroes_bytes / BLK_SECTOR_BYTES,
		.max_write_zeroes_seg = disk->max_write_zeroes_bytes != 0,
		.write_zeroes_may_unmap = disk->zeroing_may_unmap,
	};
}

/* Cut the last byte off: the status (5.2.6). */
static int cut_status(struct guestmem *memory, struct part *writable,
		      gpa_t *ret_gpa)
{
	struct ring_segment *last;

	if (writable->count == 0)
		return -EBADMSG;
	last = &writable->segments[writable->count - 1];
	*ret_gpa = last->gpa + (last->bytes - 1);
	if (guestmem_check(memory, *ret_gpa, 1) < 0)
		return -EBADMSG;
	if (--last->bytes == 0)
		writable->count--;
	return 0;
}

/* Cut the first 16 bytes off, from however many segments they are in. */
static int cut_header(struct guestmem *memory, struct part *readable,
		      struct virtio_blk_outhdr *ret_header)
{
	uint32_t left = sizeof(*ret_header);

	if (segments_read(memory, readable->segments, readable->count, 0,
			  ret_header, sizeof(*ret_header)) < 0)
		return -EIO;
	while (left != 0 && readable->segments->bytes <= left) {
		left -= readable->segments->bytes;
		readable->segments++;
		readable->count--;
	}
	if (left != 0) {
		readable->segments->gpa += left;
		readable->segments->bytes -= left;
	}
	return 0;
}

/* A range of whole blocks on the disk. */
static int place_on_disk(const struct blk_disk *disk, uint64_t sector,
			 uint64_t bytes, struct blk_request *request)
{
	uint64_t offset_bytes = sector * BLK_SECTOR_BYTES;

	if (sector > disk->capacity_bytes / BLK_SECTOR_BYTES || bytes == 0 ||
	    bytes > disk->capacity_bytes - offset_bytes)
		return -EIO;
	if (((offset_bytes | bytes) & (disk->block_bytes - 1)) != 0)
		return -EIO;
	request->offset_bytes = offset_bytes;
	request->bytes = bytes;
	return 0;
}

static int take_data(struct guestmem *memory, const struct part *data,
		     struct blk_request *request)
{
	for (uint32_t i = 0; i < data->count; i++)
		if (guestmem_check(memory, data->segments[i].gpa,
				   data->segments[i].bytes) < 0)
			return -EIO;
	request->segments = data->segments;
	request->segment_count = data->count;
	request->bytes = segments_bytes(data->segments, data->count);
	return 0;
}

static int decode_transfer(const struct blk_disk *disk, struct guestmem *memory,
			   const struct part *data, const struct part *other,
			   uint64_t sector, struct blk_request *request)
{
	if (other->count != 0 || take_data(memory, data, request) < 0)
		return -EIO;
	return place_on_disk(disk, sector, request->bytes, request);
}

/* One range per request: that is the limit the configuration states. */
static int decode_range(const struct blk_disk *disk, struct guestmem *memory,
			const struct part *readable, uint32_t allowed_flags,
			uint32_t max_bytes, struct blk_request *request)
{
	struct virtio_blk_discard_write_zeroes range;
	uint64_t bytes;

	if (max_bytes == 0)
		return -ENOTSUP;
	if (disk->is_read_only ||
	    segments_bytes(readable->segments, readable->count) !=
		    sizeof(range) ||
	    segments_read(memory, readable->segments, readable->count, 0,
			  &range, sizeof(range)) < 0)
		return -EIO;
	if ((range.flags & ~allowed_flags) != 0)
		return -ENOTSUP;
	bytes = (uint64_t)range.num_sectors * BLK_SECTOR_BYTES;
	if (bytes > max_bytes)
		return -EIO;
	request->may_unmap = range.flags != 0;
	return place_on_disk(disk, range.sector, bytes, request);
}

static int decode_body(const struct blk_disk *disk, struct guestmem *memory,
		       const struct virtio_blk_outhdr *header,
		       const struct part *readable, const struct part *writable,
		       struct blk_request *request)
{
	switch (header->type) {
	case VIRTIO_BLK_T_IN:
		request->operation = BLK_READ;
		return decode_transfer(disk, memory, writable, readable,
				       header->sector, request);
	case VIRTIO_BLK_T_OUT:
		request->operation = BLK_WRITE;
		if (disk->is_read_only)
			return -EIO;
		return decode_transfer(disk, memory, readable, writable,
				       header->sector, request);
	case VIRTIO_BLK_T_FLUSH:
		request->operation = BLK_FLUSH;
		return 0;
	case VIRTIO_BLK_T_GET_ID:
		request->operation = BLK_GET_ID;
		return take_data(memory, writable, request);
	case VIRTIO_BLK_T_DISCARD:
		request->operation = BLK_DISCARD;
		return decode_range(disk, memory, readable, 0,
				    disk->max_discard_bytes, request);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		request->operation = BLK_WRITE_ZEROES;
		return decode_range(disk, memory, readable,
				    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
				    disk->max_write_zeroes_bytes, request);
	default:
		return -ENOTSUP;
	}
}

int blk_decode(const struct blk_disk *disk, struct guestmem *memory,
	       const struct ring_chain *chain, struct blk_request *ret_request)
{
	struct part readable = { chain->segments, chain->readable_count };
	struct part writable = { chain->segments + chain->readable_count,
				 chain->writable_count };
	struct virtio_blk_outhdr header;

	*ret_request = (struct blk_request){ .operation = BLK_FLUSH };
	if (cut_status(memory, &writable, &ret_request->status_gpa) < 0)
		return -EBADMSG;
	if (cut_header(memory, &readable, &header) < 0)
		return -EIO;
	return decode_body(disk, memory, &header, &readable, &writable,
			   ret_request);
}

uint32_t blk_answer(struct guestmem *memory, gpa_t status_gpa,
		    uint64_t read_bytes, uint8_t status)
{
	if (guestmem_write(memory, status_gpa, &status, sizeof(status)) < 0)
		return 0;
	return (uint32_t)read_bytes + 1;
}

uint32_t blk_answer_id(const struct blk_disk *disk, struct guestmem *memory,
		       const struct blk_request *request)
{
	uint8_t status = VIRTIO_BLK_S_OK;

	if (segments_write(memory, request->segments, request->segment_count, 0,
			   disk->id,
			   min_u64(request->bytes, sizeof(disk->id))) < 0)
		status = VIRTIO_BLK_S_IOERR;
	return blk_answer(memory, request->status_gpa,
			  status == VIRTIO_BLK_S_OK ? request->bytes : 0,
			  status);
}
