/* SPDX-License-Identifier: MIT */
#include "monitor/table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int table_allocate(struct queue *queue, uint16_t size)
{
	size_t request_bytes = size * sizeof(struct request);
	size_t spill_bytes =
		(size_t)size * RING_CHAIN_MAX * sizeof(struct ring_segment);
	void *map;

	if (queue->requests && queue->size == size)
		return 0;
	table_free(queue);
	/* Most of the spill is never touched, so it costs no memory. */
	map = mmap(NULL, request_bytes + spill_bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -ENOMEM;
	queue->requests = map;
	queue->spill = (void *)((uint8_t *)map + request_bytes);
	queue->map_bytes = request_bytes + spill_bytes;
	queue->size = size;
	return 0;
}

void table_free(struct queue *queue)
{
	assert(queue->kept_count == 0);
	if (queue->requests)
		(void)munmap(queue->requests, queue->map_bytes);
	queue->requests = NULL;
	queue->spill = NULL;
	queue->size = 0;
}

static void note_change(struct disk *disk, const struct request *request,
			void (*note)(struct overlap *, uint64_t, uint64_t))
{
	if (request_is_change(request))
		note(&disk->overlap, request->blk.offset_bytes,
		     request->blk.bytes);
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

void request_enter(struct request *request, enum request_state state)
{
	struct queue *queue = request->queue;
	struct disk *disk = queue->disk;
	uint8_t before = request->state;

	disk->no_space_count -= before == REQUEST_NO_SPACE;
	disk->no_space_count += state == REQUEST_NO_SPACE;
	request->state = (uint8_t)state;
	if (before == REQUEST_FREE) {
		queue->kept_count++;
		link_newest(disk, request);
	} else if (is_linked(before) && !is_linked((uint8_t)state)) {
		unlink_request(disk, request);
	}
	if (state == REQUEST_FREE)
		queue->kept_count--;
}

/* Keep the segments: the chain's storage is about to be used again. */
static void keep_segments(struct queue *queue, struct request *request)
{
	struct ring_segment *room = request->segments;
	uint32_t count = request->blk.segment_count;

	if (count > REQUEST_SEGMENTS)
		room = queue->spill + (size_t)request->head * RING_CHAIN_MAX;
	if (count > 0)
		memcpy(room, request->blk.segments, count * sizeof(*room));
	request->blk.segments = room;
}

struct request *table_add(struct queue *queue, uint16_t head,
			  const struct blk_request *blk)
{
	struct request *request = &queue->requests[head];

	assert(request->state == REQUEST_FREE);
	request->queue = queue;
	request->blk = *blk;
	request->head = head;
	request->deaths = 0;
	request->is_replayed = false;
	keep_segments(queue, request);
	request_rewind(request);
	request_enter(request, REQUEST_ISSUING);
	return request;
}

void request_rewind(struct request *request)
{
	request->next_offset = 0;
	request->out_count = 0;
	request->error = 0;
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

void table_discard(struct queue *queue)
{
	struct disk *disk = queue->disk;

	for (uint16_t i = 0; i < queue->size && queue->kept_count > 0; i++) {
		struct request *request = &queue->requests[i];

		if (request->state == REQUEST_FREE)
			continue;
		if (request->out_count > 0) {
			lane_forget(&disk->lane, request);
			disk->stale_ns = disk->now_ns;
		}
		disk->suspect_count -= request_is_suspect(request);
		request->deaths = 0;
		request_enter(request, REQUEST_FREE);
	}
}
