/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/storage_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "base/scope.h"
#include "definition/rules.h"

/*
 * QEMU (block/file-posix.c) says with read locks on single bytes what it does
 * with an image: 100 + n, it has permission n; 200 + n, it does not share
 * permission n. n is 0 for consistent reads, 1 for writes, 2 for writes that
 * change nothing, 3 for resizing.
 *
 * We do the same. All our locks are read locks, which a descriptor that is open
 * for reading can hold (so a monitor carries them and can change nothing by it)
 * and which several descriptions of ours hold at once (so a service's keeps the
 * image locked after its supervisor and its monitor have died). Taking an image
 * is taking them and then asking whether anyone else has one that conflicts; of
 * two who do so at once, one or both are refused.
 *
 * A writer locks all bytes, "I do everything and share nothing". A reader says
 * "I read, and share that with nobody who writes": all bytes but those that a
 * QEMU that also only reads must find free.
 */
#define QEMU_WRITES   101 /* the first byte that no mere reader locks */
#define QEMU_NO_READS 200 /* the last one */

static struct flock range(short type, uint64_t start, uint64_t bytes)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)start,
		.l_len = (off_t)bytes,
	};
}

static int set_lock(int fd, short type, uint64_t start, uint64_t bytes)
{
	struct flock lock = range(type, start, bytes);

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* 1 when no other description's lock conflicts. */
static int is_free(int fd, short type, uint64_t start, uint64_t bytes)
{
	struct flock lock = range(type, start, bytes);

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type == F_UNLCK;
}

int storage_share_lock(int fd, const struct disk_definition *disk)
{
	int r;

	if (!rules_access_reads(disk->access))
		return set_lock(fd, F_RDLCK, 0, STORAGE_LOCK_BYTES);
	r = set_lock(fd, F_RDLCK, 0, QEMU_WRITES);
	if (r == 0)
		r = set_lock(fd, F_RDLCK, QEMU_NO_READS + 1,
			     STORAGE_LOCK_BYTES - QEMU_NO_READS - 1);
	return r;
}

int storage_lock(int fd, const struct disk_definition *disk)
{
	int r = storage_share_lock(fd, disk);

	if (r < 0)
		return r;
	if (rules_access_reads(disk->access))
		r = is_free(fd, F_WRLCK, QEMU_WRITES,
			    QEMU_NO_READS - QEMU_WRITES + 1);
	else
		r = is_free(fd, F_WRLCK, 0, STORAGE_LOCK_BYTES);
	if (r < 0)
		return r;
	return r ? 0 : -EBUSY;
}

int storage_lock_holder(int fd, const struct disk_definition *disk)
{
	short type = rules_access_reads(disk->access) ? F_RDLCK : F_WRLCK;
	struct flock lock = range(type, 0, STORAGE_LOCK_BYTES);

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	/* -1: the lock belongs to a description, not to a process. */
	return lock.l_pid > 0 ? lock.l_pid : 0;
}

/* -- the witness that a monitor kept for us -- */

static bool is_same_file(const struct stat *status,
			 const struct storage_facts *expected)
{
	if (expected->is_block_device)
		return S_ISBLK(status->st_mode) &&
		       status->st_rdev == expected->device;
	return S_ISREG(status->st_mode) && status->st_dev == expected->device &&
	       status->st_ino == expected->inode;
}

/* F_GETFL does not tell O_EXCL; that nobody can claim the device does. */
static bool is_claimed(int fd)
{
	SCOPED(close_fd) int claim = storage_reopen(fd, O_RDONLY | O_EXCL);

	return claim == -EBUSY;
}

int storage_check_witness(int witness_fd, const struct disk_definition *disk,
			  struct storage_facts *facts)
{
	struct storage_facts found;
	struct stat status;
	int r;

	if (fstat(witness_fd, &status) < 0)
		return -errno;
	if (!is_same_file(&status, facts))
		return -EBADMSG;
	if (facts->is_block_device && storage_is_claimed(disk) &&
	    !is_claimed(witness_fd))
		return -EBADMSG;
	r = storage_share_lock(witness_fd, disk);
	if (r == 0)
		r = storage_find_facts(witness_fd, disk, &found);
	if (r < 0)
		return r;
	found.size_bytes = facts->size_bytes;
	*facts = found;
	return 0;
}

int storage_take_error(int fd)
{
	/* No page lies there to be waited for; the error is told as by any
	 * call that waits for data. */
	if (sync_file_range(fd, (off_t)STORAGE_LOCK_BYTES, 1,
			    SYNC_FILE_RANGE_WAIT_BEFORE) < 0)
		return -errno;
	return 0;
}

/* -- generations -- */

static uint64_t fence_offset(uint64_t attachment_id,
			     const struct disk_definition *disk)
{
	if (rules_access_reads(disk->access))
		return STORAGE_FENCE_READERS + attachment_id;
	if (disk->access == DISK_READ_WRITE_SHARED)
		return STORAGE_FENCE_SHARED + attachment_id;
	return STORAGE_FENCE_OFFSET;
}

/* What of other lives of the image must be over as well: of its only writer, or
 * of every one that shared it. */
static int is_free_of_others(int fd, const struct disk_definition *disk)
{
	if (rules_access_reads(disk->access))
		return 1;
	if (disk->access == DISK_READ_WRITE_SHARED)
		return is_free(fd, F_WRLCK, STORAGE_FENCE_OFFSET, 1);
	return is_free(fd, F_WRLCK, STORAGE_FENCE_SHARED,
		       STORAGE_FENCE_SHARED_BYTES);
}

int storage_fence_is_lifted(int witness_fd, uint64_t attachment_id,
			    const struct disk_definition *disk)
{
	int r;

	if (failpoint("fence.skip"))
		return 1;
	r = is_free(witness_fd, F_WRLCK, fence_offset(attachment_id, disk), 1);
	return r == 1 ? is_free_of_others(witness_fd, disk) : r;
}

/* A lock for writing wants a description for writing. */
static int take_fence(int fd, uint64_t attachment_id,
		      const struct disk_definition *disk)
{
	short type = rules_access_reads(disk->access) ? F_RDLCK : F_WRLCK;
	int r = set_lock(fd, type, fence_offset(attachment_id, disk), 1);

	if (r == -EBUSY)
		return failpoint("fence.skip") ? 0 : -EAGAIN;
	return r;
}

int storage_open_generation(int witness_fd, uint64_t attachment_id,
			    const struct disk_definition *disk,
			    int *ret_generation_fd)
{
	SCOPED(close_fd) int fd = NO_FD;
	int flags = rules_access_reads(disk->access) ? O_RDONLY : O_RDWR;
	int r = storage_fence_is_lifted(witness_fd, attachment_id, disk);

	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	/* Between generations W alone has the lock, and its monitor has W. */
	r = failpoint("fence.skip") || rules_access_is_shared(disk->access)
		    ? storage_share_lock(witness_fd, disk)
		    : storage_lock(witness_fd, disk);
	if (r < 0)
		return r;
	if (disk->cache == DISK_DIRECT)
		flags |= O_DIRECT;
	fd = storage_reopen(witness_fd, flags);
	if (fd < 0)
		return fd;
	r = storage_share_lock(fd, disk);
	if (r == 0)
		r = take_fence(fd, attachment_id, disk);
	if (r == 0)
		*ret_generation_fd = take_fd(&fd);
	return r;
}
