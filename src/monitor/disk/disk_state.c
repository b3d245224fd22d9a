/* SPDX-License-Identifier: MIT */
/*
 * A disk stands still while its partition is saved, and goes on elsewhere.
 *
 * Where it stands is where all of its rings stand: what the service still
 * answers is remembered as done and told later, reads are read again. So guest
 * memory and this record agree from the moment of freezing, and a request is
 * told to the guest once, by the old monitor or by the new one (I1).
 */
#include <stdlib.h>
#include <string.h>

#include "monitor/disk/table.h"

#define STATE_VERSION 1

void disk_freeze(struct disk *disk)
{
	disk->is_frozen = true;
}

/* Saving. -------------------------------------------------------------------- */

static void put_request(struct state_writer *writer,
			const struct saved_request *request)
{
	state_put_u16(writer, request->queue_index);
	state_put_u16(writer, request->head);
	state_put_u8(writer, request->is_done);
	state_put_u8(writer, request->status);
}

static void put_done(const struct disk_queue *queue,
		     struct state_writer *writer)
{
	for (uint16_t i = 0; i < queue->size; i++)
		if (queue->requests[i].state == REQUEST_DONE)
			put_request(writer,
				    &(struct saved_request){
					    .queue_index = queue->index,
					    .head = i,
					    .status = queue->requests[i].status,
					    .is_done = true,
				    });
}

static uint32_t kept_in_table(const struct disk *disk)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < disk->settings.queue_count; i++)
		count += disk->queues[i].kept_count;
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
	for (uint32_t i = 0; i < disk->settings.queue_count; i++)
		put_done(&disk->queues[i], writer);
}

void disk_state_save(const struct disk *disk, struct state_writer *writer)
{
	state_begin(writer, STATE_DISK, STATE_VERSION);
	state_put_u64(writer, disk->settings.size_bytes);
	state_put_u8(writer, disk->has_flush_error);
	/* Restored and saved again before it ran: as it was restored. */
	state_put_u32(writer, disk->saved_count + kept_in_table(disk));
	for (uint32_t i = 0; i < disk->saved_count; i++)
		put_request(writer, &disk->saved[i]);
	put_table(disk, writer);
	state_end(writer);
}

/* Restoring. ------------------------------------------------------------------ */

static void get_request(const struct disk *disk, struct state_reader *reader,
			struct saved_request *request)
{
	uint8_t is_done;

	request->queue_index = state_get_u16(reader);
	request->head = state_get_u16(reader);
	is_done = state_get_u8(reader);
	request->status = state_get_u8(reader);
	request->is_done = is_done == 1;
	if (is_done > 1 || request->queue_index >= disk->settings.queue_count)
		state_refuse(reader);
}

void saved_forget(struct disk *disk)
{
	free(disk->saved);
	disk->saved = NULL;
	disk->saved_count = 0;
}

static void get_requests(struct disk *disk, struct state_reader *reader,
			 uint32_t count)
{
	if (count > disk->settings.queue_count * RING_SIZE_MAX)
		state_refuse(reader);
	if (state_reader_result(reader) < 0 || count == 0)
		return;
	disk->saved = calloc(count, sizeof(*disk->saved));
	if (!disk->saved) {
		state_refuse(reader);
		return;
	}
	disk->saved_count = count;
	for (uint32_t i = 0; i < count; i++)
		get_request(disk, reader, &disk->saved[i]);
	if (state_reader_result(reader) < 0)
		saved_forget(disk);
}

void disk_state_restore(struct disk *disk, struct state_reader *reader)
{
	saved_forget(disk);
	disk_freeze(disk);
	(void)state_enter(reader, STATE_DISK, STATE_VERSION);
	if (state_get_u64(reader) != disk->settings.size_bytes)
		state_refuse(reader);
	disk->has_flush_error = state_get_u8(reader) != 0;
	get_requests(disk, reader, state_get_u32(reader));
	state_leave(reader);
}

/* More than the ring can have out are more than it takes. */
uint16_t saved_heads(const struct disk_queue *queue, uint16_t *heads)
{
	const struct disk *disk = queue->disk;
	uint16_t count = 0;

	for (uint32_t i = 0; i < disk->saved_count && count < RING_SIZE_MAX;
	     i++)
		if (disk->saved[i].queue_index == queue->index)
			heads[count++] = disk->saved[i].head;
	return count;
}

static void take_up(struct disk *disk, const struct saved_request *saved)
{
	struct disk_queue *queue = &disk->queues[saved->queue_index];
	struct ring_chain chain;

	if (!queue->vq.is_served || !ring_is_mapped(&queue->vq.ring))
		return;
	if (ring_retake(&queue->vq.ring, &disk->memory, saved->head,
			disk->scratch, RING_CHAIN_MAX, &chain) < 0) {
		disk->counters.violations++;
		return;
	}
	if (!issue_accept(queue, &chain))
		return;
	disk->newest->is_replayed = true;
	if (saved->is_done)
		request_answer(disk->newest, saved->status);
}

void disk_thaw(struct disk *disk)
{
	for (uint32_t i = 0; i < disk->saved_count; i++)
		take_up(disk, &disk->saved[i]);
	saved_forget(disk);
	disk->is_frozen = false;
	for (uint32_t i = 0; i < disk->settings.queue_count; i++)
		if (queue_is_live(&disk->queues[i]))
			table_push_done(&disk->queues[i]);
	table_rewind(disk);
	disk->is_blocked = false;
	disk_signal(disk);
}
