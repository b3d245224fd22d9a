/* SPDX-License-Identifier: MIT */
#include "virtio/console.h"

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <string.h>

#include "base/count.h"
#include "virtio/segments.h"

/* 5.3.2 */
enum { RECEIVE, TRANSMIT };

#define PIECE_BYTES 4096u

static uint64_t readable_bytes(const struct ring_chain *chain)
{
	return segments_bytes(chain->segments, chain->readable_count);
}

/*
 * Send the next piece of the chain. Returns how many bytes went, 0 when there
 * is no room. A chain that is not memory ends where memory ends.
 */
static uint64_t send_piece(struct virtio_console *console)
{
	struct virtio_small_queue *queue = &console->small.queues[TRANSMIT];
	const struct ring_chain *chain = &queue->chain;
	uint8_t piece[PIECE_BYTES];
	uint64_t left = readable_bytes(chain) - queue->done_bytes;
	uint64_t bytes = min_u64(left, sizeof(piece));

	if (segments_read(console->small.memory, chain->segments,
			  chain->readable_count, queue->done_bytes, piece,
			  bytes) < 0)
		bytes = left;
	else
		bytes = console->ops.put(console->ops.context, piece, bytes);
	queue->done_bytes += bytes;
	return bytes;
}

/* A kept chain may be shorter than when it was kept. */
static bool is_sent(const struct virtio_small_queue *queue)
{
	return queue->done_bytes >= readable_bytes(&queue->chain);
}

/* False when there was no room. */
static bool send_chain(struct virtio_console *console, uint64_t *budget_bytes)
{
	struct virtio_small_queue *queue = &console->small.queues[TRANSMIT];

	while (!is_sent(queue)) {
		uint64_t sent = *budget_bytes ? send_piece(console) : 0;

		if (sent == 0)
			return false;
		*budget_bytes -= min_u64(sent, *budget_bytes);
	}
	virtio_small_answer(queue, 0);
	return true;
}

static void send_all(struct virtio_console *console)
{
	struct virtio_small_queue *queue = &console->small.queues[TRANSMIT];
	uint64_t budget_bytes = VIRTIO_CONSOLE_TURN_BYTES;
	bool has_more, is_full;

	for (int i = 0; i < VIRTIO_CONSOLE_TURN_CHAINS; i++)
		if (virtio_small_take(queue) < 0 ||
		    !send_chain(console, &budget_bytes))
			break;
	has_more = virtio_small_rest(queue) || queue->has_chain;
	/* Without room, whoever makes some calls again. */
	is_full = queue->has_chain && budget_bytes > 0;
	if (has_more && !is_full)
		virtqueue_poke(&queue->vq);
}

/* Kicks are wanted only while there is no buffer in hand. */
static void rest_receive(struct virtio_small_queue *queue)
{
	if (queue->has_chain)
		(void)virtio_small_rest(queue);
	else
		virtio_small_come_back(queue);
}

void virtio_console_serve(struct virtio_console *console)
{
	struct virtio_small_queue *queue = &console->small.queues[RECEIVE];

	pthread_mutex_lock(&console->small.lock);
	send_all(console);
	if (virtio_small_take(queue) == 0)
		console->ops.room(console->ops.context);
	rest_receive(queue);
	pthread_mutex_unlock(&console->small.lock);
}

/* Fill one buffer; it goes back with what there is, a keystroke too. */
static size_t receive_chain(struct virtio_console *console,
			    const uint8_t *bytes, size_t count)
{
	struct virtio_small_queue *queue = &console->small.queues[RECEIVE];
	const struct ring_chain *chain = &queue->chain;
	const struct ring_segment *segments =
		chain->segments + chain->readable_count;
	uint64_t part =
		min_u64(count, segments_bytes(segments, chain->writable_count));

	if (segments_write(console->small.memory, segments,
			   chain->writable_count, 0, bytes, part) < 0)
		part = 0;
	virtio_small_answer(queue, (uint32_t)part);
	return part;
}

size_t virtio_console_push(struct virtio_console *console, const uint8_t *bytes,
			   size_t count)
{
	struct virtio_small_queue *queue = &console->small.queues[RECEIVE];
	size_t taken = 0;

	pthread_mutex_lock(&console->small.lock);
	for (int i = 0; i < VIRTIO_CONSOLE_TURN_CHAINS && taken < count; i++) {
		if (virtio_small_take(queue) < 0)
			break;
		taken += receive_chain(console, bytes + taken, count - taken);
	}
	rest_receive(queue);
	pthread_mutex_unlock(&console->small.lock);
	return taken;
}

static uint64_t offer_features(void *device)
{
	return VIRTIO_SMALL_FEATURES;
}

/* Nothing in it means anything without the features that we do not have. */
static size_t fill_config(void *device, uint8_t *space, size_t room_bytes)
{
	size_t bytes =
		min_u64(room_bytes, sizeof(struct virtio_console_config));

	memset(space, 0, bytes);
	return bytes;
}

const struct virtio_device_ops virtio_console_ops = {
	.features = offer_features,
	.set_features = virtio_small_set_features,
	.queue_start = virtio_small_queue_start,
	.queue_stop = virtio_small_queue_stop,
	.queue_call = virtio_small_queue_call,
	.config = fill_config,
	.reset = virtio_small_reset,
};

void virtio_console_init(struct virtio_console *console,
			 struct guestmem *memory,
			 const struct virtio_console_handler *ops)
{
	virtio_small_init(&console->small, memory);
	console->ops = *ops;
}
