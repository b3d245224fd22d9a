/* SPDX-License-Identifier: MIT */
#include "disk/provider_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/count.h"
#include "base/failpoint.h"
#include "base/memory_file.h"
#include "base/scope.h"
#include "channel/disk_request.h"

/* The least block of any device. */
#define DIRECT_UNIT 512

struct file {
	struct provider provider; /* first: a provider is cast back */
	int fd;                   /* owned */
	bool is_block_device;
	bool is_memory;   /* tmpfs: nothing waits for a device */
	bool nowait_read; /* RWF_NOWAIT is worth a try */
	bool nowait_write;
};

static struct file *file_of(const struct job *job)
{
	return (struct file *)job->provider;
}

static bool is_block_device(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISBLK(status.st_mode);
}

static int file_open(int *fd, struct provider **ret_provider)
{
	int flags = fcntl(*fd, F_GETFL);
	bool is_direct = flags >= 0 && (flags & O_DIRECT);
	bool is_device = is_block_device(*fd);
	bool is_memory = !is_direct && file_is_in_memory(*fd);
	struct file *file = malloc(sizeof(*file));

	if (!file)
		return -ENOMEM;
	*file = (struct file){
		.fd = take_fd(fd),
		.is_block_device = is_device,
		.is_memory = is_memory,
		/* O_DIRECT waits for the device in spite of RWF_NOWAIT. */
		.nowait_read = !is_memory && !is_direct,
		.nowait_write = !is_memory && !is_direct,
	};
	file->provider = (struct provider){
		.ops = &provider_file,
		.direct_fd = is_direct ? file->fd : NO_FD,
		.nowait_direct = !failpoint("disk.no_nowait"),
		.must_flush = is_device && !is_direct,
	};
	*ret_provider = &file->provider;
	return 0;
}

static void file_close(struct provider *provider)
{
	struct file *file = (struct file *)provider;

	close_fd(&file->fd);
	free(file);
}

/* One system call; bytes moved or -errno. */
static ssize_t move_once(const struct job *job, int flags)
{
	struct iovec piece = {
		.iov_base = job->buffer + job->done_bytes,
		.iov_len = job->length_bytes - job->done_bytes,
	};
	off_t at = (off_t)(job->offset_bytes + job->done_bytes);
	ssize_t moved;

	if (job->op == DISK_READ)
		moved = preadv2(file_of(job)->fd, &piece, 1, at, flags);
	else
		moved = pwritev2(file_of(job)->fd, &piece, 1, at, flags);
	return moved < 0 ? -errno : moved;
}

/* The disk is as long as its settings say, also where the file is not. */
static void read_zeroes(struct job *job)
{
	memset(job->buffer + job->done_bytes, 0,
	       job->length_bytes - job->done_bytes);
	job->done_bytes = job->length_bytes;
}

/* With O_DIRECT only the end of the file stops within a block. */
static bool is_cut_by_end(const struct job *job)
{
	return job->op == DISK_READ && job->provider->direct_fd >= 0 &&
	       job->done_bytes % DIRECT_UNIT != 0;
}

static int move_all(struct job *job, int flags)
{
	ssize_t moved;

	while (job->done_bytes < job->length_bytes) {
		moved = is_cut_by_end(job) ? 0 : move_once(job, flags);
		if (moved == -EINTR)
			continue;
		if (moved < 0)
			return (int)moved;
		if (moved == 0 && job->op == DISK_WRITE)
			return -EIO;
		if (moved == 0)
			read_zeroes(job);
		else
			job->done_bytes += (uint64_t)moved;
	}
	return 0;
}

/* RWF_NOWAIT until it turns out that this file does not know it. */
static int try_nowait(struct job *job, bool *is_known)
{
	int r;

	if (!*is_known)
		return -EAGAIN;
	r = move_all(job, RWF_NOWAIT);
	if (r != -EOPNOTSUPP && r != -EINVAL)
		return r;
	*is_known = false;
	return -EAGAIN;
}

