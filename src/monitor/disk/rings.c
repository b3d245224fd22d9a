/* SPDX-License-Identifier: MIT */
/* What the transport asks of a front: rings that start and stop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/disk/table.h"

int front_set_features(void *device, uint64_t features)
{
	struct front *front = device;

	front->features = features;
	return 0;
}

static uint16_t kept_heads(const struct front_queue *queue, uint16_t *heads)
{
	uint16_t count = 0;

	for (uint16_t i = 0; i < queue->size; i++)
		if (queue->requests[i].state != REQUEST_FREE)
			heads[count++] = i;
	return count;
}

struct request *front_retake(struct front_queue *queue, uint16_t head)
{
	struct front *front = queue->front;
	struct ring_chain chain;
	struct request *request;

	if (ring_retake(&queue->vq.ring, &front->memory, head, front->scratch,
			RING_CHAIN_MAX, &chain) < 0) {
		front->disks[0]->counters.violations++;
		return NULL;
	}
	request = front->ops->accept(queue, &chain);
	if (request)
		request->is_replayed = true;
	return request;
}

/* A ring that goes on keeps its requests; any other has none of this life. */
static int place_queue(struct front_queue *queue,
		       const struct virtio_queue_place *place,
		       bool *ret_goes_on)
{
	int r = -EINVAL;

	if (place->size <= queue->front->queue_size_max)
		r = virtqueue_place(&queue->vq, place, ret_goes_on);
	if (r < 0 || *ret_goes_on)
		return r;
	table_discard(queue);
	return table_allocate(queue, place->size);
}

/* Rings begin at zero, and go on anywhere else. */
static void begin_life(struct front *front)
{
	for (uint32_t i = 0; i < front->disk_count; i++)
		flush_begin_life(front->disks[i]);
}

static bool was_told_on(const struct front_queue *queue)
{
	const struct front *front = queue->front;

	for (uint32_t i = 0; i < front->disk_count; i++)
		if (front->disks[i]->told_on == queue)
			return true;
	return false;
}

static int recover(struct front_queue *queue, bool has_gone_on, uint16_t *heads,
		   uint16_t *ret_count)
{
	struct front *front = queue->front;
	int r = inflight_recover(&queue->inflight, &front->region, queue->index,
				 &queue->vq.ring, heads, ret_count);

	if (r < 0)
		return r;
	if (has_gone_on)
		*ret_count = kept_heads(queue, heads);
	else if (front->saved_count > 0)
		*ret_count = saved_heads(queue, heads);
	return 0;
}

int front_queue_start(void *device, uint32_t index,
		      const struct virtio_queue_place *place)
{
	struct front *front = device;
	struct front_queue *queue = &front->queues[index];
	uint16_t heads[RING_SIZE_MAX];
	uint16_t count = 0;
	bool was_used = queue->vq.ring.next_used != 0 || was_told_on(queue);
	bool has_gone_on;
	int r;

	r = place_queue(queue, place, &has_gone_on);
	if (r == 0)
		r = recover(queue, has_gone_on, heads, &count);
	if (r == 0)
		r = virtqueue_serve(&queue->vq, place, front->features, heads,
				    count);
	if (r < 0)
		return r;
	if (was_used && queue->vq.ring.next_used == 0 && count == 0)
		begin_life(front);
	/* What was saved is taken up in the order of all queues, later. An
	 * error that an earlier monitor's service told it about a FLUSH may be
	 * lost, so requests that it had count as replayed. */
	if (!has_gone_on && front->saved_count == 0)
		for (uint16_t i = 0; i < count; i++)
			(void)front_retake(queue, heads[i]);
	front_resume(front);
	return 0;
}

uint16_t front_queue_stop(void *device, uint32_t index)
{
	struct front *front = device;

	return virtqueue_stop(&front->queues[index].vq);
}

void front_queue_call(void *device, uint32_t index,
		      const struct virtio_queue_place *place)
{
	struct front *front = device;

	virtqueue_call(&front->queues[index].vq, place);
}

int front_inflight_create(void *device, uint16_t queue_count,
			  uint16_t queue_size, int *ret_fd, uint64_t *ret_bytes)
{
	*ret_bytes = inflight_region_bytes(queue_count, queue_size);
	return inflight_region_create(queue_count, queue_size, ret_fd);
}

int front_inflight_set(void *device, int fd,
		       const struct virtio_inflight_place *place)
{
	struct front *front = device;

	for (uint32_t i = 0; i < front->queue_count; i++) {
		if (front->queues[i].vq.is_served)
			return -EBUSY;
		front->queues[i].inflight = (struct inflight){ 0 };
	}
	inflight_region_release(&front->region);
	return inflight_region_map(&front->region, fd, place->offset_bytes,
				   place->bytes, place->queue_count,
				   place->queue_size);
}

static void init_queue(struct front *front, uint32_t index)
{
	struct front_queue *queue = &front->queues[index];

	virtqueue_init(&queue->vq, &front->memory, &front->transport);
	queue->inflight = (struct inflight){ 0 };
	queue->front = front;
	queue->index = (uint16_t)index;
}

int front_open(struct front *front, const struct front_ops *ops,
	       uint32_t queue_count, uint32_t spill_count)
{
	memset(front, 0, sizeof(*front));
	front->ops = ops;
	front->queue_count = queue_count;
	front->queue_size_max = RING_SIZE_MAX;
	front->spill_count = spill_count;
	guestmem_init(&front->memory);
	for (uint32_t i = 0; i < FRONT_QUEUE_MAX; i++)
		init_queue(front, i);
	front->scratch = calloc(RING_CHAIN_MAX, sizeof(*front->scratch));
	return front->scratch ? table_open(front) : -ENOMEM;
}

void front_add(struct front *front, struct disk *disk)
{
	front->disks[front->disk_count++] = disk;
	disk->front = front;
}

static void forget_life(struct front *front)
{
	for (uint32_t i = 0; i < FRONT_QUEUE_MAX; i++) {
		table_discard(&front->queues[i]);
		init_queue(front, i);
	}
	inflight_region_release(&front->region);
	saved_forget(front);
	front->features = 0;
}

void front_release(struct front *front)
{
	if (!front->ops)
		return;
	forget_life(front);
	table_close(front);
	free(front->scratch);
	front->scratch = NULL;
	free(front->scsi.rows);
	front->scsi.rows = NULL;
	front->ops = NULL;
}

void front_reset(void *device)
{
	struct front *front = device;

	inflight_region_clear(&front->region);
	forget_life(front);
	begin_life(front);
}

void front_detach(void *device)
{
	struct front *front = device;

	forget_life(front);
	front->memory_bytes = 0;
	front->settled_ns = 0;
}
