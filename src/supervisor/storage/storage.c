/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "definition/rules.h"
#include "supervisor/storage/storage_format.h"
#include "supervisor/storage/storage_lock.h"

#define SECTOR_BYTES   512
#define CD_BLOCK_BYTES 2048

/* A disk of a definition, and where to complain about it. */
struct subject {
	const struct disk_definition *disk;
	unsigned index;
	struct refusal *refusal;
};

#define refuse_disk(subject, ...) \
	storage_refuse((subject)->refusal, (subject)->index, __VA_ARGS__)

int storage_refuse(struct refusal *refusal, unsigned index, int error,
		   const char *format, ...)
{
	char field[32];
	char text[160];
	va_list arguments;

	(void)snprintf(field, sizeof(field), "disks[%u].file", index);
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return refuse(refusal, error, field, "%s", text);
}

/* Follows symbolic links, as /dev/disk/by-id wants, but not those of /proc. */
static int open_path(const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int storage_reopen(int fd, int flags)
{
	char path[32];
	int opened;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = open(path, flags | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}

/* A file, or the directory of one to come. Only who writes needs the fence. */
static int check_fenced(const struct subject *subject, int fd)
{
	char name[64] = "";
	int r;

	if (rules_access_reads(subject->disk->access) ||
	    subject->disk->access == DISK_READ_WRITE_UNFENCED)
		return 0;
	r = storage_name_unfenced(fd, name, sizeof(name));
	if (r < 0)
		return refuse_disk(subject, r, "%s", strerror(-r));
	if (!name[0])
		return 0;
	return refuse_disk(subject, -EINVAL,
			   "is on %s, where writes may land after their "
			   "writer's death; access: rw-unfenced allows it",
			   name);
}

/* By its O_PATH descriptor, as opening a device may already do something. */
static int check_kind(const struct subject *subject, const struct stat *status)
{
	if (subject->disk->type == DISK_TYPE_TAPE && !S_ISREG(status->st_mode))
		return refuse_disk(subject, -EINVAL,
				   "must be a regular file for a tape");
	if (S_ISBLK(status->st_mode) || S_ISREG(status->st_mode))
		return 0;
	return refuse_disk(subject, -EINVAL,
			   "is neither a regular file nor a block device");
}

static int refuse_open(const struct subject *subject, int error)
{
	if (error == -EBUSY)
		return refuse_disk(subject, error,
				   "is mounted, or in use by another program");
	if (error == -EROFS)
		return refuse_disk(subject, error, "is read-only on this host");
	return refuse_disk(subject, error, "cannot be opened: %s",
			   strerror(-error));
}

/* What is to be written to must be open for it once. */
static int check_writable(const struct subject *subject, int path_fd)
{
	SCOPED(close_fd) int writable = NO_FD;

	if (rules_access_reads(subject->disk->access))
		return 0;
	writable = storage_reopen(path_fd, O_RDWR);
	return writable < 0 ? writable : 0;
}

bool storage_is_claimed(const struct disk_definition *disk)
{
	return !rules_access_reads(disk->access) &&
	       !rules_access_is_shared(disk->access);
}

/*
 * A device for writing is claimed for as long as W lives. One that others have
 * as well cannot be, as a claim would be exclusive among them too; so it is only
 * made and dropped.
 */
static int open_device(const struct subject *subject, int path_fd)
{
	SCOPED(close_fd) int claim = storage_reopen(path_fd, O_RDONLY | O_EXCL);
	int r;

	if (claim < 0)
		return claim;
	r = check_writable(subject, path_fd);
	if (r < 0)
		return r;
	return storage_is_claimed(subject->disk)
		       ? take_fd(&claim)
		       : storage_reopen(path_fd, O_RDONLY);
}

/* Writable first: an overlay copies the file up then, and W is to be of what
 * is written to. */
static int open_file(const struct subject *subject, int path_fd)
{
	int r = check_writable(subject, path_fd);

	return r < 0 ? r : storage_reopen(path_fd, O_RDONLY);
}

static int device_facts(int fd, struct storage_facts *facts)
{
	int logical = 0;
	unsigned physical = 0;

	if (ioctl(fd, BLKGETSIZE64, &facts->size_bytes) < 0 ||
	    ioctl(fd, BLKSSZGET, &logical) < 0 ||
	    ioctl(fd, BLKPBSZGET, &physical) < 0)
		return -errno;
	facts->logical_block_bytes = (uint32_t)logical;
	/* A hint to the guest. */
	facts->physical_block_bytes = (uint32_t)min_u64(
		physical, max_u64(DISK_BLOCK_BYTES_MAX, (unsigned)logical));
	facts->direct_align_bytes = (uint32_t)logical;
	return 0;
}

/* O_DIRECT on a file may want more than a sector; then the guest must too. */
static int file_facts(int fd, const struct disk_definition *disk,
		      const struct stat *status, struct storage_facts *facts)
{
	struct statx extended;

	facts->recorded_bytes = (uint64_t)status->st_size;
	facts->size_bytes = facts->recorded_bytes;
	facts->is_growing = disk->type == DISK_TYPE_TAPE;
	if (facts->is_growing)
		facts->size_bytes = align_up_u64(
			max_u64(facts->recorded_bytes, 1), SECTOR_BYTES);
	facts->logical_block_bytes = SECTOR_BYTES;
	facts->physical_block_bytes = (uint32_t)max_u64(
		SECTOR_BYTES, min_u64((uint64_t)status->st_blksize, 4096));
	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &extended) < 0)
		return -errno;
	if (extended.stx_mask & STATX_DIOALIGN)
		facts->direct_align_bytes = extended.stx_dio_offset_align;
	else
		facts->direct_align_bytes = 4096; /* enough anywhere */
	if (disk->type == DISK_TYPE_CD)
		facts->logical_block_bytes = CD_BLOCK_BYTES;
	if (disk->cache == DISK_DIRECT)
		facts->logical_block_bytes = (uint32_t)max_u64(
			facts->logical_block_bytes, facts->direct_align_bytes);
	facts->physical_block_bytes = (uint32_t)max_u64(
		facts->physical_block_bytes, facts->logical_block_bytes);
	return 0;
}

