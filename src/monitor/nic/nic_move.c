/* SPDX-License-Identifier: MIT */
/* Frames between the guest's rings and the service's. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/event.h"
#include "monitor/nic/nic.h"

#define BATCH 64

static struct virtqueue *receive_queue(struct nic *nic, uint32_t pair)
{
	return &nic->queues[2 * pair];
}

static struct virtqueue *transmit_queue(struct nic *nic, uint32_t pair)
{
	return &nic->queues[2 * pair + 1];
}

static void lose_service(struct nic *nic)
{
	notices_put(nic->notices, &(struct notice){
					  .kind = NOTICE_NIC_BROKEN,
					  .disk_index = nic->settings.index,
					  .generation = nic->link.generation,
				  });
	nic_down(nic);
}

/* Out. -------------------------------------------------------------------------- */

/* Copy a chain into the service's ring. -EAGAIN: it is full. */
static int send_chain(struct nic *nic, const struct ring_chain *chain)
{
	struct frames *frames = &nic->link.frames;
	uint8_t *record;
	uint32_t bytes;
	int r;

	if (net_measure(chain, FRAMES_RECORD_MAX, &bytes) < 0) {
		nic->counters.violations++;
		return 0;
	}
	r = frames_reserve(frames, bytes, &record);
	if (r < 0)
		return r;
	if (net_read(&nic->memory, chain, record, bytes) < 0) {
		nic->counters.violations++;
		return 0;
	}
	frames_commit(frames, bytes);
	nic->counters.out_frames++;
	nic->counters.out_bytes += bytes - NET_HEADER_BYTES;
	return 0;
}

/* One frame of a queue; false when there is none that could be sent. */
static bool transmit_one(struct nic *nic, struct virtqueue *queue)
{
	struct ring_chain chain;
	int r = virtqueue_take(queue, nic->receiver.segments, RING_CHAIN_MAX,
			       &chain);

	if (r == -EBADMSG)
		nic->counters.violations++;
	if (r < 0)
		return false;
	r = send_chain(nic, &chain);
	if (r < 0) {
		ring_untake(&queue->ring, chain.head);
		nic->is_full = r == -EAGAIN;
		if (r == -EBADMSG)
			lose_service(nic);
		return false;
	}
	virtqueue_push(queue, chain.head, 0);
	return true;
}

static bool transmit_from(struct nic *nic, struct virtqueue *queue)
{
	uint32_t count = 0;

	if (!queue->is_served)
		return false;
	while (count < BATCH && nic->link.is_open && transmit_one(nic, queue))
		count++;
	virtqueue_signal(queue);
	return count > 0;
}

static bool transmit(struct nic *nic)
{
	bool has_worked = false;

	nic->is_full = false;
	for (uint32_t i = 0; i < nic->shape.queue_pair_count; i++) {
		uint32_t pair = (nic->turn + i) % nic->shape.queue_pair_count;

		has_worked |= transmit_from(nic, transmit_queue(nic, pair));
	}
	nic->turn++;
	if (nic->link.is_open && frames_publish(&nic->link.frames))
		event_signal(nic->link.kick_fd);
	return has_worked;
}

/* In. ---------------------------------------------------------------------------- */

/* Frames of one flow stay in one queue. The addresses and ports of IPv4 and of
 * IPv6 are all before byte 58; what else is there differs between flows too. */
static uint32_t choose_pair(const struct nic *nic, const uint8_t *record,
			    uint32_t bytes)
{
	uint32_t pairs = nic->active_pairs;
	uint32_t hash = 0;

	if (pairs <= 1)
		return 0;
	for (uint32_t at = NET_HEADER_BYTES;
	     at < NET_HEADER_BYTES + 38u && at < bytes; at++)
		hash = hash * 31 + record[at];
	return (hash >> 8) % pairs;
}

/* The record goes to the guest, or nowhere; -EAGAIN: it waits. */
static int receive_record(struct nic *nic, const uint8_t *record,
			  uint32_t bytes)
{
	uint32_t pair = choose_pair(nic, record, bytes);
	struct virtqueue *queue = receive_queue(nic, pair);
	int r;

	/* Nobody is there. A ring that only stands still is waited for. */
	if (!nic->is_driven)
		return 0;
	nic->starved = pair;
	if (!queue->is_served)
		return -EAGAIN;
	r = net_receive(&nic->receiver, queue, nic->features, record, bytes);
	if (r == -EAGAIN && queue->ring.is_broken)
		return 0;
	if (r == -EBADMSG)
		nic->counters.violations++;
	if (r == -EMSGSIZE)
		nic->counters.in_dropped++;
	if (r == 0) {
		nic->counters.in_frames++;
		nic->counters.in_bytes += bytes - NET_HEADER_BYTES;
	}
	return r == -EAGAIN ? -EAGAIN : 0;
}

