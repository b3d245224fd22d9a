/* SPDX-License-Identifier: MIT */
#include "machine/small_state.h"

#define STATE_VERSION 1

static void save_queues(const struct virtio_small *small, uint32_t count,
			struct state_writer *writer)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct virtio_small_queue *queue = &small->queues[i];

		state_put_u8(writer, queue->has_chain);
		state_put_u16(writer, queue->has_chain ? queue->chain.head : 0);
		state_put_u64(writer, queue->done_bytes);
	}
}

static void restore_queues(struct virtio_small *small, uint32_t count,
			   struct state_reader *reader)
{
	for (uint32_t i = 0; i < count; i++) {
		struct virtio_small_queue *queue = &small->queues[i];

		queue->is_kept = state_get_u8(reader) != 0;
		queue->kept_head = state_get_u16(reader);
		queue->done_bytes = state_get_u64(reader);
	}
}

void virtio_console_save(const struct virtio_console *console,
			 struct state_writer *writer)
{
	state_begin(writer, STATE_CONSOLE, STATE_VERSION);
	save_queues(&console->small, VIRTIO_CONSOLE_QUEUES, writer);
	state_end(writer);
}

void virtio_console_restore(struct virtio_console *console,
			    struct state_reader *reader)
{
	(void)state_enter(reader, STATE_CONSOLE, STATE_VERSION);
	restore_queues(&console->small, VIRTIO_CONSOLE_QUEUES, reader);
	state_leave(reader);
}

void virtio_rng_save(const struct virtio_rng *rng, struct state_writer *writer)
{
	state_begin(writer, STATE_RNG, STATE_VERSION);
	save_queues(&rng->small, VIRTIO_RNG_QUEUES, writer);
	state_end(writer);
}

void virtio_rng_restore(struct virtio_rng *rng, struct state_reader *reader)
{
	(void)state_enter(reader, STATE_RNG, STATE_VERSION);
	restore_queues(&rng->small, VIRTIO_RNG_QUEUES, reader);
	state_leave(reader);
}

void virtio_balloon_save(const struct virtio_balloon *balloon,
			 struct state_writer *writer)
{
	state_begin(writer, STATE_BALLOON, STATE_VERSION);
	save_queues(&balloon->small, VIRTIO_BALLOON_QUEUES, writer);
	state_put_u32(writer, balloon->target_pages);
	state_put_u32(writer, balloon->actual_pages);
	state_end(writer);
}

void virtio_balloon_restore(struct virtio_balloon *balloon,
			    struct state_reader *reader)
{
	(void)state_enter(reader, STATE_BALLOON, STATE_VERSION);
	restore_queues(&balloon->small, VIRTIO_BALLOON_QUEUES, reader);
	balloon->target_pages = state_get_u32(reader);
	balloon->actual_pages = state_get_u32(reader);
	state_leave(reader);
}
