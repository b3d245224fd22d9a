/* SPDX-License-Identifier: MIT */
/*
 * Volumes: storage that is defined apart from partitions, whose disks name it.
 *
 * All disks of a volume are served by one instance at a time, which alone has
 * the volume's ledger. So a disk comes up only when every other disk of the
 * volume is up with that same instance, or has nothing left in the kernel; what
 * moves to an instance of its own takes the others along. A disk without a
 * volume has all of this to itself.
 *
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_VOLUME_H
#define SUPERVISOR_VOLUME_H

#include <pthread.h>

#include "supervisor/service/disk.h"
#include "supervisor/store/store.h"

struct volume {
	TAILQ_ENTRY(volume) link;
	struct volume_record record;
	pthread_mutex_t opening; /* by errand_lock(): of a disk's witness */
};

TAILQ_HEAD(volume_list, volume);

/* Of a record, in no list. NULL: no memory. */
struct volume *volume_new(const struct volume_record *record);
/* The supervisor's list owns it. */
void volume_add(struct supervisor *supervisor, struct volume *volume);
void volume_free(struct supervisor *supervisor, struct volume *volume);
void volumes_free(struct supervisor *supervisor);

struct volume *volume_find(struct supervisor *supervisor, const char *name);

/* The disk with what it has of its volume, if it has one. */
struct disk_definition volume_resolve(struct supervisor *supervisor,
				      const struct disk_definition *disk);

/* Visit every disk of a partition with a monitor that is of the same volume as
 * this one, but not itself. The first result that is not 0 ends it. */
int volume_each_sibling(const struct disk *disk,
			int (*visit)(void *context, struct disk *sibling),
			void *context);

/* Are they one disk, or of one volume? */
bool volume_is_shared_by(const struct disk *a, const struct disk *b);

/* Must it wait, because another disk of its volume is with another instance, or
 * may have requests in the kernel? */
bool volume_must_wait(const struct disk *disk, const struct instance *instance);

#endif
