/* SPDX-License-Identifier: MIT */
/* The guest's side of a disk: what its transport asks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "monitor/disk/table.h"

/* Most segments of a request that the driver is told of. */
#define SEGMENTS_MAX 126
/* Bounds that keep one request from occupying a service for long. */
#define DISCARD_MAX (1u << 30)
#define ZEROES_MAX  (32u << 20)

static void fill_shape(struct disk *disk)
{
	const struct monitor_disk *settings = &disk->settings;
	bool is_writable = !settings->read_only;

	disk->shape = (struct blk_disk){
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
	memcpy(disk->shape.id, settings->serial, sizeof(disk->shape.id));
}

static bool is_block_size(uint32_t bytes)
{
	return bytes >= DISK_BLOCK_BYTES_MIN && bytes <= DISK_BLOCK_BYTES_MAX &&
	       (bytes & (bytes - 1)) == 0;
}

static bool is_possible(const struct monitor_disk *settings)
{
	return settings->queue_count >= 1 &&
	       settings->queue_count <= QUEUE_COUNT_MAX &&
	       is_block_size(settings->logical_block_bytes) &&
	       is_block_size(settings->physical_block_bytes) &&
	       settings->physical_block_bytes >=
		       settings->logical_block_bytes &&
	       settings->size_bytes >= settings->logical_block_bytes &&
	       settings->size_bytes <= DISK_BYTES_MAX &&
	       settings->size_bytes % settings->logical_block_bytes == 0 &&
	       settings->hang_ms >= HANG_MS_MIN &&
	       settings->hang_ms <= HANG_MS_MAX &&
	       settings->outage < OUTAGE_COUNT;
}

int disk_init(struct disk *disk, const struct monitor_disk *settings,
	      const struct disk_ops *ops)
{
	memset(disk, 0, sizeof(*disk));
	disk->lane.kick_fd = disk->lane.call_fd = NO_FD;
	if (!is_possible(settings))
		return -EINVAL;
	disk->settings = *settings;
	disk->ops = *ops;
	fill_shape(disk);
	guestmem_init(&disk->memory);
	for (uint16_t i = 0; i < QUEUE_COUNT_MAX; i++) {
		disk->queues[i].disk = disk;
		disk->queues[i].index = i;
		virtqueue_init(&disk->queues[i].vq, &disk->memory,
			       &disk->transport);
	}
	disk->scratch = calloc(RING_CHAIN_MAX, sizeof(*disk->scratch));
	disk->now_ns = clock_now_ns();
	/* Waiting for the first service is held to the same policy. */
	disk->lost_ns = disk->now_ns;
	return disk->scratch ? table_open(disk) : -ENOMEM;
}

static uint64_t offer_features(void *device)
{
	const struct disk *disk = device;

	return blk_features(&disk->shape);
}

static int set_features(void *device, uint64_t features)
{
	struct disk *disk = device;

	disk->features = features;
	return 0;
}

static uint16_t kept_heads(const struct disk_queue *queue, uint16_t *heads)
{
	uint16_t count = 0;

	for (uint16_t i = 0; i < queue->size; i++)
		if (queue->requests[i].state != REQUEST_FREE)
			heads[count++] = i;
	return count;
}

/* Requests of an earlier monitor: read them again. An error that its service
 * told it about a FLUSH may be lost, so they count as replayed. */
static void retake(struct disk_queue *queue, const uint16_t *heads,
		   uint16_t count)
{
	struct disk *disk = queue->disk;
	struct ring_chain chain;

	for (uint16_t i = 0; i < count; i++) {
		if (ring_retake(&queue->vq.ring, &disk->memory, heads[i],
				disk->scratch, RING_CHAIN_MAX, &chain) < 0)
			disk->counters.violations++;
		else if (issue_accept(queue, &chain))
			disk->newest->is_replayed = true;
	}
}

/* A ring that goes on keeps its requests; any other has none of this life. */
static int place_queue(struct disk_queue *queue,
		       const struct virtio_queue_place *place,
		       bool *ret_goes_on)
{
	int r = virtqueue_place(&queue->vq, place, ret_goes_on);

	if (r < 0 || *ret_goes_on)
		return r;
	table_discard(queue);
	return table_allocate(queue, place->size);
}

static int start_queue(void *device, uint32_t index,
		       const struct virtio_queue_place *place)
{
	struct disk *disk = device;
	struct disk_queue *queue = &disk->queues[index];
	uint16_t heads[RING_SIZE_MAX];
	uint16_t count = 0;
	bool was_used = queue->vq.ring.next_used != 0 || disk->told_on == queue;
	bool has_gone_on;
	int r;

	r = place_queue(queue, place, &has_gone_on);
	if (r == 0)
		r = inflight_recover(&queue->inflight, &disk->region,
				     (uint16_t)index, &queue->vq.ring, heads,
				     &count);
	if (r < 0)
		return r;
	if (has_gone_on)
		count = kept_heads(queue, heads);
	else if (disk->saved_count > 0)
		count = saved_heads(queue, heads);
	r = virtqueue_serve(&queue->vq, place, disk->features, heads, count);
	if (r < 0)
		return r;
	/* Rings begin at zero, and go on anywhere else. */
	if (was_used && queue->vq.ring.next_used == 0 && count == 0)
		flush_begin_life(disk);
	/* What was saved is taken up in the order of all queues, later. */
	if (!has_gone_on && disk->saved_count == 0)
		retake(queue, heads, count);
	else if (has_gone_on && queue_is_live(queue))
		table_push_done(queue);
	table_rewind(disk);
	disk->is_blocked = false;
	disk_signal(disk);
	return 0;
}

static uint16_t stop_queue(void *device, uint32_t index)
{
	struct disk *disk = device;

	return virtqueue_stop(&disk->queues[index].vq);
}

static void set_call(void *device, uint32_t index,
		     const struct virtio_queue_place *place)
{
	struct disk *disk = device;

	virtqueue_call(&disk->queues[index].vq, place);
}

static size_t fill_config(void *device, uint8_t *space, size_t room_bytes)
{
	const struct disk *disk = device;
	struct virtio_blk_config config;

	blk_fill_config(&disk->shape, &config);
	if (room_bytes > sizeof(config))
		room_bytes = sizeof(config);
	memcpy(space, &config, room_bytes);
	return room_bytes;
}

static int create_region(void *device, uint16_t queue_count,
			 uint16_t queue_size, int *ret_fd, uint64_t *ret_bytes)
{
	*ret_bytes = inflight_region_bytes(queue_count, queue_size);
	return inflight_region_create(queue_count, queue_size, ret_fd);
}

static int set_region(void *device, int fd,
		      const struct virtio_inflight_place *place)
{
	struct disk *disk = device;

	for (uint32_t i = 0; i < disk->settings.queue_count; i++) {
		if (disk->queues[i].vq.is_served)
			return -EBUSY;
		disk->queues[i].inflight = (struct inflight){ 0 };
	}
	inflight_region_release(&disk->region);
	return inflight_region_map(&disk->region, fd, place->offset_bytes,
				   place->bytes, place->queue_count,
				   place->queue_size);
}

static void forget_life(struct disk *disk)
{
	for (uint32_t i = 0; i < QUEUE_COUNT_MAX; i++) {
		table_discard(&disk->queues[i]);
		virtqueue_init(&disk->queues[i].vq, &disk->memory,
			       &disk->transport);
		disk->queues[i].inflight = (struct inflight){ 0 };
	}
	inflight_region_release(&disk->region);
	saved_forget(disk);
	disk->features = 0;
}

void disk_release(struct disk *disk)
{
	forget_life(disk);
	lane_close(&disk->lane);
	table_close(disk);
	free(disk->scratch);
	disk->scratch = NULL;
}

static void reset(void *device)
{
	struct disk *disk = device;

	inflight_region_clear(&disk->region);
	forget_life(disk);
	flush_begin_life(disk);
}

static void detach(void *device)
{
	struct disk *disk = device;

	forget_life(disk);
	disk->memory_bytes = 0;
	disk->settled_ns = 0;
}

const struct virtio_device_ops disk_device_ops = {
	.features = offer_features,
	.set_features = set_features,
	.queue_start = start_queue,
	.queue_stop = stop_queue,
	.queue_call = set_call,
	.config = fill_config,
	.reset = reset,
	.detach = detach,
	.memory_changed = memory_changed,
	.inflight_create = create_region,
	.inflight_set = set_region,
};
