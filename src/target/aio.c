/* SPDX-License-Identifier: MIT */
#include "target/aio.h"

#include <errno.h>
#include <linux/fs.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "channel/disk_request.h"

/* The kernel maps the completion ring at the context's address; head and tail
 * have been where they are since 2.6 and libaio reads them too. */
struct ring {
	uint32_t id;
	uint32_t nr;
	uint32_t head;
	uint32_t tail;
};

/* The kernel's interface carries pointers as numbers. */
static void *pointer_of(uint64_t number)
{
	void *pointer;

	memcpy(&pointer, &number, sizeof(pointer));
	return pointer;
}

void aio_init(struct aio *aio, int done_fd)
{
	*aio = (struct aio){ .done_fd = done_fd };
}

/* Not before it is needed: the end of a process with one waits for a grace
 * period of RCU, and guests wait for that end. */
static int ensure_context(struct aio *aio)
{
	if (aio->context)
		return 0;
	if (syscall(SYS_io_setup, AIO_MAX, &aio->context) < 0)
		return -EAGAIN;
	return 0;
}

/* io_submit() may wait: on a file for allocation, on a device for room in its
 * queue, which one client can fill with requests to a slow disk and hold up all
 * others. Have it refused instead, always: what does not know RWF_NOWAIT is no
 * affair of this thread. */
static int kernel_flags(const struct job *job)
{
	return job->flags & DISK_FLAG_DURABLE ? RWF_NOWAIT | RWF_DSYNC
					      : RWF_NOWAIT;
}

int aio_queue(struct aio *aio, struct aio_slot *slot, struct job *job)
{
	bool is_read = job->op == DISK_READ;

	if (!job->provider->nowait_direct || ensure_context(aio) ||
	    aio->queued_count + aio->in_flight == AIO_MAX)
		return -EAGAIN;
	slot->job = job;
	slot->iocb = (struct iocb){
		.aio_data = (uintptr_t)slot,
		.aio_rw_flags = kernel_flags(job),
		.aio_lio_opcode = is_read ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
		.aio_fildes = (uint32_t)job->provider->direct_fd,
		.aio_buf = (uintptr_t)(job->buffer + job->done_bytes),
		.aio_nbytes = job->length_bytes - job->done_bytes,
		.aio_offset = (int64_t)(job->offset_bytes + job->done_bytes),
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)aio->done_fd,
	};
	aio->queued[aio->queued_count++] = &slot->iocb;
	return 0;
}

static void drop_first(struct aio *aio, uint32_t count)
{
	aio->queued_count -= count;
	memmove(aio->queued, aio->queued + count,
		aio->queued_count * sizeof(struct iocb *));
}

static struct aio_slot *slot_of(const struct iocb *iocb)
{
	return pointer_of(iocb->aio_data);
}

bool aio_submit(struct aio *aio, struct aio_slot **ret_refused)
{
	long started;

	*ret_refused = NULL;
	if (!aio->queued_count)
		return true;
	started = syscall(SYS_io_submit, aio->context, (long)aio->queued_count,
			  aio->queued);
	if (started > 0) {
		aio->in_flight += (uint32_t)started;
		drop_first(aio, (uint32_t)started);
	} else if (!(started < 0 && errno == EAGAIN && aio->in_flight)) {
		*ret_refused = slot_of(aio->queued[0]);
		if (started < 0 && errno == EOPNOTSUPP)
			(*ret_refused)->job->provider->nowait_direct = false;
		drop_first(aio, 1);
	}
	return aio->queued_count == 0;
}

static bool kernel_has_done(const struct aio *aio)
{
	const struct ring *ring = pointer_of(aio->context);

	return aio->in_flight &&
	       __atomic_load_n(&ring->head, __ATOMIC_RELAXED) !=
		       __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

bool aio_has_done(const struct aio *aio)
{
	return aio->event_next < aio->event_count || kernel_has_done(aio);
}

static void take_events(struct aio *aio)
{
	struct timespec now = { 0 };
	long count = 0;

	if (kernel_has_done(aio))
		count = syscall(SYS_io_getevents, aio->context, 0L,
				(long)AIO_BATCH, aio->events, &now);
	aio->event_next = 0;
	aio->event_count = count > 0 ? (uint32_t)count : 0;
	aio->in_flight -= aio->event_count;
}

struct aio_slot *aio_reap(struct aio *aio, int64_t *ret_result)
{
	const struct io_event *event;

	if (aio->event_next == aio->event_count)
		take_events(aio);
	if (aio->event_next == aio->event_count)
		return NULL;
	event = &aio->events[aio->event_next++];
	*ret_result = event->res;
	return pointer_of(event->data);
}