static int file_try_now(struct job *job)
{
	struct file *file = file_of(job);
	bool is_read = job->op == DISK_READ;
	int r;

	if ((!is_read && job->op != DISK_WRITE) ||
	    (job->flags & DISK_FLAG_DURABLE && !file->is_memory))
		return -EAGAIN;
	if (file->is_memory)
		r = move_all(job, 0);
	else
		r = try_nowait(job, is_read ? &file->nowait_read
					    : &file->nowait_write);
	return r == -EAGAIN ? r : provider_status(r);
}

static int write_zeroes_by_hand(const struct job *job)
{
	static _Alignas(4096) uint8_t zeroes[64 * 1024];
	struct job piece = { .provider = job->provider,
			     .op = DISK_WRITE,
			     .buffer = zeroes };
	uint64_t done_bytes = 0;
	int r = 0;

	while (!r && done_bytes < job->length_bytes) {
		piece.offset_bytes = job->offset_bytes + done_bytes;
		piece.length_bytes =
			min_u64(job->length_bytes - done_bytes, sizeof(zeroes));
		piece.done_bytes = 0;
		r = move_all(&piece, 0);
		done_bytes += piece.length_bytes;
	}
	return r;
}

static int change_range(const struct job *job, int mode)
{
	int r;

	do {
		r = fallocate(file_of(job)->fd, mode | FALLOC_FL_KEEP_SIZE,
			      (off_t)job->offset_bytes,
			      (off_t)job->length_bytes);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int discard(const struct job *job)
{
	uint64_t range[2] = { job->offset_bytes, job->length_bytes };

	if (!file_of(job)->is_block_device)
		return change_range(job, FALLOC_FL_PUNCH_HOLE);
	return ioctl(file_of(job)->fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

/* Without UNMAP the space stays reserved, so holes are no way to zeroes. */
static int write_zeroes(const struct job *job)
{
	int r = -EOPNOTSUPP;

	if (job->flags & DISK_FLAG_UNMAP)
		r = change_range(job, FALLOC_FL_PUNCH_HOLE);
	if (r == -EOPNOTSUPP)
		r = change_range(job, FALLOC_FL_ZERO_RANGE);
	if (r == -EOPNOTSUPP)
		r = write_zeroes_by_hand(job);
	return r;
}

static int flush(const struct job *job)
{
	return fdatasync(file_of(job)->fd) < 0 ? -errno : 0;
}

/* What cannot tell has everything. Nobody uses the description's position. */
static int find_extent(struct job *job)
{
	int fd = file_of(job)->fd;
	off_t from = (off_t)job->offset_bytes;
	off_t data = lseek(fd, from, SEEK_DATA);
	off_t end = data == from ? lseek(fd, from, SEEK_HOLE) : data;

	job->run_bytes = job->length_bytes;
	if (end > from)
		job->run_bytes =
			min_u64(job->length_bytes, (uint64_t)(end - from));
	return data == from || (data < 0 && errno != ENXIO);
}

static int do_op(struct job *job)
{
	int r;

	if (job->op == JOB_EXTENT)
		return find_extent(job);
	switch ((enum disk_op)job->op) {
	case DISK_READ:
		return move_all(job, 0);
	case DISK_WRITE:
		return move_all(job,
				job->flags & DISK_FLAG_DURABLE ? RWF_DSYNC : 0);
	case DISK_FLUSH:
		return flush(job);
	case DISK_DISCARD:
		return discard(job);
	case DISK_WRITE_ZEROES:
		r = write_zeroes(job);
		if (!r && job->flags & DISK_FLAG_DURABLE)
			r = flush(job);
		return r;
	}
	return -EIO;
}

static int file_run(struct job *job)
{
	int r = do_op(job);

	return r < 0 ? provider_status(r) : r;
}

const struct provider_ops provider_file = {
	.name = "file",
	.open = file_open,
	.close = file_close,
	.try_now = file_try_now,
	.run = file_run,
};
