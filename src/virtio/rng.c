/* SPDX-License-Identifier: MIT */
#include "virtio/rng.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <sys/random.h>

#include "base/count.h"
#include "virtio/segments.h"

/* Returns how much was written: 0 also for a buffer that is not memory. */
static uint32_t fill(struct guestmem *memory, const struct ring_chain *chain)
{
	const struct ring_segment *segments =
		chain->segments + chain->readable_count;
	uint64_t room = segments_bytes(segments, chain->writable_count);
	uint8_t piece[VIRTIO_RNG_PIECE_BYTES];
	ssize_t got = getrandom(piece, min_u64(room, sizeof(piece)), 0);

	if (got <= 0 || segments_write(memory, segments, chain->writable_count,
				       0, piece, (uint64_t)got) < 0)
		return 0;
	return (uint32_t)got;
}

void virtio_rng_serve(struct virtio_rng *rng)
{
	struct virtio_small *small = &rng->small;
	struct virtio_small_queue *queue = &small->queues[0];

	pthread_mutex_lock(&small->lock);
	for (int i = 0; i < VIRTIO_RNG_TURN_CHAINS; i++) {
		if (virtio_small_take(queue) < 0)
			break;
		virtio_small_answer(queue, fill(small->memory, &queue->chain));
	}
	virtio_small_come_back(queue);
	pthread_mutex_unlock(&small->lock);
}

static uint64_t offer_features(void *device)
{
	return VIRTIO_SMALL_FEATURES;
}

static size_t fill_config(void *device, uint8_t *space, size_t room_bytes)
{
	return 0; /* 5.4.4: there is none */
}

const struct virtio_device_ops virtio_rng_ops = {
	.features = offer_features,
	.set_features = virtio_small_set_features,
	.queue_start = virtio_small_queue_start,
	.queue_stop = virtio_small_queue_stop,
	.queue_call = virtio_small_queue_call,
	.config = fill_config,
	.reset = virtio_small_reset,
};

void virtio_rng_init(struct virtio_rng *rng, struct guestmem *memory)
{
	uint8_t first;

	virtio_small_init(&rng->small, memory);
	while (getrandom(&first, sizeof(first), 0) < 0 && errno == EINTR)
		;
}
