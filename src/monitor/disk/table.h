/* SPDX-License-Identifier: MIT */
/*
 * The table of requests in flight; private to this folder.
 *
 * Every request taken from a ring is in a slot of its queue, found by head:
 * a driver can have a head out only once, so a slot is never contended. While
 * anything is still to be done for it, it is also in one list per disk, in
 * the order taken.
 */
#ifndef MONITOR_TABLE_H
#define MONITOR_TABLE_H

#include "base/clock.h"
#include "monitor/disk/disk.h"

/* How long a request for which the host had no room waits. */
#define RETRY_NS (500 * NS_PER_MS)

/*
 * An empty table; no queue has slots.
 *
 * -ENOMEM
 */
int table_open(struct disk *disk);

/* Release all of it, which must be empty. Safe twice. */
void table_close(struct disk *disk);

/* There is room for the next chain, however long. */
static inline bool table_has_room(const struct disk *disk)
{
	return disk->free_spill_count > 0;
}

/*
 * Give the queue `size` slots. Keeps what it has if the size is the same;
 * otherwise the table must be empty.
 *
 * -ENOMEM
 */
int table_allocate(struct disk_queue *queue, uint16_t size);
void table_free(struct disk_queue *queue);

/* A request just taken: copy it into its slot and link it, ISSUING. */
struct request *table_add(struct disk_queue *queue, uint16_t head,
			  const struct blk_request *blk);

/* The only writer of request->state, and keeper of the counts and the list. */
void request_enter(struct request *request, enum request_state state);

/* Start the request over: nothing of it is on a channel. */
void request_rewind(struct request *request);

/* The next request to be sent, or NULL; moves the cursor. */
struct request *table_next(struct disk *disk);

/* Requests older than the cursor may be sendable again. */
static inline void table_rewind(struct disk *disk)
{
	disk->cursor = disk->oldest;
}

/* Forget every request of the queue; what is on the channel goes stale. */
void table_discard(struct disk_queue *queue);

/* Answer a chain and update the in-flight record. The only way to push. */
static inline void queue_push(struct disk_queue *queue, uint16_t head,
			      uint32_t written_bytes)
{
	inflight_push(&queue->inflight, &queue->vq.ring, head, written_bytes);
	queue->vq.has_pushed = true;
}

/* answer.c: report this status to the guest, now or when its ring runs
 * again. */
void request_answer(struct request *request, uint8_t status);

/* answer.c: all of it has been answered by the service. */
void request_finish(struct request *request);

/* answer.c: report an answer that was kept while its ring was stopped. */
void request_push(struct request *request);

/* answer.c: report all that this queue kept. */
void table_push_done(struct disk_queue *queue);

/* memory.c: the front end changed the guest's memory; missing memory is not
 * waited for any longer. */
void memory_changed(void *device);
void memory_settle(struct disk *disk);

/* answer.c: take the answers there are, up to a bound; true if any. */
bool disk_take_answers(struct disk *disk);

/* answer.c: signal the guest for what was pushed. */
void disk_signal(struct disk *disk);

/* issue.c: take over a chain; true when it became a request in the table. */
bool issue_accept(struct disk_queue *queue, const struct ring_chain *chain);

/* answer.c: requests held during an outage proceed. */
void disk_end_outage(struct disk *disk);

/*
 * flush.c. A FLUSH begins, or a write that promises stable storage was
 * answered: the witness is asked once older changes are answered. Then: they
 * may be answered now; an error may have been reported; a new life of the guest
 * begins.
 */
bool flush_is_promised(const struct request *request);
void flush_begin(struct request *request);
void flush_advance(struct disk *disk);
void flush_note_told(const struct request *request);
void flush_begin_life(struct disk *disk);

/* disk_state.c: the heads that were in flight on this queue when it was
 * saved. */
uint16_t saved_heads(const struct disk_queue *queue, uint16_t *heads);

/* disk_state.c: nothing was saved. */
void saved_forget(struct disk *disk);

/* recovery.c: the service violated the channel's protocol. */
void disk_broken(struct disk *disk);

/* recovery.c: the policy is to fail requests during this outage. */
bool disk_is_failing(const struct disk *disk);

#endif
