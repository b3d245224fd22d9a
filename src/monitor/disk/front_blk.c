/* SPDX-License-Identifier: MIT */
/* virtio-blk in front of one disk. */
#include <errno.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include "channel/disk_request.h"
#include "monitor/disk/table.h"

/* Most segments of a request that the driver is told of. */
#define SEGMENTS_MAX 126
/* Bounds that keep one request from occupying a service for long. */
#define DISCARD_MAX (1u << 30)
#define ZEROES_MAX  (32u << 20)

static void fill_shape(struct front *front, const struct disk *disk)
{
	const struct monitor_disk *settings = &disk->settings;
	bool is_writable = !settings->read_only;

	front->shape = (struct blk_disk){
		.capacity_bytes = settings->size_bytes,
		.block_bytes = settings->logical_block_bytes,
		.physical_block_bytes = settings->physical_block_bytes,
		.max_discard_bytes = is_writable ? DISCARD_MAX : 0,
		.max_write_zeroes_bytes = is_writable ? ZEROES_MAX : 0,
		.discard_alignment_bytes = settings->physical_block_bytes,
		.max_segments = SEGMENTS_MAX,
		.queue_count = (uint16_t)settings->queue_count,
		.is_read_only = !is_writable,
		.zeroing_may_unmap = true,
	};
	memcpy(front->shape.id, settings->serial, sizeof(front->shape.id));
}

/* Requests. -------------------------------------------------------------- */

static const uint16_t ops[] = {
	[BLK_READ] = DISK_READ,
	[BLK_WRITE] = DISK_WRITE,
	[BLK_DISCARD] = DISK_DISCARD,
	[BLK_WRITE_ZEROES] = DISK_WRITE_ZEROES,
};

static const uint8_t classes[] = {
	[BLK_READ] = REQUEST_READ,           [BLK_WRITE] = REQUEST_CHANGE,
	[BLK_FLUSH] = REQUEST_FLUSH,         [BLK_DISCARD] = REQUEST_CHANGE,
	[BLK_WRITE_ZEROES] = REQUEST_CHANGE,
};

static const uint8_t directions[] = {
	[BLK_READ] = REQUEST_DATA_IN,
	[BLK_WRITE] = REQUEST_DATA_OUT,
	[BLK_WRITE_ZEROES] = REQUEST_NO_DATA,
};

/* Without FLUSH the driver takes every answered write for durable. */
static bool is_promise(const struct front *front, enum blk_operation operation)
{
	if (operation == BLK_FLUSH)
		return true;
	return (operation == BLK_WRITE || operation == BLK_WRITE_ZEROES) &&
	       !(front->features & 1ull << VIRTIO_BLK_F_FLUSH);
}

static struct request *add(struct front_queue *queue, uint16_t head,
			   const struct blk_request *blk)
{
	struct front *front = queue->front;
	uint8_t direction = directions[blk->operation];
	const struct work work = {
		.offset_bytes = blk->offset_bytes,
		.bytes = blk->bytes,
		.data_bytes = direction == REQUEST_NO_DATA ? 0 : blk->bytes,
		.segments = blk->segments,
		.segment_count = blk->segment_count,
		.data_count = (uint16_t)blk->segment_count,
		.status_gpa = blk->status_gpa,
		.op = ops[blk->operation],
		.flags = blk->may_unmap ? DISK_FLAG_UNMAP : 0,
		.class = classes[blk->operation],
		.direction = direction,
		.is_promised = is_promise(front, blk->operation),
	};

	if (local_read(front->disks[0], queue, &work)) {
		queue_push(queue, head,
			   blk_answer(&front->memory, blk->status_gpa,
				      work.data_bytes, VIRTIO_BLK_S_OK));
		return NULL;
	}
	return table_add(queue, front->disks[0], head, &work);
}

/* A request that never reaches the table: bad, or answered from here. */
static void answer_at_once(struct front_queue *queue, uint16_t head,
			   const struct blk_request *blk, int error)
{
	struct front *front = queue->front;
	struct disk_counters *counters = &front->disks[0]->counters;
	uint32_t written = 0;

	if (error == 0)
		written = blk_answer_id(&front->shape, &front->memory, blk);
	else if (error == -EIO)
		written = blk_answer(&front->memory, blk->status_gpa, 0,
				     VIRTIO_BLK_S_IOERR);
	else if (error == -ENOTSUP)
		written = blk_answer(&front->memory, blk->status_gpa, 0,
				     VIRTIO_BLK_S_UNSUPP);
	counters->violations += error == -EIO || error == -EBADMSG;
	counters->errors += error != 0;
	counters->others += error == 0;
	queue_push(queue, head, written);
}

static struct request *accept(struct front_queue *queue,
			      const struct ring_chain *chain)
{
	struct front *front = queue->front;
	struct blk_request blk;
	int r;

	r = blk_decode(&front->shape, &front->memory, chain, &blk);
	/* Only a record of an earlier life can hold more than we ever take. */
	if (r == 0 && blk.segment_count > REQUEST_SEGMENTS &&
	    !front_has_room(front))
		r = -EIO;
	if (r == 0 && blk.operation != BLK_GET_ID)
		return add(queue, chain->head, &blk);
	answer_at_once(queue, chain->head, &blk, r);
	return NULL;
}

static uint8_t status_of(int error)
{
	if (error == 0)
		return VIRTIO_BLK_S_OK;
	return error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static uint32_t answer(struct request *request)
{
	const struct work *work = &request->work;
	bool has_read =
		request->error == 0 && work->direction == REQUEST_DATA_IN;

	return blk_answer(&request->queue->front->memory, work->status_gpa,
			  has_read ? work->data_bytes : 0,
			  status_of(request->error));
}

static const struct front_ops blk_ops = {
	.accept = accept,
	.answer = answer,
	.device = &blk_device_ops,
	.virtio_id = VIRTIO_ID_BLOCK,
};

/* The device. -------------------------------------------------------------- */

static uint64_t offer_features(void *device)
{
	const struct front *front = device;

	return blk_features(&front->shape);
}

static size_t fill_config(void *device, uint8_t *space, size_t room_bytes)
{
	const struct front *front = device;
	struct virtio_blk_config config;

	blk_fill_config(&front->shape, &config);
	if (room_bytes > sizeof(config))
		room_bytes = sizeof(config);
	memcpy(space, &config, room_bytes);
	return room_bytes;
}

int front_init_blk(struct front *front, struct disk *disk)
{
	int r = front_open(front, &blk_ops, disk->settings.queue_count,
			   SPILL_BLOCKS);

	if (r < 0)
		return r;
	front_add(front, disk);
	fill_shape(front, disk);
	return 0;
}

const struct virtio_device_ops blk_device_ops = {
	.features = offer_features,
	.set_features = front_set_features,
	.queue_start = front_queue_start,
	.queue_stop = front_queue_stop,
	.queue_call = front_queue_call,
	.config = fill_config,
	.reset = front_reset,
	.detach = front_detach,
	.memory_changed = front_memory_changed,
	.inflight_create = front_inflight_create,
	.inflight_set = front_inflight_set,
};
