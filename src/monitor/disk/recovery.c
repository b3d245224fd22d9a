/* SPDX-License-Identifier: MIT */
/*
 * A service lost, found or silent; outages that last; a full host disk.
 *
 * Only a crash speaks against the requests that the service had taken: one that
 * is killed, replaced or slow dies of something else. A service that is drained
 * is asked nothing more, and what it answers counts.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/event.h"
#include "monitor/disk/table.h"

/* A silent service is looked at this often per hang bound, and no more seldom
 * than LOOK_NS, by which a hang may be noticed late. */
#define LOOKS_PER_BOUND 8
#define LOOK_NS         (10 * NS_PER_MS)

/* What the supervisor was told it may have died with. */
#define POISON_REPEAT_NS NS_PER_S

/* When the oldest thing on the lane was put there. */
static uint64_t oldest_out_ns(const struct disk *disk)
{
	for (const struct request *request = disk->oldest; request;
	     request = request->newer)
		if (request->out_count > 0)
			return disk->lane.stale_count > 0
				       ? min_u64(request->issued_ns,
						 disk->stale_ns)
				       : request->issued_ns;
	return disk->stale_ns;
}

static void tell(struct disk *disk, enum notice_kind kind, uint64_t generation)
{
	struct notice notice = {
		.kind = kind,
		.disk_index = disk->settings.index,
		.generation = generation,
	};

	if (kind == NOTICE_SUSPECT)
		notice.oldest_ms =
			(disk->now_ns - oldest_out_ns(disk)) / NS_PER_MS;

	notices_put(disk->ops.notices, &notice);
}

/* Its service crashed with this request. */
static void count_death(struct disk *disk, struct request *request,
			bool was_alone)
{
	bool was_suspect = request_is_suspect(request);

	if (was_suspect && was_alone) {
		/* It and nothing else: the poison is found. It fails alone. */
		request_rewind(request);
		request_answer(request, -EIO);
		return;
	}
	if (request->deaths < UINT8_MAX)
		request->deaths++;
	disk->suspect_count += !was_suspect && request_is_suspect(request);
}

static void take_back(struct disk *disk, struct request *request,
		      bool was_alone)
{
	bool was_out = request->out_count > 0;
	bool was_taken = request->was_taken;

	if (request->state == REQUEST_WITNESS)
		return;
	request_rewind(request);
	request->is_replayed |= was_out;
	if (request->state != REQUEST_ISSUING)
		request_enter(request, REQUEST_ISSUING);
	if (was_taken)
		count_death(disk, request, was_alone);
}

static void take_all_back(struct disk *disk)
{
	/* Only suspects are sent alone (issue_alone). */
	bool was_alone = disk->is_alone && disk->suspect_count > 0;
	struct request *request = disk->oldest;

	while (request) {
		struct request *newer = request->newer;

		take_back(disk, request, was_alone);
		request = newer;
	}
	table_rewind(disk);
}

/* Not of what it answered: one word of its own, which decides nothing but who
 * is asked alone (I2). */
static void mark_taken(struct disk *disk)
{
	const struct lane *lane = &disk->lane;

	for (uint32_t i = 0; i < lane->channel.shape.slot_count; i++) {
		const struct chunk *chunk = &lane->chunks[i];

		if (chunk->is_out && chunk->request)
			chunk->request->was_taken |= channel_peer_has_taken(
				&lane->channel, chunk->position);
	}
}

static void begin_outage(struct disk *disk)
{
	disk->is_blocked = true;
	disk->has_asked_for_pause = false;
	disk->is_first_answer_due = false;
	if (disk->lost_ns == 0)
		disk->lost_ns = clock_now_ns();
	disk->counters.outages++;
}

/* Suspects wait for an instance of their own. Said again and again: whoever
 * was told may be gone. */
static void tell_poison(struct disk *disk)
{
	if (disk->suspect_count == 0 || (disk->lane.is_open && disk->is_alone))
		return;
	disk->poison_ns = disk->now_ns + POISON_REPEAT_NS;
	tell(disk, NOTICE_POISON, disk->lane.generation);
}

static void lose_service(struct disk *disk, enum disk_down_cause cause)
{
	if (!disk->is_leaving)
		begin_outage(disk);
	disk->is_leaving = false;
	if (cause == DISK_DOWN_CRASHED)
		mark_taken(disk);
	disk->local.has_strays |= disk->lane.stale_count > 0;
	lane_close(&disk->lane);
	take_all_back(disk);
	tell_poison(disk);
}

