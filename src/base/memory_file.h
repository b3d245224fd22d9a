/* SPDX-License-Identifier: MIT */
/* Files whose data is nowhere but in memory. */
#ifndef BASE_MEMORY_FILE_H
#define BASE_MEMORY_FILE_H

#include <linux/magic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/*
 * To read this file no device is waited for. A file system that refuses
 * RWF_NOWAIT may still wait for one (FUSE, NFS); this kind does not. A device
 * is not meant, though its node may lie on such a file system.
 */
static inline bool file_is_in_memory(int fd)
{
	struct statfs system;
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	       fstatfs(fd, &system) == 0 &&
	       (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC);
}

#endif
