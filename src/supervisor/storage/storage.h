/* SPDX-License-Identifier: MIT */
/*
 * Disk images, kernels: the files that a definition names.
 *
 * Raw regular files and block devices only. Every file is opened by path once
 * and known by its descriptor from then on. A disk in use has
 *
 *   a witness W      one open file description per attachment, for reading
 *                    only: its monitor has it too and is as hostile as its
 *                    guest. Holds the OFD lock on the whole image (and O_EXCL
 *                    on a block device) as long as any duplicate of it lives;
 *                    QEMU's byte locks conflict with it as they should. A
 *                    write-back error is told once to W's fdatasync, whoever
 *                    else was told of it; that call renews W for the next
 *                    error.
 *   generations G    one open file description per service instance, each made
 *                    from W. Holds the same lock, so the image stays locked for
 *                    as long as anyone of ours may write to it, and the fence
 *                    byte: a lock that ends when the last reference to G ends,
 *                    that of a request still in the kernel included (invariant
 *                    I4).
 *
 * Trust      The files may hold anything. The path comes from a client who may
 *            open any path as this process may (SECURITY.md).
 * Errors     Negative errno with the refusal filled in; the field is
 *            "disks[INDEX].file" or as said. -EINVAL and kin are the user's
 *            fault, -EBUSY someone else's lock.
 */
#ifndef SUPERVISOR_STORAGE_H
#define SUPERVISOR_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/refusal.h"
#include "definition/partition.h"

/* Offsets beyond any image: the lock covers [0, STORAGE_LOCK_BYTES). */
#define STORAGE_LOCK_BYTES   (1ull << 62)
#define STORAGE_FENCE_OFFSET (STORAGE_LOCK_BYTES + 8)
/* Readers share an image, so each attachment has a fence byte of its own. */
#define STORAGE_FENCE_READERS (STORAGE_LOCK_BYTES + 4096)
/* So have those who share an image for writing. */
#define STORAGE_FENCE_SHARED_BYTES (1ull << 60)
#define STORAGE_FENCE_SHARED       (STORAGE_LOCK_BYTES + (1ull << 61))

struct storage_facts {
	uint64_t size_bytes;     /* of a tape its capacity */
	uint64_t recorded_bytes; /* of them in the file */
	uint64_t device;         /* st_dev, or st_rdev of a block device */
	uint64_t inode;
	/* Another when it was written to: of a file the time in ns, of a device
	 * what the kernel counted; 0: it does not say. */
	uint64_t mark;
	uint32_t logical_block_bytes;
	uint32_t physical_block_bytes;
	uint32_t direct_align_bytes; /* of O_DIRECT; 0: not possible */
	bool is_block_device;
	bool is_growing; /* a tape: its file has what is recorded */
};

/*
 * What install wants to know of an existing image: may it be served, is its
 * format raw, does the size agree with the definition's. Opens and closes it.
 *
 * -ENOENT  there is none yet (the refusal says so)
 * -EINVAL  another format, not a file, bad size, not fenced where it is
 * -EBUSY   another program holds a lock on it
 */
int storage_inspect(const struct disk_definition *disk, unsigned index,
		    struct storage_facts *ret_facts,
		    struct refusal *ret_refusal);

/* Refuse the file of this disk: "disks[0].file" and the sentence. */
int storage_refuse(struct refusal *refusal, unsigned index, int error,
		   const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Could a new image of this size be created at this path? Touches nothing.
 *
 * -ENOSPC  larger than the file system could ever hold
 */
int storage_check_room(const struct disk_definition *disk, unsigned index,
		       struct refusal *ret_refusal);

/*
 * Open W with its lock, for START or a scrub. A device opened for reading is
 * shared, so only the open itself checks that nobody has it exclusively. The format is not looked at: what
 * the guest wrote into the first sector is its own affair. The caller owns the
 * descriptor; it is closed on exec.
 *
 * -EBUSY  another program, another partition, holds a lock on it
 */
int storage_open_witness(const struct disk_definition *disk, unsigned index,
			 int *ret_witness_fd, struct storage_facts *ret_facts,
			 struct refusal *ret_refusal);

/*
 * The same after we were away: a generation of this disk may still be with its
 * service, so this alone is no leave to use the image. With the fence lifted,
 * storage_check_alone() gives it.
 */
int storage_open_served(const struct disk_definition *disk, unsigned index,
			int *ret_witness_fd, struct storage_facts *ret_facts,
			struct refusal *ret_refusal);

/* Is a device of this disk claimed for it alone as long as W lives? */
bool storage_is_claimed(const struct disk_definition *disk);

/*
 * Check that nobody but this witness has a lock on the image, before a new
 * generation: as storage_open_witness() does.
 */
int storage_check_alone(int witness_fd, const struct disk_definition *disk,
			unsigned index, struct refusal *ret_refusal);

enum storage_change { STORAGE_SAME, STORAGE_CHANGED, STORAGE_UNKNOWN };

/*
 * Was the image written to since it had this mark? Of a device that is not to
 * be known once the host was started anew, or the device was taken away.
 */
enum storage_change storage_compare(const struct storage_facts *now,
				    uint64_t mark);

/*
 * Check a witness that came back from a monitor: the file that `facts` names
 * (device, inode), open for reading, lock held (taken again if it was dropped).
 * The block sizes in `facts` are filled in; its size stays.
 *
 * -EBADMSG  not the witness of this disk
 * -EBADF    not open for reading
 * -EBUSY    its lock was dropped and someone has locked it for himself alone
 */
int storage_check_witness(int witness_fd, const struct disk_definition *disk,
			  struct storage_facts *facts);

/*
 * What an fdatasync() on this description, which never had one, would have told
 * of: 0 or the error, once. Writes nothing and waits for nothing.
 */
int storage_take_error(int fd);

/*
 * Open G from W for one generation, with O_DIRECT if the definition says so,
 * and take its fence byte. The caller passes it to the service and closes its
 * own copy at once: while it keeps one, the fence cannot lift.
 *
 * -EAGAIN  the fence of an earlier generation is not lifted yet
 * -EBUSY   someone took the image: its lock had been dropped
 */
int storage_open_generation(int witness_fd, uint64_t attachment_id,
			    const struct disk_definition *disk,
			    int *ret_generation_fd);

/*
 * 1 when no generation of this attachment has a reference left in any process
 * or request, 0 while one has, or a negative errno. Read and write images have
 * one fence for all attachments, ever: ask before the first generation too.
 */
int storage_fence_is_lifted(int witness_fd, uint64_t attachment_id,
			    const struct disk_definition *disk);

/*
 * Make a kernel or initial RAM disk ready to be handed to a monitor.
 *
 * -EINVAL  empty, not a regular file, or a kernel that src/boot does not take
 * -E2BIG   a kernel that wants to be where no partition has memory
 */
int storage_open_kernel(const char *path, int *ret_fd,
			struct refusal *ret_refusal);
int storage_open_initrd(const char *path, int *ret_fd,
			struct refusal *ret_refusal);

#endif
