/* SPDX-License-Identifier: MIT */
/*
 * One disk of a partition that has a monitor: who serves it, and the fence
 * between one instance and the next (invariant I4).
 *
 *   DETACHED   --disk_want()-->       FENCING
 *   FENCING    --fence lifted-->      WAITING, or DETACHED when not wanted
 *   WAITING    --instance READY-->    UP (channel of a new generation)
 *   UP         --instance died-->     FENCING
 *   UP         --disk_leave()-->      DETACHING (upgrade, isolation, unwant)
 *   DETACHING  --DISK_DETACHED-->     FENCING
 *   DETACHING  --instance died-->     FENCING
 *
 *   DETACHED   nobody serves it and nothing of it is in the kernel
 *   FENCING    an earlier generation may still have requests in the kernel
 *   WAITING    fence lifted; no instance is READY, or its monitor is not
 *   UP         instance and monitor share a channel of disk->generation
 *   DETACHING  the instance was told to drain; the monitor sends nothing more
 *
 * A fence that does not come leaves the disk stopped, and an event says so.
 */
#ifndef SUPERVISOR_DISK_H
#define SUPERVISOR_DISK_H

#include "supervisor/service/service.h"
#include "supervisor/storage/storage.h"

struct partition;

enum disk_state {
	DISK_IS_DETACHED,
	DISK_IS_FENCING,
	DISK_IS_WAITING,
	DISK_IS_UP,
	DISK_IS_DETACHING,
};

/* What its partition wants to know of it. */
struct disk_owner_ops {
	void (*came_up)(struct partition *partition);
	/* DETACHED, and nobody wants it. */
	void (*released)(struct partition *partition);
};

struct disk {
	struct partition *partition;
	const struct disk_owner_ops *owner;
	const struct disk_definition *definition; /* the partition's */
	char service[NAME_SIZE]; /* the one defined, or one beside it */
	unsigned index;
	uint64_t id; /* of the attachment, from the store */
	uint64_t generation;
	enum disk_state state;
	bool is_wanted; /* its monitor is READY and wants to be served */
	bool is_alone;  /* served by an instance of its own */
	int witness_fd; /* NO_FD while no monitor exists */
	struct storage_facts facts;
	struct instance *instance;        /* in UP and DETACHING */
	uint64_t up_ns;                   /* when the last channel came up */
	struct back_off channel_back_off; /* of channels that were broken */
	struct back_off alone_back_off;   /* of its own instances */
	uint64_t fence_began_ns;
	uint64_t fence_poll_ms;
	bool is_place_told; /* the event that every service is full */
	bool is_fence_told; /* the event about a slow fence was given */
	sd_event_source *timer;
	/* The last counters its monitor reported. */
	struct disk_counters counters;
};

extern const struct attachment_ops disk_attachments;

/* By its attachment; NULL when there is none. */
struct disk *disk_find(struct supervisor *supervisor, uint64_t attachment_id);

/* Of the service that is defined and those beside it, one with room.
 * -EBUSY  there is none */
int disk_choose_service(struct disk *disk, struct refusal *ret_refusal);

/* New settings of one that may be in use. */
void disk_changed(struct disk *disk);

/* Its monitor is READY: serve it as soon as the fence allows. */
void disk_want(struct disk *disk);

/* Its monitor is gone or going: drain. owner->released() follows when
 * it is DETACHED, at once if it is already. */
void disk_unwant(struct disk *disk);

/* Nobody knows of an instance that serves it, which proves nothing: fence. */
void disk_may_be_served(struct disk *disk);

/* Take it from its instance, to be served by another. */
void disk_leave(struct disk *disk);

/* Re-adoption: an instance says that it holds this attachment. */
void disk_found(struct disk *disk, struct instance *instance,
		uint64_t generation);

/* Messages of its monitor. */
void disk_suspected(struct disk *disk, uint64_t generation);
void disk_poisoned(struct disk *disk, uint64_t generation);
void disk_channel_refused(struct disk *disk, uint64_t generation);
void disk_channel_broken(struct disk *disk, uint64_t generation,
			 const char *by_whom);

/* Forget everything; its descriptors are closed. */
void disk_release(struct disk *disk);

/* "up", "waiting", ... */
const char *disk_state_name(enum disk_state state);

#endif