int storage_find_facts(int fd, const struct disk_definition *disk,
		       struct storage_facts *ret_facts)
{
	struct storage_facts facts = { 0 };
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0)
		return -errno;
	facts.is_block_device = S_ISBLK(status.st_mode);
	facts.device = facts.is_block_device ? status.st_rdev : status.st_dev;
	facts.inode = status.st_ino;
	facts.mark = facts.is_block_device
			     ? storage_device_mark(fd, facts.device)
			     : (uint64_t)status.st_mtim.tv_sec * NS_PER_S +
				       (uint64_t)status.st_mtim.tv_nsec;
	r = facts.is_block_device ? device_facts(fd, &facts)
				  : file_facts(fd, disk, &status, &facts);
	if (r == 0)
		*ret_facts = facts;
	return r;
}

static int refuse_locked(const struct subject *subject, int fd, int error)
{
	int holder;

	if (error != -EBUSY)
		return refuse_disk(subject, error, "cannot be locked: %s",
				   strerror(-error));
	holder = storage_lock_holder(fd, subject->disk);
	if (holder > 0)
		return refuse_disk(subject, error, "is locked by process %d",
				   holder);
	return refuse_disk(subject, error,
			   "is locked by another program: a running partition "
			   "or a QEMU");
}

/* What a service and a monitor take. */
static int check_blocks(const struct subject *subject,
			const struct storage_facts *facts)
{
	if (facts->logical_block_bytes <= DISK_BLOCK_BYTES_MAX)
		return 0;
	return refuse_disk(subject, -EINVAL,
			   "has blocks of %u bytes; the maximum is %u",
			   facts->logical_block_bytes, DISK_BLOCK_BYTES_MAX);
}

