/* SPDX-License-Identifier: MIT */
/* From the guest's rings to the table, and when. */
#include "monitor/disk/front.h"

#include <errno.h>

#include "base/count.h"
#include "monitor/disk/table.h"

/* Chains taken from one queue before it is the next one's turn. */
#define TURN_CHAINS 8
/* Chains taken for shared rings before answers are looked at again. */
#define TAKE_MAX 256

/* There is room for its next chain. Task management has room of its own for all
 * but the oddest chains, since it is what ends commands that take the rest. */
static bool has_room(const struct front_queue *queue)
{
	return front_has_room(queue->front) ||
	       (queue->front->ops->is_shared &&
		queue->index == SCSI_CONTROL_QUEUE);
}

/* Take from one queue. 0: a request or an answer; -EAGAIN: nothing there. */
static int take(struct front_queue *queue)
{
	struct front *front = queue->front;
	struct ring_chain chain;
	int r;

	if (queue->is_idle || !queue_is_live(queue) || !has_room(queue))
		return -EAGAIN;
	r = virtqueue_take(&queue->vq, front->scratch, RING_CHAIN_MAX, &chain);
	if (r == -EBADMSG)
		front->disks[0]->counters.violations++;
	if (r < 0)
		return -EAGAIN;
	inflight_mark(&queue->inflight, chain.head);
	(void)front->ops->accept(queue, &chain);
	return 0;
}

/* Queues in turns, TURN_CHAINS each. */
int front_take(struct front *front)
{
	uint32_t count = front->queue_count;

	for (uint32_t i = 0; i <= count; i++) {
		if (take(&front->queues[front->turn / TURN_CHAINS]) == 0) {
			front->turn = (front->turn + 1) % (count * TURN_CHAINS);
			return 0;
		}
		front->turn =
			(front->turn / TURN_CHAINS + 1) % count * TURN_CHAINS;
	}
	return -EAGAIN;
}

void front_signal(struct front *front)
{
	for (uint32_t i = 0; i < front->queue_count; i++) {
		struct front_queue *queue = &front->queues[i];

		if (queue->vq.has_pushed && queue_is_live(queue))
			virtqueue_signal(&queue->vq);
	}
}

void front_resume(struct front *front)
{
	for (uint32_t i = 0; i < front->queue_count; i++)
		if (queue_is_live(&front->queues[i]))
			table_push_done(&front->queues[i]);
	for (uint32_t i = 0; i < front->disk_count; i++) {
		table_rewind(front->disks[i]);
		front->disks[i]->is_blocked = false;
	}
	front_signal(front);
}

/* A disk that cannot be served holds up no other of the same rings. */
static bool take_shared(struct front *front)
{
	uint32_t taken = 0;

	while (taken < TAKE_MAX && front_take(front) == 0)
		taken++;
	if (taken > 0)
		front_signal(front);
	return taken > 0;
}

bool front_turn(struct front *front)
{
	bool has_worked;

	if (!front->ops->is_shared)
		return disk_turn(front->disks[0]);
	has_worked = take_shared(front);
	for (uint32_t i = 0; i < front->disk_count; i++)
		has_worked |= disk_turn(front->disks[i]);
	return has_worked;
}

/* True: chains came in between that can be taken. */
static bool want_kicks(struct front *front)
{
	bool has_more = false;

	for (uint32_t i = 0; i < front->queue_count; i++) {
		struct front_queue *queue = &front->queues[i];

		if (queue->is_idle || !queue_is_live(queue))
			continue;
		queue->has_backlog = virtqueue_want_kicks(&queue->vq);
		has_more |= queue->has_backlog && has_room(queue);
	}
	return has_more;
}

bool front_prepare_sleep(struct front *front)
{
	const struct disk *disk = front->disks[0];
	bool is_safe = true;

	/* During an outage nothing else will look. */
	if (want_kicks(front) && (front->ops->is_shared || !disk->is_blocked ||
				  disk_answers_in_outage(disk)))
		return false;
	for (uint32_t i = 0; i < front->disk_count; i++) {
		struct lane *lane = &front->disks[i]->lane;

		is_safe &= !lane->is_open ||
			   channel_prepare_sleep(&lane->channel, 1);
	}
	return is_safe;
}

uint64_t front_deadline_ns(const struct front *front)
{
	uint64_t deadline = front->settled_ns;

	for (uint32_t i = 0; i < front->disk_count; i++) {
		uint64_t own = disk_deadline_ns(front->disks[i]);

		if (own && (!deadline || own < deadline))
			deadline = own;
	}
	return deadline;
}

void front_run_timers(struct front *front, uint64_t now_ns)
{
	if (front->settled_ns != 0 && now_ns >= front->settled_ns)
		front_memory_settle(front);
	for (uint32_t i = 0; i < front->disk_count; i++)
		disk_run_timers(front->disks[i], now_ns);
}
