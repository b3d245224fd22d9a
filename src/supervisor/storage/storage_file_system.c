/* SPDX-License-Identifier: MIT */
/* Which file systems the fence holds on. */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/count.h"
#include "supervisor/storage/storage_lock.h"

struct file_system {
	long magic;
	const char *name;
};

/*
 * Local ones, whose writes are done by the caller and the block layer, which
 * hold the descriptor until they have ended: a service's last request is over
 * when the last reference to its descriptor is. Of others nobody has shown it.
 */
static const struct file_system fenced[] = {
	{ EXT4_SUPER_MAGIC, "ext2, ext3 or ext4" },
	{ 0x58465342, "XFS" },
	{ BTRFS_SUPER_MAGIC, "Btrfs" },
	{ F2FS_SUPER_MAGIC, "F2FS" },
	{ 0xca451a4e, "bcachefs" },
	{ 0x2fc12fc1, "ZFS" },
	{ TMPFS_MAGIC, "tmpfs" },
	{ RAMFS_MAGIC, "ramfs" },
};

/* Others that are met, to name them: a server may still have a write whose
 * sender was killed. */
static const struct file_system unfenced[] = {
	{ NFS_SUPER_MAGIC, "NFS" },
	{ FUSE_SUPER_MAGIC, "FUSE" },
	{ SMB_SUPER_MAGIC, "SMB" },
	{ CIFS_SUPER_MAGIC, "SMB" },
	{ SMB2_SUPER_MAGIC, "SMB" },
	{ V9FS_MAGIC, "9p" },
	{ CEPH_SUPER_MAGIC, "Ceph" },
	{ AFS_SUPER_MAGIC, "AFS" },
	{ 0x0bd00bd0, "Lustre" },
	{ 0x19830326, "BeeGFS" },
	{ 0x47504653, "GPFS" },
	{ 0x786f4256, "vboxsf" },
	{ OVERLAYFS_SUPER_MAGIC, "an overlay on an unknown file system" },
};

static const char *find_name(const struct file_system *list, size_t count,
			     long magic)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].magic == magic)
			return list[i].name;
	return NULL;
}

bool storage_is_fenced(long magic)
{
	return find_name(fenced, ARRAY_COUNT(fenced), magic) != NULL;
}

/*
 * The layer that takes an overlay's writes has no name here, and may be out of
 * reach, as in a container. But the kernel wants whiteouts of it, which no
 * network file system has; and FUSE, which may, has no answer to where a file's
 * blocks are. Of a directory there is none either: wait for the file.
 */
static bool has_blocks(int fd)
{
	struct fiemap where = { .fm_length = 1 };
	struct stat status;

	return (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) ||
	       ioctl(fd, FS_IOC_FIEMAP, &where) == 0;
}

int storage_name_unfenced(int fd, char *ret_name, size_t room)
{
	struct statfs status;
	const char *name;
	long magic;

	ret_name[0] = '\0';
	if (fstatfs(fd, &status) < 0)
		return -errno;
	magic = (long)status.f_type;
	if (storage_is_fenced(magic) ||
	    (magic == OVERLAYFS_SUPER_MAGIC && has_blocks(fd)))
		return 0;
	name = find_name(unfenced, ARRAY_COUNT(unfenced), magic);
	if (name)
		(void)snprintf(ret_name, room, "%s", name);
	else
		(void)snprintf(ret_name, room, "an unknown file system (%#lx)",
			       (unsigned long)magic);
	return 0;
}