/* W without its lock. */
static int open_unlocked(const struct subject *subject, int *ret_witness_fd)
{
	SCOPED(close_fd) int path_fd = open_path(subject->disk->file);
	SCOPED(close_fd) int fd = NO_FD;
	struct stat status;
	int r;

	if (path_fd < 0)
		return refuse_open(subject, path_fd);
	if (fstat(path_fd, &status) < 0)
		return refuse_open(subject, -errno);
	r = check_kind(subject, &status);
	if (r < 0)
		return r;
	fd = S_ISBLK(status.st_mode) ? open_device(subject, path_fd)
				     : open_file(subject, path_fd);
	if (fd < 0)
		return refuse_open(subject, fd);
	r = S_ISBLK(status.st_mode) ? 0 : check_fenced(subject, fd);
	if (r < 0)
		return r;
	*ret_witness_fd = take_fd(&fd);
	return 0;
}

typedef int lock_witness(int fd, const struct disk_definition *disk);

static int open_witness(const struct subject *subject, lock_witness *lock,
			int *ret_witness_fd, struct storage_facts *ret_facts)
{
	SCOPED(close_fd) int fd = NO_FD;
	int r = open_unlocked(subject, &fd);

	if (r < 0)
		return r;
	r = lock(fd, subject->disk);
	if (r < 0)
		return refuse_locked(subject, fd, r);
	r = storage_find_facts(fd, subject->disk, ret_facts);
	if (r < 0)
		return refuse_open(subject, r);
	r = check_blocks(subject, ret_facts);
	if (r < 0)
		return r;
	*ret_witness_fd = take_fd(&fd);
	return 0;
}

int storage_open_witness(const struct disk_definition *disk, unsigned index,
			 int *ret_witness_fd, struct storage_facts *ret_facts,
			 struct refusal *ret_refusal)
{
	struct subject subject = { disk, index, ret_refusal };

	return open_witness(&subject, storage_lock, ret_witness_fd, ret_facts);
}

int storage_open_served(const struct disk_definition *disk, unsigned index,
			int *ret_witness_fd, struct storage_facts *ret_facts,
			struct refusal *ret_refusal)
{
	struct subject subject = { disk, index, ret_refusal };

	return open_witness(&subject, storage_share_lock, ret_witness_fd,
			    ret_facts);
}

int storage_check_alone(int witness_fd, const struct disk_definition *disk,
			unsigned index, struct refusal *ret_refusal)
{
	struct subject subject = { disk, index, ret_refusal };
	int r = storage_lock(witness_fd, disk);

	return r < 0 ? refuse_locked(&subject, witness_fd, r) : 0;
}

/* A part of a device will do, and a part of a tape may be recorded. */
static bool size_agrees(const struct storage_facts *facts, uint64_t wanted)
{
	if (facts->is_block_device)
		return wanted <= facts->size_bytes;
	return facts->is_growing ? wanted >= facts->recorded_bytes
				 : wanted == facts->size_bytes;
}

static int check_size(const struct subject *subject,
		      const struct storage_facts *facts)
{
	uint64_t wanted = subject->disk->size_bytes;
	unsigned long long found = facts->recorded_bytes;

	if (facts->is_block_device)
		found = facts->size_bytes;
	if (wanted == 0)
		wanted = facts->size_bytes;
	if (!size_agrees(facts, wanted))
		return refuse_disk(subject, -EINVAL,
				   "has %llu bytes and size says %llu", found,
				   (unsigned long long)wanted);
	if (wanted == 0 || wanted % facts->logical_block_bytes != 0)
		return refuse_disk(subject, -EINVAL,
				   "has %llu bytes, which is not a multiple of "
				   "%u",
				   (unsigned long long)wanted,
				   facts->logical_block_bytes);
	return 0;
}

static int check_format(const struct subject *subject, int fd, uint64_t size)
{
	uint8_t first[FORMAT_SECTOR_BYTES] = { 0 };
	uint8_t last[FORMAT_SECTOR_BYTES] = { 0 };
	const char *format;

	/* Not O_DIRECT yet, so any buffer will do. */
	if (pread(fd, first, sizeof(first), 0) < 0 ||
	    pread(fd, last, sizeof(last), (off_t)(size - FORMAT_SECTOR_BYTES)) <
		    0)
		return refuse_disk(subject, -errno, "cannot be read: %s",
				   strerror(errno));
	format = storage_format(first, last);
	if (format)
		return refuse_disk(subject, -EINVAL,
				   "is a %s image; only raw images are served, "
				   "convert it with qemu-img",
				   format);
	return 0;
}

