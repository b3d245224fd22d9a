/* SPDX-License-Identifier: MIT */
/*
 * One disk of the partition: virtqueues on the guest's side, a lane to a disk
 * service on the other, and between them the private table of requests in
 * flight, from which everything unanswered is replayed to the next service.
 *
 * Requests stay in the guest's ring until they can be sent: the ring is the
 * queue, virtqueues take turns, and memory is bounded by the rings. The table
 * is a list in the order taken; `cursor` separates what was sent from what was
 * not. docs/architecture.md, 3 and 4, has the rules; the invariants I1 to I7
 * are cited where they are upheld.
 *
 *   rings.c     the transport's operations (rings start and stop)
 *   memory.c    the guest's memory changes under running rings
 *   issue.c     rings -> table -> lane
 *   answer.c    lane -> table -> rings
 *   flush.c     FLUSHes, and other promises of stable storage
 *   recovery.c  loss, return and silence of a service; long outages; a full
 *               host disk
 *   disk_state.c  freezing for a saved image, and restoring from one
 *   table.c     the table itself
 *
 * Trust      The guest, its front end and the service are hostile.
 * Threads    The I/O thread, once it runs. Nothing here blocks.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_DISK_H
#define MONITOR_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel/hang.h"
#include "control/protocol.h"
#include "guestmem/guestmem.h"
#include "machine/state.h"
#include "monitor/disk/lane.h"
#include "monitor/disk/overlap.h"
#include "monitor/disk/request.h"
#include "monitor/thread/notice.h"
#include "virtio/blk.h"
#include "virtio/inflight.h"
#include "virtio/queue.h"

/* 4 MiB: the most that a hostile guest can make us keep of chains, per disk. */
#define SPILL_BLOCKS 256

struct disk;

struct disk_queue {
	struct virtqueue vq;
	struct disk *disk;
	struct inflight inflight;
	struct request *requests; /* owned; `size`, by head */
	uint16_t size;
	uint16_t kept_count; /* requests not FREE */
	uint16_t index;
	bool has_backlog; /* when last about to sleep, chains waited */
};

/* A request that was in flight when the partition was saved. */
struct saved_request {
	uint16_t queue_index;
	uint16_t head;
	uint8_t status; /* VIRTIO_BLK_S_..., if it is done */
	bool is_done;
};

/* A disk's callbacks; a test provides its own. */
struct disk_ops {
	struct notices *notices;
	/* Have fdatasync(witness) called on a thread that may block. Its result
	 * comes back through disk_witnessed(), with the number of the latest
	 * request made before it began. */
	void (*ask_witness)(void *context, uint32_t disk_index, uint64_t asked);
	void *context;
};

struct disk {
	struct monitor_disk settings;
	struct disk_ops ops;
	struct blk_disk shape;
	struct disk_counters counters;

	/* The guest's side. */
	struct guestmem memory;
	uint64_t memory_bytes; /* mapped, before some was taken away */
	uint64_t settled_ns; /* when to stop waiting for it; 0: all is there */
	struct virtio_transport transport;
	uint64_t features; /* negotiated */
	struct inflight_region region;
	struct disk_queue queues[QUEUE_COUNT_MAX];
	uint32_t turn; /* the queue whose turn it is */

	/* The table. */
	struct request *oldest;
	struct request *newest;
	struct request *cursor; /* nothing older than this can be sent */
	uint32_t request_count; /* linked */
	uint32_t suspect_count; /* of those */
	uint32_t no_space_count;
	struct overlap overlap; /* of the changes linked */
	/* Room for long chains, so many at a time: more wait in the rings. */
	struct ring_segment *spill; /* owned; blocks of RING_CHAIN_MAX */
	uint32_t free_spill_count;
	uint16_t free_spill[SPILL_BLOCKS]; /* a stack */

	/* The service's side. */
	struct lane lane;
	bool is_alone;   /* its instance serves nobody else */
	bool is_leaving; /* it is drained, and answers what it has */
	bool is_blocked; /* what waits in the rings cannot be sent now */
	bool was_up;
	bool has_asked_for_pause; /* in this outage */
	bool is_first_answer_due;
	uint64_t lost_ns; /* when the outage began */
	uint64_t look_ns; /* when to look again */
	struct hang_watch hang;
	uint64_t stale_ns;     /* since when there are stale chunks */
	uint64_t poison_ns;    /* when to ask again for an instance alone */
	uint64_t retry_ns;     /* when to try requests without space again */
	uint64_t copied_bytes; /* of writes, in this turn */
	uint64_t now_ns;       /* of this turn, roughly */

