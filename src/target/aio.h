/* SPDX-License-Identifier: MIT */
/*
 * Many O_DIRECT requests in flight without a thread for each: Linux native AIO,
 * by its system calls.
 *
 * Not io_uring, because there the death of the process is no fence. Requests in
 * flight here hold the open file, and with it the fence lock, until they
 * complete (I4).
 *
 * Threads    One owner.
 */
#ifndef TARGET_AIO_H
#define TARGET_AIO_H

#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/provider.h"

#define AIO_MAX   256
#define AIO_BATCH 32

/* Embedded beside the job; belongs to aio from aio_queue() until aio_reap()
 * returns it. */
struct aio_slot {
	struct iocb iocb;
	struct job *job;
};

struct aio {
	aio_context_t context; /* 0 until first used */
	int done_fd;           /* borrowed eventfd, written per completion */
	uint32_t in_flight;    /* submitted, not reaped */
	uint32_t queued_count;
	struct iocb *queued[AIO_MAX];
	uint32_t event_count; /* taken from the kernel, not reaped yet */
	uint32_t event_next;
	struct io_event events[AIO_BATCH];
};

void aio_init(struct aio *aio, int done_fd);

/*
 * Queue a READ or WRITE of a provider with direct_fd; aio_submit() starts it, and never
 * blocks.
 *
 * -EAGAIN  no room, no AIO context available, or a file without RWF_NOWAIT: use
 *          a worker
 */
int aio_queue(struct aio *aio, struct aio_slot *slot, struct job *job);

/*
 * Start the queued requests. True when all were started; the others remain
 * queued for a call after the next completions. A request that the kernel
 * refuses is returned in *ret_refused for a worker (one per call), else NULL.
 */
bool aio_submit(struct aio *aio, struct aio_slot **ret_refused);

/* True when aio_reap() would return something. Reads memory only. */
bool aio_has_done(const struct aio *aio);

/*
 * The next completed request, or NULL. *ret_result: bytes transferred or
 * -errno, from the kernel; a worker does the rest of a short transfer.
 */
struct aio_slot *aio_reap(struct aio *aio, int64_t *ret_result);

#endif
