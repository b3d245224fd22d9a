/* SPDX-License-Identifier: MIT */
/* From the table to the service. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "channel/disk_request.h"
#include "channel/scsi_request.h"
#include "monitor/disk/table.h"
#include "virtio/segments.h"

/* Steps (to take a request is one, to send it another) between publications:
 * the service starts on the first requests while we copy the rest. */
#define PUBLISH_STEPS 16
/* Steps before answers are looked at again. */
#define ISSUE_STEPS 256
/* The same in data copied. */
#define COPY_MAX (2ull * LANE_CHUNK_BYTES)

static uint32_t next_bytes(const struct disk *disk,
			   const struct request *request)
{
	if (!request_has_data(request))
		return 0;
	return (uint32_t)min_u64(request->work.data_bytes -
					 request->next_offset,
				 disk->lane.chunk_bytes);
}

static int fill(struct disk *disk, const struct request *request,
		const struct chunk *chunk)
{
	if (request->work.direction != REQUEST_DATA_OUT)
		return 0;
	return segments_read(&disk->front->memory,
			     request->work.segments + request->work.data_first,
			     request->work.data_count,
			     request->work.data_skip + request->next_offset,
			     lane_buffer(&disk->lane, chunk), chunk->bytes);
}

static int send(struct disk *disk, struct request *request, struct chunk *chunk)
{
	struct channel_request message = {
		.offset_bytes =
			request->work.offset_bytes + request->next_offset,
		.length_bytes = (uint32_t)request->work.bytes,
		.op = request->work.op,
		.flags = request->work.flags,
	};
	int r;

	if (disk->front->ops->describe)
		disk->front->ops->describe(request, &message);
	r = lane_send(&disk->lane, chunk, &message);
	if (r < 0)
		return r;
	chunk->request = request;
	chunk->offset_bytes = (uint32_t)request->next_offset;
	if (request->next_offset == 0) {
		request->issued_ns = disk->now_ns;
		disk->counters.replayed += request->is_replayed;
	}
	request->next_offset +=
		request_has_data(request) ? chunk->bytes : request->work.bytes;
	request->out_count++;
	request->was_sent = true;
	return 0;
}

/* Copying the next large chunk takes longer than waking the service, which can
 * work on this one meanwhile. */
static void show_early(struct disk *disk, const struct request *request,
		       const struct chunk *chunk)
{
	if (request->work.direction != REQUEST_DATA_OUT)
		return;
	disk->copied_bytes += chunk->bytes;
	if (chunk->bytes >= DISK_LARGE_BYTES)
		lane_publish(&disk->lane);
}

/* One chunk. -EAGAIN: the lane is full; -EBADMSG: it broke. */
static int issue_chunk(struct disk *disk, struct request *request)
{
	struct chunk *chunk;
	int r;

	r = lane_reserve(&disk->lane, next_bytes(disk, request), &chunk);
	if (r < 0)
		return r;
	if (fill(disk, request, chunk) < 0) {
		/* The guest took the memory away: its own fault. */
		lane_return(&disk->lane, chunk);
		disk->counters.violations++;
		request->error = -EIO;
		return 0;
	}
	r = send(disk, request, chunk);
	if (r < 0)
		lane_return(&disk->lane, chunk);
	else
		show_early(disk, request, chunk);
	return r;
}

/* All of it, or as much as the lane takes. An error of a chunk already
 * answered ends it early. */
static int issue(struct disk *disk, struct request *request)
{
	int r;

	if (request->work.class == REQUEST_FLUSH) {
		flush_begin(request);
		return 0;
	}
	do {
		r = issue_chunk(disk, request);
		if (r < 0)
			return r;
	} while (!request->error && request_has_data(request) &&
		 request->next_offset < request->work.data_bytes);
	request_enter(request, REQUEST_SENT);
	if (request->out_count == 0)
		request_finish(request);
	return 0;
}

/* The oldest suspect that is not on the lane yet. */
static struct request *next_suspect(struct disk *disk)
{
	struct request *request = disk->oldest;

	while (request && !(request_is_suspect(request) &&
			    request->state == REQUEST_ISSUING &&
			    queue_is_live(request->queue)))
		request = request->newer;
	return request;
}

/* While there are suspects they go one at a time, and nothing beside them. */
static bool issue_alone(struct disk *disk)
{
	struct request *suspect = next_suspect(disk);
	int r;

	disk->is_blocked = true;
	if (!disk->is_alone || !suspect)
		return false;
	if (disk->lane.out_count != suspect->out_count)
		return false;
	r = issue(disk, suspect);
	if (r == -EBADMSG)
		disk_broken(disk);
	return r == 0 || disk->lane.must_publish;
}

/* Something that may be sent: of shared rings it is in the table already.
 * -EAGAIN: nothing, or the rings had none. */
