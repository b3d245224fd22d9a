/* SPDX-License-Identifier: MIT */
#include "monitor/disk/table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK_BYTES (RING_CHAIN_MAX * sizeof(struct ring_segment))

static void *map(size_t bytes)
{
	void *place = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return place == MAP_FAILED ? NULL : place;
}

int table_open(struct front *front)
{
	/* Most of it is never touched, so it costs no memory. */
	front->spill = map(front->spill_count * BLOCK_BYTES);
	if (!front->spill)
		return -ENOMEM;
	for (uint32_t i = 0; i < front->spill_count; i++)
		front->free_spill[i] = (uint16_t)(front->spill_count - i);
	front->free_spill_count = front->spill_count;
	return 0;
}

void table_close(struct front *front)
{
	for (uint32_t i = 0; i < FRONT_QUEUE_MAX; i++)
		table_free(&front->queues[i]);
	if (front->spill)
		(void)munmap(front->spill, front->spill_count * BLOCK_BYTES);
	front->spill = NULL;
}

int table_allocate(struct front_queue *queue, uint16_t size)
{
	if (queue->requests && queue->size == size)
		return 0;
	table_free(queue);
	queue->requests = map(size * sizeof(struct request));
	if (!queue->requests)
		return -ENOMEM;
	queue->size = size;
	return 0;
}

void table_free(struct front_queue *queue)
{
	assert(queue->kept_count == 0);
	if (queue->requests)
		(void)munmap(queue->requests,
			     queue->size * sizeof(struct request));
	queue->requests = NULL;
	queue->size = 0;
}

static void note_change(struct disk *disk, const struct request *request,
			void (*note)(struct overlap *, uint64_t, uint64_t))
{
	if (request_is_change(request) && request->work.bytes > 0)
		note(&disk->overlap, request->work.offset_bytes,
		     request->work.bytes);
}

static void link_newest(struct disk *disk, struct request *request)
{
	request->older = disk->newest;
	request->newer = NULL;
	if (disk->newest)
		disk->newest->newer = request;
	else
		disk->oldest = request;
	disk->newest = request;
	disk->request_count++;
	note_change(disk, request, overlap_add);
	if (!disk->cursor)
		disk->cursor = request;
}

static void unlink_request(struct disk *disk, struct request *request)
{
	if (disk->cursor == request)
		disk->cursor = request->newer;
	if (request->older)
		request->older->newer = request->newer;
	else
		disk->oldest = request->newer;
	if (request->newer)
		request->newer->older = request->older;
	else
		disk->newest = request->older;
	disk->request_count--;
	note_change(disk, request, overlap_remove);
}

static bool is_linked(uint8_t state)
{
	return state != REQUEST_FREE && state != REQUEST_DONE;
}

static void return_spill(struct request *request)
{
	struct front *front = request->queue->front;

	if (request->spill != 0)
		front->free_spill[front->free_spill_count++] = request->spill;
	request->spill = 0;
}

/* A change that is given up without a service may be in the kernel still. */
static void note_stray(struct disk *disk, const struct request *request,
		       uint8_t before)
{
	if (!disk->lane.is_open && before != REQUEST_WITNESS &&
	    request_is_change(request))
		disk->local.has_strays = true;
}

void request_enter(struct request *request, enum request_state state)
{
	struct front_queue *queue = request->queue;
	struct disk *disk = request->disk;
	uint8_t before = request->state;

	disk->no_space_count -= before == REQUEST_NO_SPACE;
	disk->no_space_count += state == REQUEST_NO_SPACE;
	request->state = (uint8_t)state;
	if (before == REQUEST_FREE) {
		queue->kept_count++;
		link_newest(disk, request);
	} else if (is_linked(before) && !is_linked((uint8_t)state)) {
		unlink_request(disk, request);
		note_stray(disk, request, before);
		/* A command is answered through its segments. */
		if (!queue->front->ops->is_shared)
			return_spill(request);
	}
	if (state == REQUEST_FREE) {
		return_spill(request);
		queue->kept_count--;
	}
}

static struct ring_segment *take_spill(struct front *front,
				       struct request *request)
{
	assert(front_has_room(front));
	request->spill = front->free_spill[--front->free_spill_count];
	return front->spill + (size_t)(request->spill - 1) * RING_CHAIN_MAX;
}

/* Keep the segments: the chain's storage is about to be used again. */
static void keep_segments(struct request *request)
{
	struct ring_segment *room = request->segments;
	uint32_t count = request->work.segment_count;

	if (count > REQUEST_SEGMENTS)
		room = take_spill(request->queue->front, request);
	if (count > 0)
		memcpy(room, request->work.segments, count * sizeof(*room));
	request->work.segments = room;
}

struct request *table_add(struct front_queue *queue, struct disk *disk,
			  uint16_t head, const struct work *work)
{
	struct request *request = &queue->requests[head];

	assert(request->state == REQUEST_FREE);
	request->disk = disk;
	request->queue = queue;
	request->work = *work;
	request->head = head;
	request->deaths = 0;
	request->is_replayed = false;
	request->was_sent = false;
	request->is_cancelled = false;
	keep_segments(request);
	request_rewind(request);
	request_enter(request, REQUEST_ISSUING);
	return request;
}

void request_rewind(struct request *request)
{
	request->next_offset = 0;
	request->out_count = 0;
	request->error = 0;
	request->was_taken = false;
}

struct request *table_next(struct disk *disk)
{
	struct request *request = disk->cursor;

	while (request && (request->state != REQUEST_ISSUING ||
			   !queue_is_live(request->queue)))
		request = request->newer;
	disk->cursor = request;
	return request;
}

static void discard(struct request *request)
{
	struct disk *disk = request->disk;

	if (request->out_count > 0) {
		lane_forget(&disk->lane, request);
		disk->stale_ns = disk->now_ns;
	}
	disk->suspect_count -= request_is_suspect(request);
	request->deaths = 0;
	request_enter(request, REQUEST_FREE);
}

void table_discard(struct front_queue *queue)
{
	struct front *front = queue->front;

	for (uint16_t i = 0; i < queue->size && queue->kept_count > 0; i++)
		if (queue->requests[i].state != REQUEST_FREE)
			discard(&queue->requests[i]);
	for (uint32_t i = 0; i < front->disk_count; i++)
		flush_advance(front->disks[i]);
}
