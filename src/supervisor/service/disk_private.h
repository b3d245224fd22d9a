/* SPDX-License-Identifier: MIT */
/* What the files of disks share. */
#ifndef SUPERVISOR_DISK_PRIVATE_H
#define SUPERVISOR_DISK_PRIVATE_H

#include "base/count.h"
#include "supervisor/service/disk.h"

static inline struct disk *disk_of(const struct binding *binding)
{
	return CONTAINER_OF(binding, struct disk, binding);
}

/* disk_channel.c: what struct binding_ops has of it */
int disk_prepare(struct binding *binding, uint64_t generation,
		 struct handover *handover);
void disk_tell_both(struct binding *binding, struct instance *instance,
		    const struct handover *handover);
void disk_tell_leaving(struct binding *binding);

/* Its monitor, if it has one, is to send nothing more; and why. */
void disk_tell_down(struct disk *disk, enum disk_down_cause cause);

/* Its instance; one that nobody wants is closed next. */
void disk_tell_service_to_leave(struct binding *binding);

#endif
