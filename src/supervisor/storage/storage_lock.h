/* SPDX-License-Identifier: MIT */
/* The locks of storage.h, byte by byte; and what its files share. */
#ifndef SUPERVISOR_STORAGE_LOCK_H
#define SUPERVISOR_STORAGE_LOCK_H

#include "supervisor/storage/storage.h"

/* Another open file description of the same file. The descriptor or -errno. */
int storage_reopen(int fd, int flags);

/* By statfs's magic: do writes on this file system end with their writer? */
bool storage_is_fenced(long magic);

/* The name of the file system, in words, if they do not; else none. 0 or a
 * negative errno. */
int storage_name_unfenced(int fd, char *ret_name, size_t room);

/* The mark of a block device, by its st_rdev (storage.h). */
uint64_t storage_device_mark(int fd, uint64_t device);

/* All facts of an image that is open for reading. */
int storage_find_facts(int fd, const struct disk_definition *disk,
		       struct storage_facts *ret_facts);

/* The directory that holds the image. The descriptor or -errno, refused. */
int storage_open_directory(const struct disk_definition *disk, unsigned index,
			   struct refusal *ret_refusal);

/*
 * Take the lock of a witness on this description; again is no harm. Nobody else
 * may have one, a generation neither.
 *
 * -EBUSY  someone else has one that conflicts
 */
int storage_lock(int fd, const struct disk_definition *disk);

/*
 * The same beside descriptions of our own that have it.
 *
 * -EBUSY  someone has locked it for himself alone
 */
int storage_share_lock(int fd, const struct disk_definition *disk);

/* The process whose lock conflicts; 0 when the kernel does not say. */
int storage_lock_holder(int fd, const struct disk_definition *disk);

#endif
