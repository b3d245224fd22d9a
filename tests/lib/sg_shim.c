/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD: lets programs that speak SG_IO speak to the SCSI library in their
 * own process, over memory. It needs neither root nor a kernel's SCSI stack.
 *
 * A path that begins with SG_SHIM_PATH is a nexus of the one unit, by the digit
 * that follows. SG_SHIM_UNIT says in words what the unit is: thin, removable,
 * read-only, physical4k. SG_SHIM_IMAGE names a file that keeps its blocks and
 * its ledger from one process to the next; without it they end with this one.
 */
/* The calls are defined here under the names that programs use. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/count.h"
#include "lib/scsi_memory.h"

#define SG_SHIM_PATH "/dev/bulkhead-sg"
#define BLOCK        512u
#define BLOCKS       (1U << 17)
#define FD_COUNT     64
#define SG_VERSION   30536
#define SD_MAJOR     8

static struct scsi_memory memory;
static uint8_t data[SCSI_TRANSFER_MAX];
static int nexus_of_fd[FD_COUNT]; /* plus 1; 0: not ours */

static bool has_word(const char *word)
{
	const char *words = getenv("SG_SHIM_UNIT");

	return words && strstr(words, word) != NULL;
}

/* Shared with whoever comes later, if a file is named. */
static void *get_memory(size_t bytes)
{
	const char *path = getenv("SG_SHIM_IMAGE");
	int flags = MAP_PRIVATE | MAP_ANONYMOUS, fd = -1;
	void *mapped;

	if (path && *path) {
		fd = openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
		flags = MAP_SHARED;
	}
	mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	assert(mapped != MAP_FAILED);
	if (fd >= 0)
		close(fd);
	return mapped;
}

static void open_unit(void)
{
	if (memory.image)
		return;
	memory.unit = (struct scsi_unit){
		.type = SCSI_DISK,
		.block_bytes = BLOCK,
		.physical_block_bytes = has_word("physical4k") ? 4096 : BLOCK,
		.block_count = BLOCKS,
		.is_thin = has_word("thin"),
		.is_removable = has_word("removable"),
		.is_read_only = has_word("read-only"),
		.uuid = "sg_shim",
		.serial = "SG0001",
	};
	memory.memory = get_memory(scsi_memory_bytes(&memory));
	scsi_memory_open(&memory);
}

static bool is_ours(const char *path)
{
	return strncmp(path, SG_SHIM_PATH, strlen(SG_SHIM_PATH)) == 0;
}

static int nexus_of(int fd)
{
	return fd >= 0 && fd < FD_COUNT ? nexus_of_fd[fd] - 1 : -1;
}

static int open_ours(const char *path)
{
	int fd = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
	int nexus = path[strlen(SG_SHIM_PATH)] - '0';

	open_unit();
	if (fd < 0 || fd >= FD_COUNT || nexus < 0 ||
	    nexus >= SCSI_MEMORY_NEXUSES) {
		errno = ENXIO;
		return -1;
	}
	nexus_of_fd[fd] = nexus + 1;
	return fd;
}