static int take(struct disk *disk)
{
	if (disk->front->ops->is_shared)
		return table_next(disk) ? 0 : -EAGAIN;
	return front_take(disk->front);
}

bool disk_answers_in_outage(const struct disk *disk)
{
	return !disk_is_served(disk) &&
	       (disk->local.fd != NO_FD || disk_is_failing(disk));
}

/* During an outage only what takes no service is answered; all else waits, or
 * fails at once when it lasts too long. */
static bool take_in_outage(struct disk *disk)
{
	bool is_failing = disk_is_failing(disk);
	bool has_worked = false;
	struct request *request;

	disk->is_blocked = true;
	if (!disk_answers_in_outage(disk))
		return false;
	disk->copied_bytes = 0;
	for (int i = 0; i < ISSUE_STEPS && disk->copied_bytes < COPY_MAX &&
			take(disk) == 0;
	     i++) {
		has_worked = true;
		request = is_failing ? table_next(disk) : NULL;
		if (request)
			request_answer(request, -ETIMEDOUT);
	}
	return has_worked;
}

/* An older change of the same sectors is not answered yet. */
static bool must_wait(const struct disk *disk, const struct request *request)
{
	const struct work *work = &request->work;
	const struct request *older = request->older;

	if (!request_is_change(request) ||
	    !overlap_is_possible(&disk->overlap, work->offset_bytes,
				 work->bytes))
		return false;
	while (older &&
	       !(request_is_change(older) &&
		 older->work.offset_bytes < work->offset_bytes + work->bytes &&
		 work->offset_bytes <
			 older->work.offset_bytes + older->work.bytes))
		older = older->older;
	return older != NULL;
}

/* Sent again, all that an earlier service may have begun. */
static bool has_replayed(const struct disk *disk)
{
	const struct request *request = disk->oldest;

	while (request &&
	       !(request->was_sent && request->state == REQUEST_ISSUING))
		request = request->newer;
	return request == NULL;
}

/* It may be in a row whose command was given up, which the service only learns
 * from being told that all was sent again. */
static bool is_too_early(const struct disk *disk, const struct request *request)
{
	return disk->is_replaying && !request->was_sent && has_replayed(disk);
}

/* The next request, from the table or else from the rings. -EAGAIN: none, or
 * none that can go now. */
static int issue_next(struct disk *disk)
{
	struct request *request = table_next(disk);

	if (!request)
		return take(disk);
	if (is_too_early(disk, request) || must_wait(disk, request))
		return -EAGAIN;
	return issue(disk, request);
}

static bool issue_many(struct disk *disk)
{
	bool has_worked = false;
	int r = 0;

	disk->copied_bytes = 0;
	for (int i = 1; i <= ISSUE_STEPS && disk->copied_bytes < COPY_MAX;
	     i++) {
		r = issue_next(disk);
		if (r < 0)
			break;
		has_worked = true;
		if (i % PUBLISH_STEPS == 0)
			lane_publish(&disk->lane);
	}
	if (r == -EBADMSG)
		disk_broken(disk);
	disk->is_blocked =
		r < 0 && (disk->cursor != NULL || !front_has_room(disk->front));
	return has_worked;
}

/* Nobody waits for its answer; nothing passes it before that. */
static void tell_replayed(struct disk *disk)
{
	struct channel_request message = { .op = SCSI_REPLAYED };
	struct chunk *chunk;

	if (!has_replayed(disk) || lane_reserve(&disk->lane, 0, &chunk) < 0)
		return;
	disk->is_replaying = false;
	if (lane_send(&disk->lane, chunk, &message) < 0) {
		lane_return(&disk->lane, chunk);
		disk_broken(disk);
		return;
	}
	disk->lane.stale_count++;
	disk->stale_ns = disk->now_ns;
}

static bool issue_all(struct disk *disk)
{
	bool has_worked =
		disk->suspect_count > 0 ? issue_alone(disk) : issue_many(disk);

	if (disk->is_replaying && disk_is_served(disk))
		tell_replayed(disk);
	return has_worked;
}

static bool disk_issue(struct disk *disk)
{
	if (!disk_is_served(disk)) {
		/* What a drained service has a part of is ended first. */
		disk_tend_outage(disk);
		return take_in_outage(disk);
	}
	if (disk->lane.stale_count > 0 && !failpoint("fence.skip")) {
		/* Fence inside a life (I4). */
		disk->is_blocked = true;
		return false;
	}
	return issue_all(disk);
}

bool disk_turn(struct disk *disk)
{
	bool has_worked = disk_take_answers(disk);

	if (has_worked)
		front_signal(disk->front);
	has_worked |= disk_issue(disk);
	if (disk->lane.must_publish) {
		lane_publish(&disk->lane);
		channel_beat(&disk->lane.channel);
		has_worked = true;
	}
	if (!has_worked)
		return false;
	front_signal(disk->front);
	disk->now_ns = clock_now_ns();
	return true;
}
