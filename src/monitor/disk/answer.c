/* SPDX-License-Identifier: MIT */
/* From the service through the table to the guest's rings. */
#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/count.h"
#include "monitor/disk/table.h"
#include "virtio/segments.h"

/* Answers taken before new requests are looked at. */
#define ANSWER_MAX 64
/* The same in data: copying takes time, in which the guest could be told of
 * what is done and the service be given what is next. */
#define ANSWER_BYTES_MAX LANE_CHUNK_BYTES

static void count_one(uint64_t *requests, uint64_t *bytes,
		      const struct request *request)
{
	*requests += 1;
	*bytes += request->work.data_bytes;
}

static void count(const struct request *request)
{
	struct disk_counters *counters = &request->disk->counters;

	if (request->error != 0) {
		counters->errors++;
		return;
	}
	/* SYNCHRONIZE CACHE is one, and INQUIRY is neither. */
	if (request->work.bytes == 0 && request->work.is_promised)
		counters->flushes++;
	else if (request->work.bytes == 0 || !request_has_data(request))
		counters->others++;
	else if (request->work.direction == REQUEST_DATA_IN)
		count_one(&counters->reads, &counters->read_bytes, request);
	else
		count_one(&counters->writes, &counters->written_bytes, request);
}

void request_push(struct request *request)
{
	struct front_queue *queue = request->queue;
	uint32_t written = queue->front->ops->answer(request);

	queue_push(queue, request->head, written);
	count(request);
	flush_note_told(request);
	request_enter(request, REQUEST_FREE);
}

void table_push_done(struct front_queue *queue)
{
	for (uint16_t i = 0; i < queue->size && queue->kept_count > 0; i++)
		if (queue->requests[i].state == REQUEST_DONE)
			request_push(&queue->requests[i]);
}

static void end_suspicion(struct request *request)
{
	request->disk->suspect_count -= request_is_suspect(request);
	request->deaths = 0;
}

void request_answer(struct request *request, int error)
{
	assert(request->out_count == 0);
	end_suspicion(request);
	request->error = error;
	if (queue_is_live(request->queue))
		request_push(request);
	else
		request_enter(request, REQUEST_DONE);
	flush_advance(request->disk);
}

static void hold_for_space(struct request *request)
{
	struct disk *disk = request->disk;
	static const struct notice full = {
		.kind = NOTICE_EVENT,
		.level = EVENT_WARNING,
		.text = "the host has no space for a write: holding it until "
			"there is",
	};
	struct notice notice = full;

	if (disk->no_space_count == 0 && disk->retry_ns == 0) {
		notice.disk_index = disk->settings.index;
		notices_put(disk->ops.notices, &notice);
	}
	request_enter(request, REQUEST_NO_SPACE);
	disk->retry_ns = clock_now_ns() + RETRY_NS;
	flush_advance(disk);
}

static void note_space(struct disk *disk, const struct request *request)
{
	if (disk->retry_ns == 0 || disk->no_space_count > 0 ||
	    request->work.class == REQUEST_READ)
		return;
	disk->retry_ns = 0;
	notices_put(disk->ops.notices,
		    &(struct notice){
			    .kind = NOTICE_EVENT,
			    .disk_index = disk->settings.index,
			    .level = EVENT_INFO,
			    .text = "the host has space again: writes continue",
		    });
}

void request_finish(struct request *request)
{
	struct disk *disk = request->disk;
	int r = request->error;

	if (r == -ESTALE) {
		/* Read while its ring stood: again once it runs. */
		request_rewind(request);
		request_enter(request, REQUEST_ISSUING);
		return;
	}
	if (r == -ENOSPC && request_is_change(request)) {
		end_suspicion(request);
		if (request->is_cancelled)
			request_answer(request, -ECANCELED);
		else
			hold_for_space(request);
		return;
	}
	if (r == 0)
		note_space(disk, request);
	if (r == 0 && request->work.is_promised) {
		end_suspicion(request);
		flush_begin(request);
		return;
	}
	request_answer(request, r);
}

/* The data of a READ, to where the guest wants it. -ESTALE: its ring stands
 * still and the guest's memory is not ours to write. */
static int deliver(struct disk *disk, const struct request *request,
		   const struct lane_answer *answer)
{
	const struct work *work = &request->work;
	const struct chunk *chunk = answer->chunk;
	int r;

	if (answer->bytes == 0)
		return 0;
	if (!queue_is_live(request->queue))
		return -ESTALE;
	r = segments_write(&disk->front->memory,
			   work->segments + work->data_first, work->data_count,
			   work->data_skip + chunk->offset_bytes,
			   lane_buffer(&disk->lane, chunk), answer->bytes);
	if (r < 0)
		disk->counters.violations++;
	return r < 0 ? -EIO : 0;
}

/* 0 or a negative errno. */
static int take_result(struct disk *disk, struct request *request,
		       const struct lane_answer *answer)
{
	if (answer->status < 0)
		return answer->status;
	if (disk->front->ops->note)
		disk->front->ops->note(request, answer,
				       lane_sense(&disk->lane, answer->chunk));
	return request->work.direction == REQUEST_DATA_IN
		       ? deliver(disk, request, answer)
		       : 0;
}

void disk_end_outage(struct disk *disk)
{
	uint64_t us = (clock_now_ns() - disk->lost_ns) / NS_PER_US;

	disk->is_first_answer_due = false;
	if (disk->lost_ns == 0)
		return;
	disk->lost_ns = 0;
	disk->counters.outage_total_us += us;
	disk->counters.outage_longest_us =
		max_u64(disk->counters.outage_longest_us, us);
}

static void take_answer(struct disk *disk, const struct lane_answer *answer)
{
	struct request *request = answer->chunk->request;
	int error;

	if (disk->is_first_answer_due)
		disk_end_outage(disk);
	if (request) {
		request->out_count--;
		error = take_result(disk, request, answer);
		if (error != 0 && request->error == 0)
			request->error = error;
	}
	lane_return(&disk->lane, answer->chunk);
	if (request && request->out_count == 0 &&
	    request->state == REQUEST_SENT)
		request_finish(request);
}

bool disk_take_answers(struct disk *disk)
{
	struct lane_answer answer;
	uint32_t bytes = 0;
	int r = 0;
	int taken = 0;

	if (!disk->lane.is_open)
		return false;
	while (taken < ANSWER_MAX && bytes < ANSWER_BYTES_MAX) {
		r = lane_receive(&disk->lane, &answer);
		if (r < 0)
			break;
		taken++;
		bytes += answer.chunk->bytes;
		take_answer(disk, &answer);
	}
	if (r == -EBADMSG) {
		disk_broken(disk);
		return true;
	}
	return taken > 0;
}