static int open_any(const char *path, int flags, va_list arguments)
{
	mode_t mode = 0;

	if (is_ours(path))
		return open_ours(path);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(arguments, mode_t);
	return openat(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list arguments;
	int fd;

	va_start(arguments, flags);
	fd = open_any(path, flags, arguments);
	va_end(arguments);
	return fd;
}

int open64(const char *path, int flags, ...)
{
	va_list arguments;
	int fd;

	va_start(arguments, flags);
	fd = open_any(path, flags | O_LARGEFILE, arguments);
	va_end(arguments);
	return fd;
}

/* What programs with _FORTIFY_SOURCE call instead. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

int __open_2(const char *path, int flags)
{
	return open(path, flags);
}

int __open64_2(const char *path, int flags)
{
	return open64(path, flags);
}

int close(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");

	if (nexus_of(fd) >= 0)
		nexus_of_fd[fd] = 0;
	return next(fd);
}

static int describe(struct stat *ret_status)
{
	memset(ret_status, 0, sizeof(*ret_status));
	ret_status->st_mode = S_IFBLK | 0600;
	ret_status->st_rdev = makedev(SD_MAJOR, 0);
	return 0;
}

int fstat(int fd, struct stat *ret_status)
{
	if (nexus_of(fd) >= 0)
		return describe(ret_status);
	return fstatat(fd, "", ret_status, AT_EMPTY_PATH);
}

int stat(const char *path, struct stat *ret_status)
{
	if (is_ours(path))
		return describe(ret_status);
	return fstatat(AT_FDCWD, path, ret_status, 0);
}

/* Copy between the caller's memory and ours. */
static void copy(const sg_io_hdr_t *header, size_t bytes, bool to_caller)
{
	const struct iovec *pieces = header->dxferp;
	struct iovec one = { .iov_base = header->dxferp, .iov_len = bytes };
	size_t done = 0;
	int count = header->iovec_count;

	if (count == 0) {
		pieces = &one;
		count = 1;
	}
	for (int i = 0; i < count && done < bytes; i++) {
		size_t part = min_u64(pieces[i].iov_len, bytes - done);

		if (to_caller)
			memcpy(pieces[i].iov_base, data + done, part);
		else
			memcpy(data + done, pieces[i].iov_base, part);
		done += part;
	}
}

static enum scsi_direction direction_of(const sg_io_hdr_t *header)
{
	if (header->dxfer_direction == SG_DXFER_TO_DEV)
		return SCSI_DATA_FROM_INITIATOR;
	if (header->dxfer_direction == SG_DXFER_NONE || header->dxfer_len == 0)
		return SCSI_DATA_NONE;
	return SCSI_DATA_TO_INITIATOR;
}

static void answer(sg_io_hdr_t *header, const struct scsi_outcome *outcome)
{
	header->status = outcome->status;
	header->masked_status = outcome->status >> 1 & 0x1f;
	header->host_status = 0;
	header->driver_status = 0;
	header->msg_status = 0;
	header->resid = (int)(header->dxfer_len - outcome->transferred_bytes);
	header->info = outcome->status ? SG_INFO_CHECK : SG_INFO_OK;
	header->sb_len_wr = 0;
	if (!header->sbp || outcome->sense_bytes == 0)
		return;
	header->sb_len_wr =
		(uint8_t)min_u64(outcome->sense_bytes, header->mx_sb_len);
	memcpy(header->sbp, outcome->sense, header->sb_len_wr);
	header->driver_status = 0x08; /* DRIVER_SENSE */
}

static int execute(int nexus, sg_io_hdr_t *header)
{
	static struct scsi_task task;

	if (header->dxfer_len > sizeof(data) ||
	    header->cmd_len > SCSI_CDB_BYTES) {
		errno = EINVAL;
		return -1;
	}
	memset(&task, 0, sizeof(task));
	memcpy(task.cdb, header->cmdp, header->cmd_len);
	task.data = data;
	task.data_bytes = header->dxfer_len;
	task.direction = direction_of(header);
	if (task.direction == SCSI_DATA_FROM_INITIATOR)
		copy(header, header->dxfer_len, false);
	scsi_memory_run(&memory, (uint32_t)nexus, &task);
	if (task.direction == SCSI_DATA_TO_INITIATOR)
		copy(header, task.outcome.transferred_bytes, true);
	answer(header, &task.outcome);
	return 0;
}

static int control(int nexus, unsigned long request, void *argument)
{
	switch (request) {
	case SG_GET_VERSION_NUM:
		*(int *)argument = SG_VERSION;
		return 0;
	case BLKSECTGET:
		*(unsigned short *)argument = SCSI_TRANSFER_MAX / BLOCK;
		return 0;
	case SG_IO:
		return execute(nexus, argument);
	case SG_SET_TIMEOUT:
	case SG_SET_RESERVED_SIZE:
		return 0;
	default:
		errno = ENOTTY;
		return -1;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int, unsigned long, ...) =
		(int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (nexus_of(fd) < 0)
		return next(fd, request, argument);
	return control(nexus_of(fd), request, argument);
}
