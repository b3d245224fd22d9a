/* SPDX-License-Identifier: MIT */
#include "virtio/balloon.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <stddef.h>
#include <string.h>

#include "base/count.h"
#include "virtio/segments.h"

enum {
	INFLATE,
	DEFLATE,
	REPORTING_COMPACT, /* by drivers that leave out what is not there */
	REPORTING = 4,
};

/* Page numbers taken together: as many as Linux puts into one chain. */
#define BATCH_PAGES 256
/* One call of give_back(): bounds how long page faults have to wait. */
#define RANGE_BYTES_MAX (8ull << 20)

struct batch {
	uint32_t count;
	uint32_t pages[BATCH_PAGES];
};

/* The part of a range that is whole pages. Memory that is reserved is not to be
 * had again for certain, and a guest that touches what is gone would end: it
 * keeps what it gives back. */
static void give_range(struct virtio_balloon *balloon, gpa_t gpa,
		       uint64_t bytes)
{
	gpa_t first, end;

	if (guestmem_check(balloon->small.memory, gpa, bytes) < 0) {
		balloon->refused_count++;
		return;
	}
	first = align_up_u64(gpa, VIRTIO_BALLOON_PAGE_BYTES);
	end = (gpa + bytes) & ~(VIRTIO_BALLOON_PAGE_BYTES - 1ull);
	if (first >= end || balloon->is_reserved)
		return;
	balloon->ops.give_back(balloon->ops.context, first, end - first);
	balloon->given_bytes += end - first;
}

/* Shell's sort. The C library's asks the system how much memory there is,
 * which a monitor may not. */
static void sort_pages(uint32_t *pages, uint32_t count)
{
	static const uint32_t gaps[] = { 132, 57, 23, 10, 4, 1 };

	for (uint32_t g = 0; g < ARRAY_COUNT(gaps); g++) {
		uint32_t gap = gaps[g];

		for (uint32_t i = gap; i < count; i++) {
			uint32_t page = pages[i], at = i;

			for (; at >= gap && pages[at - gap] > page; at -= gap)
				pages[at] = pages[at - gap];
			pages[at] = page;
		}
	}
}

/* Runs of neighbours become one range each. */
static void give_batch(struct virtio_balloon *balloon, struct batch *batch)
{
	uint32_t begin = 0;

	sort_pages(batch->pages, batch->count);
	for (uint32_t i = 1; i <= batch->count; i++) {
		uint32_t last = batch->pages[i - 1];

		if (i < batch->count && batch->pages[i] - last <= 1)
			continue;
		give_range(balloon,
			   (gpa_t)batch->pages[begin] *
				   VIRTIO_BALLOON_PAGE_BYTES,
			   (last - batch->pages[begin] + 1ull) *
				   VIRTIO_BALLOON_PAGE_BYTES);
		begin = i;
	}
}

/* The next page numbers of an inflating chain; none is left: false. */
static bool read_batch(struct virtio_balloon *balloon, struct batch *ret_batch)
{
	struct virtio_small_queue *queue = &balloon->small.queues[INFLATE];
	const struct ring_chain *chain = &queue->chain;
	uint64_t all = segments_bytes(chain->segments, chain->readable_count);
	uint64_t bytes;

	if (queue->done_bytes >= all)
		return false;
	bytes = min_u64(all - queue->done_bytes, sizeof(ret_batch->pages));
	bytes -= bytes % sizeof(ret_batch->pages[0]);
	if (bytes == 0 ||
	    segments_read(balloon->small.memory, chain->segments,
			  chain->readable_count, queue->done_bytes,
			  ret_batch->pages, bytes) < 0)
		return false;
	queue->done_bytes += bytes;
	ret_batch->count = (uint32_t)(bytes / sizeof(ret_batch->pages[0]));
	return true;
}

static void inflate(struct virtio_balloon *balloon)
{
	struct virtio_small_queue *queue = &balloon->small.queues[INFLATE];
	uint32_t chains = 0, pages = 0;
	struct batch batch;

	while (chains < VIRTIO_BALLOON_TURN_CHAINS &&
	       pages < VIRTIO_BALLOON_TURN_PAGES &&
	       virtio_small_take(queue) == 0) {
		if (read_batch(balloon, &batch)) {
			give_batch(balloon, &batch);
			pages += batch.count;
			continue;
		}
		virtio_small_answer(queue, 0);
		chains++;
	}
	if (queue->has_chain)
		virtqueue_poke(&queue->vq);
	virtio_small_come_back(queue);
}

/* Pages come back when they are touched. */
static void deflate(struct virtio_balloon *balloon)
{
	struct virtio_small_queue *queue = &balloon->small.queues[DEFLATE];

	for (int i = 0; i < VIRTIO_BALLOON_TURN_CHAINS; i++) {
		if (virtio_small_take(queue) < 0)
			break;
		virtio_small_answer(queue, 0);
	}
	virtio_small_come_back(queue);
}

/* The segment at the chain's done_bytes, less what is done of it. */
static bool next_piece(const struct virtio_small_queue *queue,
		       struct ring_segment *ret_piece)
{
	const struct ring_chain *chain = &queue->chain;
	uint64_t skip = queue->done_bytes;

	for (uint32_t i = 0; i < chain->writable_count; i++) {
		const struct ring_segment *segment =
			&chain->segments[chain->readable_count + i];

		if (skip >= segment->bytes) {
			skip -= segment->bytes;
			continue;
		}
		ret_piece->gpa = segment->gpa + skip;
		ret_piece->bytes = (uint32_t)min_u64(segment->bytes - skip,
						     RANGE_BYTES_MAX);
		return true;
	}
	return false;
}

