/* SPDX-License-Identifier: MIT */
/*
 * The table of requests in flight; private to this folder.
 *
 * Every request taken from a ring is in a slot of its queue, found by head:
 * a driver can have a head out only once, so a slot is never contended. While
 * anything is still to be done for it, it is also in the list of its disk, in
 * the order taken.
 */
#ifndef MONITOR_TABLE_H
#define MONITOR_TABLE_H

#include "base/clock.h"
#include "monitor/disk/disk.h"

/* How long a request for which the host had no room waits. */
#define RETRY_NS (500 * NS_PER_MS)

/*
 * Room for long chains; no queue has slots.
 *
 * -ENOMEM
 */
int table_open(struct front *front);

/* Release all of it, which must be empty. Safe twice. */
void table_close(struct front *front);

/*
 * Give the queue `size` slots. Keeps what it has if the size is the same;
 * otherwise the table must be empty.
 *
 * -ENOMEM
 */
int table_allocate(struct front_queue *queue, uint16_t size);
void table_free(struct front_queue *queue);

/* A request just taken: copy it into its slot and link it to this disk's,
 * ISSUING. There must be room. */
struct request *table_add(struct front_queue *queue, struct disk *disk,
			  uint16_t head, const struct work *work);

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
void table_discard(struct front_queue *queue);

/* Answer a chain and update the in-flight record. The only way to push. */
static inline void queue_push(struct front_queue *queue, uint16_t head,
			      uint32_t written_bytes)
{
	inflight_push(&queue->inflight, &queue->vq.ring, head, written_bytes);
	queue->vq.has_pushed = true;
}

/* answer.c: report this result, 0 or a negative errno, to the guest, now or when
 * its ring runs again. */
void request_answer(struct request *request, int error);

/* answer.c: all of it has been answered by the service. */
void request_finish(struct request *request);

/* answer.c: report an answer that was kept while its ring was stopped. */
void request_push(struct request *request);

/* answer.c: report all that this queue kept. */
void table_push_done(struct front_queue *queue);

/* front.c: its rings may be served again: push what was kept for them. */
void front_resume(struct front *front);

/* front.c: take the next chain of the rings, in turns. 0: a request or an
 * answer; -EAGAIN: none can be taken. */
int front_take(struct front *front);

/* front.c: signal the guest for what was pushed. */
void front_signal(struct front *front);

/* rings.c: read a chain of an earlier life again, which is then a request that
 * is replayed; NULL: it is none. */
struct request *front_retake(struct front_queue *queue, uint16_t head);

/* rings.c: a front without disks; its next disk. -ENOMEM */
int front_open(struct front *front, const struct front_ops *ops,
	       uint32_t queue_count, uint32_t spill_count);
void front_add(struct front *front, struct disk *disk);

/* scsi_control.c: take over a chain of the control queue, as accept(). */
struct request *scsi_accept_control(struct front_queue *queue,
				    const struct ring_chain *chain);

/* front_scsi.c: the row of a request. */
struct scsi_row *scsi_row_of(const struct request *request);

/* rings.c: the transport's operations as every kind of device has them. */
int front_set_features(void *device, uint64_t features);
int front_queue_start(void *device, uint32_t index,
		      const struct virtio_queue_place *place);
uint16_t front_queue_stop(void *device, uint32_t index);
void front_queue_call(void *device, uint32_t index,
		      const struct virtio_queue_place *place);
void front_reset(void *device);
void front_detach(void *device);
int front_inflight_create(void *device, uint16_t queue_count,
			  uint16_t queue_size, int *ret_fd,
			  uint64_t *ret_bytes);
int front_inflight_set(void *device, int fd,
		       const struct virtio_inflight_place *place);

/* memory.c: the front end changed the guest's memory; missing memory is not
 * waited for any longer. */
void front_memory_changed(void *device);
void front_memory_settle(struct front *front);

/* answer.c: take the answers there are, up to a bound; true if any. */
bool disk_take_answers(struct disk *disk);

/* answer.c: requests held during an outage proceed. */
void disk_end_outage(struct disk *disk);

/*
 * flush.c. A FLUSH begins, or a write that promises stable storage was
 * answered: the witness is asked once older changes are answered. Then: they
 * may be answered now; an error may have been reported; a new life of the guest
 * begins.
 */
void flush_begin(struct request *request);
void flush_advance(struct disk *disk);
void flush_note_told(const struct request *request);
void flush_begin_life(struct disk *disk);

/* front_state.c: the heads that were in flight on this queue when it was
 * saved. */
uint16_t saved_heads(const struct front_queue *queue, uint16_t *heads);

/* front_state.c: nothing was saved. */
void saved_forget(struct front *front);

/* recovery.c: the service violated the channel's protocol. */
void disk_broken(struct disk *disk);

/* recovery.c: do what the policy says once an outage lasts too long. */
void disk_tend_outage(struct disk *disk);

/* recovery.c: the policy is to fail requests during this outage. */
bool disk_is_failing(const struct disk *disk);

/* issue.c: there is an outage, and some requests can be answered during it. */
bool disk_answers_in_outage(const struct disk *disk);

#endif
