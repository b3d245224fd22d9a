/* SPDX-License-Identifier: MIT */
/*
 * One disk of a partition that has a monitor: who serves it, and the fence
 * between one instance and the next (invariant I4).
 *
 * FENCING while an earlier generation may have requests in the kernel, UP while
 * instance and monitor share a channel, DETACHING while the instance drains it;
 * the monitor sends nothing more then. Its states are those of binding.h.
 *
 * A fence that does not come leaves the disk stopped, and an event says so.
 */
#ifndef SUPERVISOR_DISK_H
#define SUPERVISOR_DISK_H

#include "supervisor/service/binding.h"
#include "supervisor/storage/storage.h"

struct partition;
struct volume;

/* What its partition wants to know of it. */
struct disk_owner_ops {
	void (*came_up)(struct partition *partition);
	/* DETACHED, and nobody wants it. */
	void (*released)(struct partition *partition);
};

struct disk {
	struct binding binding; /* wanted: its monitor is READY */
	struct partition *partition;
	const struct disk_owner_ops *owner;
	struct volume *volume; /* NULL: it has a file of its own */
	/* The partition's, or `resolved`: that with what the volume has. */
	const struct disk_definition *definition;
	struct disk_definition resolved;
	char service[NAME_SIZE]; /* the one defined, or one beside it */
	unsigned index;
	bool is_alone;  /* served by an instance of its own */
	int witness_fd; /* NO_FD while no monitor exists */
	struct storage_facts facts;
	struct back_off alone_back_off; /* of its own instances */
	uint64_t fence_began_ns;
	uint64_t fence_poll_ms;
	bool is_place_told; /* the event that every service is full */
	bool is_fence_told; /* the event about a slow fence was given */
	/* The last counters its monitor reported. */
	struct disk_counters counters;
};

extern const struct attachment_ops disk_attachments;
extern const struct binding_ops disk_binding;

/* Others may have its volume: whether there are any now, or only may be, says
 * its access. */
static inline bool disk_is_shared(const struct disk *disk)
{
	return disk->volume && disk->definition->access != DISK_READ_WRITE;
}

/* Take over its definition, which is the partition's, and its volume. */
void disk_resolve(struct disk *disk, const struct disk_definition *definition);

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

/* Messages of its monitor. */
void disk_poisoned(struct disk *disk, uint64_t generation);
void disk_channel_refused(struct disk *disk, uint64_t generation);
void disk_channel_broken(struct disk *disk, uint64_t generation,
			 const char *by_whom);

/* Forget everything; its descriptors are closed. */
void disk_release(struct disk *disk);

#endif