	/* Stable storage (flush.c). */
	uint64_t asked;     /* askings of the witness so far */
	uint64_t witnessed; /* the last that it answered */
	bool has_unasked;   /* FLUSHes wait for older changes */
	/* Data of this disk was lost on its way to stable storage. */
	bool has_flush_error;
	const struct disk_queue *told_on; /* the guest knows, from this queue */

	/* Of a saved partition: nothing is taken from the guest nor told to it;
	 * what was restored is taken up when it thaws. */
	bool is_frozen;
	struct saved_request *saved; /* owned; in the order taken */
	uint32_t saved_count;

	/* Storage for the chain being taken. */
	struct ring_segment *scratch; /* owned; RING_CHAIN_MAX */
};

/*
 * A disk without driver and without service.
 *
 * -EINVAL  impossible settings
 * -ENOMEM
 */
int disk_init(struct disk *disk, const struct monitor_disk *settings,
	      const struct disk_ops *ops);
void disk_release(struct disk *disk);

/* Guest's side (rings.c). ----------------------------------------------- */

/* For the transport; the device is the disk. */
extern const struct virtio_device_ops disk_device_ops;

/* The queue's ring may be read and answered now. For a stopped ring, or while
 * memory is being moved, answers are kept until it may. */
static inline bool queue_is_live(const struct disk_queue *queue)
{
	return queue->vq.is_served && !queue->disk->is_frozen &&
	       queue->disk->settled_ns == 0 && ring_is_mapped(&queue->vq.ring);
}

/* Saved partitions (disk_state.c). --------------------------------------- */

/* Take nothing from the guest and write nothing to its memory from now on. The
 * service may still answer requests; the answers are kept. */
void disk_freeze(struct disk *disk);

/* Continue, where it was stopped or from the restored state. Safe on one that
 * is not frozen. */
void disk_thaw(struct disk *disk);

/* Append a section STATE_DISK, of a frozen disk: its requests in flight. */
void disk_state_save(const struct disk *disk, struct state_writer *writer);

/*
 * Read one, into a fresh disk, which is frozen then: before its transport
 * starts the queues, as it does when it is restored. Requests without an answer
 * are executed (again) once it thaws.
 */
void disk_state_restore(struct disk *disk, struct state_reader *reader);

/* I/O (issue.c, answer.c). ---------------------------------------------- */

/* Do what can be done now; true when anything was. */
bool disk_turn(struct disk *disk);

/* Ask both sides to be woken; true when it is safe to sleep. */
bool disk_prepare_sleep(struct disk *disk);

/* A large request is in flight: the next answer will take longer. */
static inline bool disk_has_large(const struct disk *disk)
{
	return disk->lane.large_count > 0;
}

/* Stable storage (flush.c). ----------------------------------------------- */

/* The witness was synchronised for all requests up to the number `asked`: 0 or
 * a negative errno. */
void disk_witnessed(struct disk *disk, uint64_t asked, int result);

/* Its witness was synchronised elsewhere, with an error that the next FLUSH
 * must report. */
void disk_owe_error(struct disk *disk);

/* No request is pending with the service or the witness. */
static inline bool disk_is_quiet(const struct disk *disk)
{
	return (!disk->lane.is_open || disk->lane.out_count == 0) &&
	       disk->asked == disk->witnessed;
}

/* Service's side (recovery.c). ------------------------------------------- */

/* Use this lane (moved, not copied) from now on; the fence has passed (I4). */
void disk_up(struct disk *disk, struct lane *lane, bool is_alone);

/* The service is gone, and its lane is not touched any more; or it is leaving,
 * and what it still answers counts. No effect on a disk without a service. */
void disk_down(struct disk *disk, enum disk_down_cause cause);

/*
 * Take over settings, which are in the ranges of MONITOR_DISK_SET. During an
 * outage they hold from its beginning: a bound that has passed already acts at
 * the next disk_run_timers(), one that has not, or OUTAGE_HOLD, has what is
 * still unanswered wait on. What the old policy has done stays done.
 */
void disk_set(struct disk *disk, const struct disk_settings *settings);

/* It has a service that takes requests. */
static inline bool disk_is_served(const struct disk *disk)
{
	return disk->lane.is_open && !disk->is_leaving;
}

/* When disk_run_timers() wants to be called next; 0: not at all. */
uint64_t disk_deadline_ns(const struct disk *disk);

/* Timers: silent services, long outages, full host disks. */
void disk_run_timers(struct disk *disk, uint64_t now_ns);

/* Counters as of now. */
void disk_count(const struct disk *disk, struct disk_counters *ret_counters);

#endif
