/* SPDX-License-Identifier: MIT */
/*
 * One disk of the partition, whatever kind of device is in front of it
 * (front.h): a lane to a disk service, and the private table of requests in
 * flight, from which everything unanswered is replayed to the next service.
 *
 * The table is a list in the order taken; `cursor` separates what was sent from
 * what was not. docs/architecture.md, 3 and 4, has the rules; the invariants I1
 * to I7 are cited where they are upheld.
 *
 *   issue.c     table -> lane
 *   local_read.c  reads that take no service
 *   answer.c    lane -> table -> rings
 *   flush.c     FLUSHes, and other promises of stable storage
 *   recovery.c  loss, return and silence of a service; long outages; a full
 *               host disk
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
#include "monitor/disk/front.h"
#include "monitor/disk/lane.h"
#include "monitor/disk/local_read.h"
#include "monitor/disk/overlap.h"
#include "monitor/disk/request.h"
#include "monitor/thread/notice.h"

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
	struct disk_counters counters;
	struct front *front; /* borrowed; set by the front */

	/* The table. */
	struct request *oldest;
	struct request *newest;
	struct request *cursor; /* nothing older than this can be sent */
	uint32_t request_count; /* linked */
	uint32_t suspect_count; /* of those */
	uint32_t no_space_count;
	struct overlap overlap; /* of the changes linked */

	/* The service's side. */
	struct lane lane;
	bool is_alone;   /* its instance serves nobody else */
	bool is_leaving; /* it is drained, and answers what it has */
	bool is_blocked; /* what waits in the rings cannot be sent now */
	bool was_up;
	bool has_asked_for_pause; /* in this outage */
	bool is_first_answer_due;
	bool is_replaying; /* a SCSI service waits for the last of it */
	uint64_t lost_ns;  /* when the outage began */
	uint64_t look_ns;  /* when to look again */
	struct hang_watch hang;
	uint64_t stale_ns;     /* since when there are stale chunks */
	uint64_t poison_ns;    /* when to ask again for an instance alone */
	uint64_t retry_ns;     /* when to try requests without space again */
	uint64_t copied_bytes; /* from or to the guest, in this turn */
	uint64_t now_ns;       /* of this turn, roughly */

	struct local_reads local;

	/* Stable storage (flush.c). */
	uint64_t asked;     /* askings of the witness so far */
	uint64_t witnessed; /* the last that it answered */
	bool has_unasked;   /* FLUSHes wait for older changes */
	/* Data of this disk was lost on its way to stable storage. */
	bool has_flush_error;
	const struct front_queue
		*told_on; /* the guest knows, from this queue */
};

/*
 * A disk without front and without service.
 *
 * -EINVAL  impossible settings
 */
int disk_init(struct disk *disk, const struct monitor_disk *settings,
	      const struct disk_ops *ops);
/* After its front. Safe twice. */
void disk_release(struct disk *disk);

/* The kind of channel that a disk of these settings is served over. */
static inline enum channel_kind
disk_channel_kind(const struct monitor_disk *settings)
{
	return settings->bus == DISK_BUS_SCSI ? CHANNEL_KIND_SCSI
					      : CHANNEL_KIND_DISK;
}

/* I/O (issue.c, answer.c). ---------------------------------------------- */

/* Do what can be done now; true when anything was. */
bool disk_turn(struct disk *disk);

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
