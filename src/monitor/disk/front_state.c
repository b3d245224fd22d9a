/* SPDX-License-Identifier: MIT */
/*
 * A front stands still while its partition is saved, and goes on elsewhere.
 *
 * Where it stands is where all of its rings stand: what the service still
 * answers is remembered as done and told later, reads are read again. So guest
 * memory and this record agree from the moment of freezing, and a request is
 * told to the guest once, by the old monitor or by the new one (I1).
 */
#include <stdlib.h>
#include <string.h>

#include "monitor/disk/table.h"

#define STATE_VERSION 2
/* Above what any errno is. */
#define ERROR_MAX 4095u

void front_freeze(struct front *front)
{
	front->is_frozen = true;
}

/* Saving. -------------------------------------------------------------------- */

static void put_request(struct state_writer *writer,
			const struct saved_request *request)
{
	state_put_u16(writer, request->queue_index);
	state_put_u16(writer, request->head);
	state_put_u8(writer, request->is_done);
	state_put_u32(writer, (uint32_t)-request->error);
}

static void put_done(const struct front_queue *queue,
		     struct state_writer *writer)
{
	for (uint16_t i = 0; i < queue->size; i++)
		if (queue->requests[i].state == REQUEST_DONE)
			put_request(writer,
				    &(struct saved_request){
					    .queue_index = queue->index,
					    .head = i,
					    .error = queue->requests[i].error,
					    .is_done = true,
				    });
}

static uint32_t kept_in_table(const struct front *front)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < front->queue_count; i++)
		count += front->queues[i].kept_count;
	return count;
}

static void put_table(const struct disk *disk, struct state_writer *writer)
{
	for (const struct request *request = disk->oldest; request;
	     request = request->newer)
		put_request(writer,
			    &(struct saved_request){
				    .queue_index = request->queue->index,
				    .head = request->head,
			    });
}

static void put_disks(const struct front *front, struct state_writer *writer)
{
	for (uint32_t i = 0; i < front->disk_count; i++) {
		state_put_u64(writer, front->disks[i]->settings.size_bytes);
		state_put_u8(writer, front->disks[i]->has_flush_error);
	}
}

/* What others may have written since must not be written over again. */
static bool may_be_begun(const struct request *request)
{
	return request->was_sent && (request->work.class == REQUEST_ONCE ||
				     (request_is_change(request) &&
				      request->disk->settings.is_shared));
}

bool front_may_be_saved(const struct front *front)
{
	for (uint32_t i = 0; i < front->disk_count; i++)
		for (const struct request *request = front->disks[i]->oldest;
		     request; request = request->newer)
			if (may_be_begun(request))
				return false;
	return true;
}

void front_state_save(const struct front *front, struct state_writer *writer)
{
	state_begin(writer, STATE_DISK, STATE_VERSION);
	put_disks(front, writer);
	/* Restored and saved again before it ran: as it was restored. */
	state_put_u32(writer, front->saved_count + kept_in_table(front));
	for (uint32_t i = 0; i < front->saved_count; i++)
		put_request(writer, &front->saved[i]);
	for (uint32_t i = 0; i < front->disk_count; i++)
		put_table(front->disks[i], writer);
	for (uint32_t i = 0; i < front->queue_count; i++)
		put_done(&front->queues[i], writer);
	if (front->ops->save)
		front->ops->save(front, writer);
	state_end(writer);
}

/* Restoring. ------------------------------------------------------------------ */

static void get_request(const struct front *front, struct state_reader *reader,
			struct saved_request *request)
{
	uint32_t error;
	uint8_t is_done;

	request->queue_index = state_get_u16(reader);
	request->head = state_get_u16(reader);
	is_done = state_get_u8(reader);
	error = state_get_u32(reader);
	request->error = -(int)error;
	request->is_done = is_done == 1;
	if (is_done > 1 || error > ERROR_MAX ||
	    request->queue_index >= front->queue_count)
		state_refuse(reader);
}

void saved_forget(struct front *front)
{
	free(front->saved);
	front->saved = NULL;
	front->saved_count = 0;
}

static void get_requests(struct front *front, struct state_reader *reader,
			 uint32_t count)
{
	if (count > front->queue_count * RING_SIZE_MAX)
		state_refuse(reader);
	if (state_reader_result(reader) < 0 || count == 0)
		return;
	front->saved = calloc(count, sizeof(*front->saved));
	if (!front->saved) {
		state_refuse(reader);
		return;
	}
	front->saved_count = count;
	for (uint32_t i = 0; i < count; i++)
		get_request(front, reader, &front->saved[i]);
	if (state_reader_result(reader) < 0)
		saved_forget(front);
}

static void get_disks(struct front *front, struct state_reader *reader)
{
	for (uint32_t i = 0; i < front->disk_count; i++) {
		struct disk *disk = front->disks[i];

		if (state_get_u64(reader) != disk->settings.size_bytes)
			state_refuse(reader);
		disk->has_flush_error = state_get_u8(reader) != 0;
	}
}

void front_state_restore(struct front *front, struct state_reader *reader)
{
	saved_forget(front);
	front_freeze(front);
	(void)state_enter(reader, STATE_DISK, STATE_VERSION);
	get_disks(front, reader);
	get_requests(front, reader, state_get_u32(reader));
	if (front->ops->restore)
		front->ops->restore(front, reader);
	state_leave(reader);
}

/* More than the ring can have out are more than it takes. */
uint16_t saved_heads(const struct front_queue *queue, uint16_t *heads)
{
	const struct front *front = queue->front;
	uint16_t count = 0;

	for (uint32_t i = 0; i < front->saved_count && count < RING_SIZE_MAX;
	     i++)
		if (front->saved[i].queue_index == queue->index)
			heads[count++] = front->saved[i].head;
	return count;
}

static void take_up(struct front *front, const struct saved_request *saved)
{
	struct front_queue *queue = &front->queues[saved->queue_index];
	struct request *request;

	if (!queue->vq.is_served || !ring_is_mapped(&queue->vq.ring))
		return;
	request = front_retake(queue, saved->head);
	if (request && saved->is_done)
		request_answer(request, saved->error);
}

void front_thaw(struct front *front)
{
	for (uint32_t i = 0; i < front->saved_count; i++)
		take_up(front, &front->saved[i]);
	saved_forget(front);
	front->is_frozen = false;
	front_resume(front);
}
