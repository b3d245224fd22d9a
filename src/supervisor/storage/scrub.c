/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/count.h"
#include "base/event.h"
#include "base/scope.h"
#include "supervisor/errand/urgency.h"
#include "supervisor/storage/storage_lock.h"

#define CHUNK_BYTES (1u << 20)
#define STACK_BYTES (64u << 10)
#define PAGE_BYTES  4096

struct scrub {
	int fd; /* owned; for writing */
	int done_fd;
	uint64_t size_bytes;
	void *zeros;
	pthread_t thread;
	bool has_thread;
	bool is_stopped; /* atomic: the owner asks the thread to end */
	int result;      /* atomic: -EAGAIN until the thread has ended */
};

static bool is_stopped(struct scrub *scrub)
{
	return __atomic_load_n(&scrub->is_stopped, __ATOMIC_ACQUIRE);
}

/* [*from, *to) holds data; 0 at the end. A device has no holes. */
static int next_data(struct scrub *scrub, uint64_t *from, uint64_t *to)
{
	off_t data = lseek(scrub->fd, (off_t)*from, SEEK_DATA);
	off_t hole;

	if (data < 0 && errno == ENXIO)
		return 0;
	if (data < 0) {
		*to = scrub->size_bytes;
		return *from < *to;
	}
	hole = lseek(scrub->fd, data, SEEK_HOLE);
	*from = (uint64_t)data;
	*to = hole < 0 ? scrub->size_bytes
		       : min_u64((uint64_t)hole, scrub->size_bytes);
	return *from < *to;
}

static int zero(struct scrub *scrub, uint64_t from, uint64_t to)
{
	while (from < to && !is_stopped(scrub)) {
		size_t bytes = (size_t)min_u64(CHUNK_BYTES, to - from);
		ssize_t wrote =
			pwrite(scrub->fd, scrub->zeros, bytes, (off_t)from);

		if (wrote < 0 && errno != EINTR)
			return -errno;
		if (wrote > 0)
			from += (uint64_t)wrote;
	}
	return is_stopped(scrub) ? -ECANCELED : 0;
}

static int zero_all(struct scrub *scrub)
{
	uint64_t from = 0, to = 0;
	int r;

	while (next_data(scrub, &from, &to)) {
		r = zero(scrub, from, to);
		if (r < 0)
			return r;
		from = to;
	}
	return fdatasync(scrub->fd) < 0 ? -errno : 0;
}

static void *run(void *context)
{
	struct scrub *scrub = context;
	int r;

	urgency_inherit();
	urgency_rest();
	r = zero_all(scrub);
	__atomic_store_n(&scrub->result, r, __ATOMIC_RELEASE);
	event_signal(scrub->done_fd);
	return NULL;
}

static int start_thread(struct scrub *scrub)
{
	pthread_attr_t attributes;
	int r = pthread_attr_init(&attributes);

	if (r)
		return -r;
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	r = pthread_create(&scrub->thread, &attributes, run, scrub);
	(void)pthread_attr_destroy(&attributes);
	scrub->has_thread = r == 0;
	return -r;
}

static int prepare(struct scrub *scrub)
{
	int r;

	if (scrub->fd < 0)
		return scrub->fd;
	scrub->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (scrub->done_fd < 0)
		return -errno;
	r = posix_memalign(&scrub->zeros, PAGE_BYTES, CHUNK_BYTES);
	if (r)
		return -r;
	memset(scrub->zeros, 0, CHUNK_BYTES);
	return start_thread(scrub);
}

int scrub_start(struct scrub **ret_scrub, int witness_fd, uint64_t size_bytes)
{
	struct scrub *scrub = calloc(1, sizeof(*scrub));
	int r;

	if (!scrub)
		return -ENOMEM;
	scrub->fd = storage_reopen(witness_fd, O_RDWR);
	scrub->done_fd = NO_FD;
	scrub->size_bytes = size_bytes;
	scrub->result = -EAGAIN;
	r = prepare(scrub);
	if (r < 0) {
		scrub_free(scrub);
		return r;
	}
	*ret_scrub = scrub;
	return 0;
}

int scrub_fd(const struct scrub *scrub)
{
	return scrub->done_fd;
}

int scrub_result(const struct scrub *scrub)
{
	return __atomic_load_n(&scrub->result, __ATOMIC_ACQUIRE);
}

void scrub_free(struct scrub *scrub)
{
	if (!scrub)
		return;
	__atomic_store_n(&scrub->is_stopped, true, __ATOMIC_RELEASE);
	if (scrub->has_thread)
		(void)pthread_join(scrub->thread, NULL);
	close_fd(&scrub->done_fd);
	close_fd(&scrub->fd);
	free(scrub->zeros);
	free(scrub);
}
