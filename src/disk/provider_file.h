/* SPDX-License-Identifier: MIT */
/*
 * A file or block device as the backing store of a disk.
 *
 * Requests that cannot block are done at once; the rest is for a worker thread,
 * or, with O_DIRECT, for aio.h. Nothing is cached here: when a job is done its
 * data is in the buffer, or in the kernel.
 *
 * Threads    provider_file_try() on the owner's thread only;
 *            provider_file_run() on any, for different jobs at a time.
 */
#ifndef DISK_PROVIDER_FILE_H
#define DISK_PROVIDER_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct provider_file {
	int fd; /* owned */
	bool is_block_device;
	bool is_direct;   /* O_DIRECT is set */
	bool is_memory;   /* tmpfs: nothing waits for a device */
	bool nowait_read; /* RWF_NOWAIT is worth a try */
	bool nowait_write;
	bool nowait_direct; /* the same, for aio.h; else a worker does it */
};

/* One request in flight. */
struct job {
	struct provider_file *file;
	uint16_t op;    /* enum disk_op */
	uint16_t flags; /* DISK_FLAG_... */
	uint32_t length_bytes;
	uint64_t offset_bytes;
	uint8_t *buffer;     /* of READ and WRITE; shared with the client */
	uint32_t done_bytes; /* so far */
};

/* Take `fd`, which is owned from here on, and find out what kind of file it
 * is. */
void provider_file_open(struct provider_file *file, int fd);
void provider_file_close(struct provider_file *file);

/*
 * Do the job if that cannot block: its status, 0 or an errno as in
 * channel/disk_request.h.
 *
 * -EAGAIN  it might block; job->done_bytes says how much is done already
 */
int provider_file_try(struct provider_file *file, struct job *job);

/* Do the rest of the job, blocking as long as it takes: its status. */
int provider_file_run(struct job *job);

/* The status reported to a client for an errno of the kernel (both
 * negative). */
int provider_file_status(int error);

#endif