/* 5.5.6.7: the segments are the free memory. */
static void take_report(struct virtio_balloon *balloon, uint32_t index)
{
	struct virtio_small_queue *queue = &balloon->small.queues[index];
	uint64_t budget_bytes = VIRTIO_BALLOON_TURN_BYTES;
	struct ring_segment piece;

	while (budget_bytes > 0 && virtio_small_take(queue) == 0) {
		if (next_piece(queue, &piece)) {
			give_range(balloon, piece.gpa, piece.bytes);
			queue->done_bytes += piece.bytes;
		} else {
			virtio_small_answer(queue, 0);
			piece.bytes = VIRTIO_BALLOON_TURN_BYTES /
				      VIRTIO_BALLOON_TURN_CHAINS;
		}
		budget_bytes -= min_u64(budget_bytes, piece.bytes);
	}
	if (queue->has_chain)
		virtqueue_poke(&queue->vq);
	virtio_small_come_back(queue);
}

void virtio_balloon_serve(struct virtio_balloon *balloon)
{
	uint64_t features;

	pthread_mutex_lock(&balloon->small.lock);
	features = balloon->small.features;
	inflate(balloon);
	deflate(balloon);
	if (features >> VIRTIO_BALLOON_F_REPORTING & 1) {
		take_report(balloon, REPORTING_COMPACT);
		take_report(balloon, REPORTING);
	}
	pthread_mutex_unlock(&balloon->small.lock);
}

static uint64_t offer_features(void *device)
{
	const struct virtio_balloon *balloon = device;
	uint64_t features =
		VIRTIO_SMALL_FEATURES | 1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;

	if (!balloon->is_reserved)
		features |= 1ull << VIRTIO_BALLOON_F_REPORTING;
	return features;
}

static size_t fill_config(void *device, uint8_t *space, size_t room_bytes)
{
	struct virtio_balloon *balloon = device;
	struct virtio_balloon_config config = { 0 };
	size_t bytes = min_u64(room_bytes, sizeof(config));

	pthread_mutex_lock(&balloon->small.lock);
	config.num_pages = balloon->target_pages;
	config.actual = balloon->actual_pages;
	pthread_mutex_unlock(&balloon->small.lock);
	memcpy(space, &config, bytes);
	return bytes;
}

/* 5.5.4: only `actual` is the driver's, in one access or in several. */
static void write_config(void *device, uint32_t offset_bytes,
			 const uint8_t *bytes, uint32_t count)
{
	const uint32_t begin = offsetof(struct virtio_balloon_config, actual);
	struct virtio_balloon *balloon = device;
	uint8_t *actual = (uint8_t *)&balloon->actual_pages;

	pthread_mutex_lock(&balloon->small.lock);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = (uint64_t)offset_bytes + i;

		if (at >= begin && at - begin < sizeof(balloon->actual_pages))
			actual[at - begin] = bytes[i];
	}
	pthread_mutex_unlock(&balloon->small.lock);
	balloon->ops.changed(balloon->ops.context);
}

/* The target stays: the next driver finds it. */
static void reset(void *device)
{
	struct virtio_balloon *balloon = device;

	virtio_small_reset(device);
	pthread_mutex_lock(&balloon->small.lock);
	balloon->actual_pages = 0;
	pthread_mutex_unlock(&balloon->small.lock);
	balloon->ops.changed(balloon->ops.context);
}

const struct virtio_device_ops virtio_balloon_ops = {
	.features = offer_features,
	.set_features = virtio_small_set_features,
	.queue_start = virtio_small_queue_start,
	.queue_stop = virtio_small_queue_stop,
	.queue_call = virtio_small_queue_call,
	.config = fill_config,
	.config_write = write_config,
	.reset = reset,
};

void virtio_balloon_init(struct virtio_balloon *balloon,
			 struct guestmem *memory, bool is_reserved,
			 const struct virtio_balloon_handler *ops)
{
	memset(balloon, 0, sizeof(*balloon));
	virtio_small_init(&balloon->small, memory);
	balloon->is_reserved = is_reserved;
	balloon->ops = *ops;
}

void virtio_balloon_set_target(struct virtio_balloon *balloon, uint64_t bytes)
{
	struct virtio_transport transport;

	pthread_mutex_lock(&balloon->small.lock);
	balloon->target_pages = (uint32_t)min_u64(
		bytes / VIRTIO_BALLOON_PAGE_BYTES, UINT32_MAX);
	transport = balloon->small.transport;
	pthread_mutex_unlock(&balloon->small.lock);
	virtio_config_changed(&transport);
}

static uint64_t read_pages(struct virtio_balloon *balloon,
			   const uint32_t *number)
{
	uint64_t pages;

	pthread_mutex_lock(&balloon->small.lock);
	pages = *number;
	pthread_mutex_unlock(&balloon->small.lock);
	return pages * VIRTIO_BALLOON_PAGE_BYTES;
}

uint64_t virtio_balloon_refused(struct virtio_balloon *balloon)
{
	uint64_t count;

	pthread_mutex_lock(&balloon->small.lock);
	count = balloon->refused_count;
	pthread_mutex_unlock(&balloon->small.lock);
	return count;
}

uint64_t virtio_balloon_target_bytes(struct virtio_balloon *balloon)
{
	return read_pages(balloon, &balloon->target_pages);
}

uint64_t virtio_balloon_held_bytes(struct virtio_balloon *balloon)
{
	return read_pages(balloon, &balloon->actual_pages);
}
