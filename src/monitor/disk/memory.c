/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory changes under running rings.
 *
 * A front end may take memory away and give it back in several messages, as
 * QEMU does when regions are cut anew, and the guest runs on in between. So
 * while some is missing nothing is taken from the guest and nothing told to
 * it: an address that is not there now may be there in a moment. What does not
 * come back soon is gone for good. A ring's own memory is waited for without
 * end: there is nobody to complain to.
 */
#include "base/clock.h"
#include "monitor/disk/table.h"

/* Far longer than two messages take, far shorter than a guest notices. */
#define SETTLE_NS (20 * NS_PER_MS)

static uint64_t mapped_bytes(const struct front *front)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < front->memory.count; i++)
		bytes += front->memory.regions[i].bytes;
	return bytes;
}

/* True if any ring is served. */
static bool map_rings(struct front *front)
{
	bool has_served = false;

	for (uint32_t i = 0; i < front->queue_count; i++) {
		struct front_queue *queue = &front->queues[i];

		virtqueue_remap(&queue->vq);
		has_served |= queue->vq.is_served;
	}
	return has_served;
}

void front_memory_settle(struct front *front)
{
	front->settled_ns = 0;
	front->memory_bytes = mapped_bytes(front);
	front_resume(front);
}

void front_memory_changed(void *device)
{
	struct front *front = device;
	bool has_served = map_rings(front);

	if (has_served && mapped_bytes(front) < front->memory_bytes)
		front->settled_ns = clock_now_ns() + SETTLE_NS;
	else
		front_memory_settle(front);
}