void disk_down(struct disk *disk, enum disk_down_cause cause)
{
	bool has_more = cause == DISK_DOWN_DRAINED;

	disk->now_ns = clock_now_ns();
	if (cause == DISK_DOWN_LEAVING && disk_is_served(disk)) {
		disk->is_leaving = true;
		begin_outage(disk);
		return;
	}
	while (has_more)
		has_more = disk_take_answers(disk);
	if (disk->lane.is_open && cause != DISK_DOWN_LEAVING)
		lose_service(disk, cause);
	front_signal(disk->front);
}

void disk_broken(struct disk *disk)
{
	uint64_t generation = disk->lane.generation;

	disk_down(disk, DISK_DOWN_BROKEN);
	tell(disk, NOTICE_BROKEN, generation);
}

/* The service changed under the guest: look at every queue once, and signal
 * every one once, whatever either side believes was said before. */
static void wake_queues(const struct front *front)
{
	for (uint32_t i = 0; i < front->queue_count; i++) {
		const struct front_queue *queue = &front->queues[i];

		if (queue->vq.is_served)
			event_signal(queue->vq.call_fd);
	}
}

/* Someone waits for the service: in the table, or in a ring that was looked at
 * in vain. */
static bool has_demand(const struct disk *disk)
{
	const struct front *front = disk->front;

	if (disk->request_count > 0)
		return true;
	if (front->ops->is_shared)
		return false;
	for (uint32_t i = 0; i < front->queue_count; i++)
		if (front->queues[i].vq.is_served &&
		    front->queues[i].has_backlog)
			return true;
	return false;
}

void disk_up(struct disk *disk, struct lane *lane, bool is_alone)
{
	disk_down(disk, DISK_DOWN_KILLED);
	disk->lane = *lane;
	*lane = (struct lane){ .kick_fd = -1, .call_fd = -1 };
	disk->is_alone = is_alone;
	disk->local.has_strays = false;
	disk->is_blocked = false;
	disk->is_first_answer_due = true;
	disk->is_replaying = disk->lane.channel.shape.kind == CHANNEL_KIND_SCSI;
	disk->now_ns = clock_now_ns();
	hang_begin(&disk->hang, 0, disk->now_ns);
	disk->look_ns = 0;
	if (!disk->was_up)
		disk->lost_ns = 0; /* waiting for the first is no outage */
	disk->was_up = true;
	tell_poison(disk);
	table_rewind(disk);
	if (!has_demand(disk))
		disk_end_outage(disk);
	wake_queues(disk->front);
}

/* Outages. --------------------------------------------------------------- */

static uint64_t outage_bound_ns(const struct disk *disk)
{
	return disk->lost_ns + disk->settings.outage_ms * NS_PER_MS;
}

bool disk_is_failing(const struct disk *disk)
{
	return disk->settings.outage == OUTAGE_FAIL && !disk_is_served(disk) &&
	       disk->lost_ns > 0 && disk->now_ns >= outage_bound_ns(disk);
}

/* Answering does not lift the fence: nothing passes before the next lane, and
 * that is announced after it (I4). */
static void fail_all(struct disk *disk)
{
	struct request *request = disk->oldest;

	while (request) {
		struct request *newer = request->newer;

		if (request->state != REQUEST_WITNESS)
			request_answer(request, -ETIMEDOUT);
		request = newer;
	}
	front_signal(disk->front);
}

void disk_tend_outage(struct disk *disk)
{
	if (disk_is_served(disk) || disk->settings.outage == OUTAGE_HOLD ||
	    disk->lost_ns == 0 || disk->now_ns < outage_bound_ns(disk) ||
	    !has_demand(disk))
		return;
	/* Nor is a drain waited for any longer. */
	if (disk->lane.is_open)
		lose_service(disk, DISK_DOWN_KILLED);
	if (disk->settings.outage == OUTAGE_FAIL) {
		fail_all(disk);
	} else if (!disk->has_asked_for_pause) {
		disk->has_asked_for_pause = true;
		tell(disk, NOTICE_PAUSE_REQUEST, 0);
	}
}

void disk_set(struct disk *disk, const struct disk_settings *settings)
{
	bool has_changed = disk->settings.outage != settings->outage ||
			   disk->settings.outage_ms != settings->outage_ms;

	disk->settings.outage = settings->outage;
	disk->settings.outage_ms = settings->outage_ms;
	disk->settings.hang_ms = settings->hang_ms;
	/* Who was resumed in an outage is not paused again for the same. */
	if (has_changed)
		disk->has_asked_for_pause = false;
}

