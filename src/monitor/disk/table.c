/* SPDX-License-Identifier: MIT */
#include "monitor/disk/table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK_BYTES (RING_CHAIN_MAX * sizeof(struct ring_segment))
#define SPILL_BYTES (SPILL_BLOCKS * BLOCK_BYTES)

static void *map(size_t bytes)
{
	void *place = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return place == MAP_FAILED ? NULL : place;
}

int table_open(struct disk *disk)
{
	/* Most of it is never touched, so it costs no memory. */
	disk->spill = map(SPILL_BYTES);
	if (!disk->spill)
		return -ENOMEM;
	for (uint16_t i = 0; i < SPILL_BLOCKS; i++)
		disk->free_spill[i] = (uint16_t)(SPILL_BLOCKS - i);
	disk->free_spill_count = SPILL_BLOCKS;
	return 0;
}

void table_close(struct disk *disk)
{
	for (uint32_t i = 0; i < QUEUE_COUNT_MAX; i++)
		table_free(&disk->queues[i]);
	if (disk->spill)
		(void)munmap(disk->spill, SPILL_BYTES);
	disk->spill = NULL;
}

int table_allocate(struct disk_queue *queue, uint16_t size)
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

void table_free(struct disk_queue *queue)
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

/* Once the status is known the data is of no more interest. */
static void return_spill(struct disk *disk, struct request *request)
{
	if (request->spill != 0)
		disk->free_spill[disk->free_spill_count++] = request->spill;
	request->spill = 0;
}

void request_enter(struct request *request, enum request_state state)
{
	struct disk_queue *queue = request->queue;
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
		return_spill(disk, request);
	}
	if (state == REQUEST_FREE)
		queue->kept_count--;
}

static struct ring_segment *take_spill(struct disk *disk,
				       struct request *request)
{
	assert(table_has_room(disk));
	request->spill = disk->free_spill[--disk->free_spill_count];
	return disk->spill + (size_t)(request->spill - 1) * RING_CHAIN_MAX;
}

/* Keep the segments: the chain's storage is about to be used again. */
static void keep_segments(struct request *request)
{
	struct ring_segment *room = request->segments;
	uint32_t count = request->blk.segment_count;

	if (count > REQUEST_SEGMENTS)
		room = take_spill(request->queue->disk, request);
	if (count > 0)
		memcpy(room, request->blk.segments, count * sizeof(*room));
	request->blk.segments = room;
}

struct request *table_add(struct disk_queue *queue, uint16_t head,
			  const struct blk_request *blk)
{
	struct request *request = &queue->requests[head];

	assert(request->state == REQUEST_FREE);
	request->queue = queue;
	request->blk = *blk;
	request->head = head;
	request->deaths = 0;
	request->is_replayed = false;
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

void table_discard(struct disk_queue *queue)
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
	flush_advance(disk);
}