static bool receive(struct nic *nic)
{
	struct frames *frames = &nic->link.frames;
	const uint8_t *record;
	uint32_t bytes, count = 0;
	int r = 0;

	nic->wants_buffers = false;
	for (; count < BATCH; count++) {
		r = frames_next(frames, &record, &bytes);
		if (r < 0)
			break;
		if (bytes > NET_HEADER_BYTES)
			nic->wants_buffers =
				receive_record(nic, record, bytes) < 0;
		if (nic->wants_buffers)
			break;
		frames_release(frames);
	}
	for (uint32_t i = 0; i < nic->shape.queue_pair_count; i++)
		virtqueue_signal(receive_queue(nic, i));
	if (r == -EBADMSG) {
		lose_service(nic);
	} else if (frames_acknowledge(frames)) {
		event_signal(nic->link.kick_fd);
	}
	return count > 0;
}

bool nic_turn(struct nic *nic)
{
	bool has_worked = false;

	if (nic->is_frozen)
		return false;
	if (nic->shape.has_control)
		has_worked = nic_control_turn(nic);
	if (nic->link.is_open)
		has_worked |= transmit(nic);
	if (nic->link.is_open)
		has_worked |= receive(nic);
	return has_worked;
}

/* Sleeping. ------------------------------------------------------------------------- */

static bool prepare_queues(struct nic *nic)
{
	bool is_safe = true;

	if (nic->shape.has_control)
		is_safe &= !virtqueue_want_kicks(
			&nic->queues[2 * nic->shape.queue_pair_count]);
	if (!nic->link.is_open)
		return is_safe;
	for (uint32_t i = 0; i < nic->shape.queue_pair_count; i++)
		if (!nic->is_full)
			is_safe &=
				!virtqueue_want_kicks(transmit_queue(nic, i));
	if (nic->wants_buffers)
		is_safe &=
			!virtqueue_want_more(receive_queue(nic, nic->starved));
	return is_safe;
}

bool nic_prepare_sleep(struct nic *nic)
{
	struct frames *frames = &nic->link.frames;
	bool is_safe;

	/* Who thaws it wakes us. */
	if (nic->is_frozen)
		return true;
	is_safe = prepare_queues(nic);
	if (!nic->link.is_open)
		return is_safe;
	if (nic->is_full)
		is_safe &= frames_prepare_room(frames);
	if (!nic->wants_buffers)
		is_safe &= frames_prepare_sleep(frames);
	nic->trim_ns = frames_trim_ns(frames);
	/* From now on its silence counts. */
	if (frames_are_unread(frames) && !nic->look_ns) {
		hang_begin(&nic->hang, frames_beats(frames), clock_now_ns());
		nic->look_ns = nic->hang.beats_ns +
			       nic->settings.hang_ms * NS_PER_MS / 4;
	}
	return is_safe;
}

/* Silence. ---------------------------------------------------------------------------- */

static void sooner(uint64_t *ns, uint64_t other)
{
	if (other && (*ns == 0 || other < *ns))
		*ns = other;
}

uint64_t nic_deadline_ns(const struct nic *nic)
{
	uint64_t deadline = nic->tell_ns;

	if (nic->link.is_open) {
		sooner(&deadline, nic->look_ns);
		sooner(&deadline, nic->trim_ns);
	}
	return deadline;
}

static void suspect(struct nic *nic, uint64_t now_ns)
{
	notices_put(
		nic->notices,
		&(struct notice){
			.kind = NOTICE_NIC_SUSPECT,
			.disk_index = nic->settings.index,
			.generation = nic->link.generation,
			.oldest_ms = (now_ns - nic->hang.beats_ns) / NS_PER_MS,
		});
}

void nic_run_timers(struct nic *nic, uint64_t now_ns)
{
	uint64_t hang_ns = nic->settings.hang_ms * NS_PER_MS;
	bool is_waiting;

	if (nic->tell_ns && now_ns >= nic->tell_ns)
		nic_tell_now(nic);
	if (!nic->link.is_open)
		return;
	(void)frames_trim(&nic->link.frames, now_ns);
	if (!nic->look_ns || now_ns < nic->look_ns)
		return;
	is_waiting = frames_are_unread(&nic->link.frames);
	nic->look_ns = is_waiting ? now_ns + hang_ns / 4 : 0;
	if (is_waiting &&
	    hang_is_suspected(&nic->hang, frames_beats(&nic->link.frames), 0,
			      hang_ns, now_ns))
		suspect(nic, now_ns);
}