static int check_tape(const struct subject *subject, int fd,
		      const struct storage_facts *facts)
{
	if (!facts->is_growing || storage_is_tape(fd, facts->recorded_bytes))
		return 0;
	return refuse_disk(subject, -EINVAL,
			   "is no tape image: it does not begin as SIMH's do");
}

static int check_direct(const struct subject *subject, int fd,
			const struct storage_facts *facts)
{
	SCOPED(close_fd) int direct = NO_FD;

	if (subject->disk->cache != DISK_DIRECT)
		return 0;
	if (facts->direct_align_bytes > 0)
		direct = storage_reopen(fd, O_RDONLY | O_DIRECT);
	if (direct >= 0)
		return 0;
	return refuse_disk(
		subject, -EINVAL,
		"is on a file system that does not support cache: direct");
}

int storage_inspect(const struct disk_definition *disk, unsigned index,
		    struct storage_facts *ret_facts,
		    struct refusal *ret_refusal)
{
	struct subject subject = { disk, index, ret_refusal };
	SCOPED(close_fd) int fd = NO_FD;
	struct storage_facts facts = { 0 };
	/* Others who share it may be at work. */
	int r = open_witness(&subject,
			     rules_access_is_shared(disk->access)
				     ? storage_share_lock
				     : storage_lock,
			     &fd, &facts);

	if (r == 0)
		r = check_size(&subject, &facts);
	if (r == 0)
		r = check_direct(&subject, fd, &facts);
	if (r == 0)
		r = check_format(&subject, fd, facts.size_bytes);
	if (r == 0)
		r = check_tape(&subject, fd, &facts);
	if (r < 0)
		return r;
	if (disk->size_bytes != 0)
		facts.size_bytes = disk->size_bytes;
	*ret_facts = facts;
	return 0;
}

int storage_open_directory(const struct disk_definition *disk, unsigned index,
			   struct refusal *ret_refusal)
{
	struct subject subject = { disk, index, ret_refusal };
	char path[PATH_SIZE];
	char *slash;
	int fd;

	(void)text_copy(path, sizeof(path), disk->file);
	slash = strrchr(path, '/');
	if (!slash || slash[1] == '\0')
		return refuse_disk(&subject, -EINVAL, "names no file");
	slash[slash == path] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return refuse_disk(&subject, -errno,
				   "cannot be created: its directory: %s",
				   strerror(errno));
	return fd;
}

static int check_capacity(const struct subject *subject, int directory)
{
	struct statvfs room;
	int r = check_fenced(subject, directory);

	if (r < 0)
		return r;
	if (fstatvfs(directory, &room) < 0)
		return refuse_disk(subject, -errno, "%s", strerror(errno));
	if (room.f_flag & ST_RDONLY)
		return refuse_disk(subject, -EROFS,
				   "cannot be created: its file system is "
				   "read-only");
	/* Sparse, so what is free now does not matter; what can be, does. */
	if (room.f_blocks > 0 &&
	    subject->disk->size_bytes / room.f_frsize >= room.f_blocks)
		return refuse_disk(subject, -ENOSPC,
				   "is larger than its whole file system");
	return 0;
}

int storage_check_room(const struct disk_definition *disk, unsigned index,
		       struct refusal *ret_refusal)
{
	struct subject subject = { disk, index, ret_refusal };
	SCOPED(close_fd) int directory = NO_FD;

	if (rules_access_reads(disk->access))
		return refuse_disk(&subject, -ENOENT,
				   "does not exist, and a read-only disk is "
				   "not created");
	if (disk->size_bytes == 0)
		return refuse_disk(&subject, -ENOENT,
				   "does not exist, and there is no size to "
				   "create it with");
	directory = storage_open_directory(disk, index, ret_refusal);
	return directory < 0 ? directory : check_capacity(&subject, directory);
}
