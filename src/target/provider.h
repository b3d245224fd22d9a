/* SPDX-License-Identifier: MIT */
/*
 * A provider: what moves the bytes of a disk.
 *
 * Each kind of storage is a table of functions, which a process registers when
 * it starts to serve (service.h). The loop knows nothing else of it: a job that
 * cannot block is done at once; the rest is for a worker, or, where there is a
 * descriptor with O_DIRECT, for aio.h.
 *
 * A provider must keep the fence (I4): a job in the kernel holds the open file
 * description on which the supervisor took its lock, or a call in a thread of
 * this process.
 *
 * Threads    open(), close() and try_now() on the owner's thread only; run() on
 *            any, for different jobs at a time.
 */
#ifndef TARGET_PROVIDER_H
#define TARGET_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

struct provider_ops;

/* Embedded first in each provider's own. */
struct provider {
	const struct provider_ops *ops;
	int direct_fd;      /* READ and WRITE go by aio.h; NO_FD: they do not */
	bool nowait_direct; /* until aio.h finds that a worker must do it */
	bool must_flush;    /* before its last close, which else waits */
};

/* Beside enum disk_op: how far, from offset_bytes on and at most for
 * length_bytes, all is stored or nothing is. Status: 1 or 0, and run_bytes. */
#define JOB_EXTENT 0x100

/* One request in flight. */
struct job {
	struct provider *provider;
	uint16_t op;    /* enum disk_op, or JOB_EXTENT */
	uint16_t flags; /* DISK_FLAG_... */
	uint64_t length_bytes;
	uint64_t offset_bytes;
	uint8_t *buffer;     /* of READ and WRITE; shared with the client */
	uint64_t done_bytes; /* so far */
	uint64_t run_bytes;
};

struct provider_ops {
	const char *name;

	/* Open it on the descriptor that the supervisor sent. Takes *fd if it
	 * succeeds. -ENOMEM. */
	int (*open)(int *fd, struct provider **ret_provider);

	/* Close and free. */
	void (*close)(struct provider *provider);

	/*
	 * Do the job if that cannot block: its status, 0 or an errno as in
	 * channel/disk_request.h.
	 *
	 * -EAGAIN  it might block; job->done_bytes says how much is done
	 */
	int (*try_now)(struct job *job);

	/* Do the rest of it, blocking as long as it takes: its status. */
	int (*run)(struct job *job);
};

/* The status reported to a client for an errno of the kernel (both
 * negative). */
int provider_status(int error);

#endif