/* Silence. --------------------------------------------------------------- */

/* A slow disk is not a hang: only a service whose heartbeat stands still. */
static void tend_silence(struct disk *disk)
{
	uint64_t bound_ns = disk->settings.hang_ms * NS_PER_MS;

	if (!disk->lane.is_open || disk->lane.out_count == 0 ||
	    disk->now_ns < disk->look_ns)
		return;
	disk->look_ns =
		disk->now_ns + min_u64(bound_ns / LOOKS_PER_BOUND, LOOK_NS);
	if (hang_is_suspected(&disk->hang,
			      channel_peer_beats(&disk->lane.channel),
			      oldest_out_ns(disk), bound_ns, disk->now_ns))
		tell(disk, NOTICE_SUSPECT, disk->lane.generation);
}

/* A full host disk. ------------------------------------------------------- */

static void tend_space(struct disk *disk)
{
	if (disk->no_space_count == 0 || disk->now_ns < disk->retry_ns ||
	    !disk_is_served(disk))
		return;
	disk->retry_ns = disk->now_ns + RETRY_NS;
	for (struct request *request = disk->oldest; request;
	     request = request->newer) {
		if (request->state != REQUEST_NO_SPACE)
			continue;
		request_rewind(request);
		request_enter(request, REQUEST_ISSUING);
	}
	table_rewind(disk);
}

uint64_t disk_deadline_ns(const struct disk *disk)
{
	uint64_t deadline = UINT64_MAX;

	if (disk->lane.is_open && disk->lane.out_count > 0)
		deadline = max_u64(disk->look_ns, 1);
	if (disk_is_served(disk) && disk->no_space_count > 0)
		deadline = min_u64(deadline, disk->retry_ns);
	/* Once the bound has passed, what comes is dealt with as it comes. */
	if (!disk_is_served(disk) && disk->settings.outage != OUTAGE_HOLD &&
	    disk->now_ns < outage_bound_ns(disk) && has_demand(disk))
		deadline = min_u64(deadline, outage_bound_ns(disk));
	if (disk->suspect_count > 0)
		deadline = min_u64(deadline, disk->poison_ns);
	return deadline == UINT64_MAX ? 0 : deadline;
}

void disk_run_timers(struct disk *disk, uint64_t now_ns)
{
	disk->now_ns = now_ns;
	disk_tend_outage(disk);
	tend_silence(disk);
	tend_space(disk);
	if (now_ns >= disk->poison_ns)
		tell_poison(disk);
}

/* Chains that the guest offered and we did not take. A count for people; a
 * guest that writes nonsense is believed up to the size of its ring (I7). */
static uint64_t waiting_in_ring(const struct front_queue *queue)
{
	uint16_t offered;

	if (!queue->vq.is_served || !ring_is_mapped(&queue->vq.ring) ||
	    queue->vq.ring.is_broken)
		return 0;
	offered = __atomic_load_n(&queue->vq.ring.available->idx,
				  __ATOMIC_RELAXED);
	return min_u64((uint16_t)(offered - ring_position(&queue->vq.ring)),
		       queue->size);
}

static void count_rings(const struct front *front,
			struct disk_counters *counters)
{
	for (uint32_t i = 0; i < front->queue_count; i++)
		counters->held += waiting_in_ring(&front->queues[i]);
	counters->in_flight = counters->held;
	for (uint32_t i = 0; i < front->queue_count; i++)
		counters->in_flight += front->queues[i].kept_count;
}

void disk_count(const struct disk *disk, struct disk_counters *ret_counters)
{
	const struct front *front = disk->front;

	*ret_counters = disk->counters;
	ret_counters->attachment_id = disk->settings.attachment_id;
	ret_counters->index = disk->settings.index;
	ret_counters->generation =
		disk_is_served(disk) ? disk->lane.generation : 0;
	ret_counters->is_up = disk_is_served(disk);
	if (front->ops->is_shared)
		ret_counters->in_flight = disk->request_count;
	else
		count_rings(front, ret_counters);
	for (const struct request *request = disk->oldest; request;
	     request = request->newer)
		ret_counters->held += request->out_count == 0 &&
				      request->state != REQUEST_WITNESS;
}
