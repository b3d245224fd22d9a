/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/image/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "base/count.h"
#include "base/event.h"
#include "monitor/engine/kvm/image/pager_private.h"
#include "monitor/thread/thread.h"

static uint64_t *new_bits(uint64_t count)
{
	return calloc(count / PAGER_WORD_BITS + 1, sizeof(uint64_t));
}

/* One that also serves what the kernel touches for the guest: KVM. */
static int open_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) < 0)
		close_fd(&fd);
	return fd;
}

void pager_init(struct pager *pager)
{
	*pager = (struct pager){
		.image.fd = NO_FD,
		.uffd = NO_FD,
		.memory_fd = NO_FD,
		.wake_fd = NO_FD,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ended = PTHREAD_COND_INITIALIZER,
	};
}

int pager_open(struct pager *pager, struct image *image, int memory_fd,
	       bool may_be_lazy, void (*failed)(void *context), void *context)
{
	pager->image = *image;
	*image = (struct image){ .fd = NO_FD };
	pager->memory_fd = memory_fd;
	pager->failed = failed;
	pager->context = context;
	pager->uffd = may_be_lazy ? open_uffd() : NO_FD;
	pager->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pager->wake_fd < 0)
		return -errno;
	pager->loaded = new_bits(pager->image.chunk_count);
	pager->buffer = aligned_alloc(IMAGE_PAGE_BYTES, IMAGE_CHUNK_BYTES);
	return pager->loaded && pager->buffer ? 0 : -ENOMEM;
}

int pager_map(struct pager *pager, void *host, uint64_t offset, uint64_t bytes)
{
	if (pager->range_count == PAGER_RANGE_MAX)
		return -ENOSPC;
	pager->ranges[pager->range_count++] =
		(struct pager_range){ host, offset, bytes };
	return 0;
}

static bool is_active(const struct pager *pager)
{
	return __atomic_load_n(&pager->is_active, __ATOMIC_ACQUIRE);
}

static void discard(struct pager *pager, uint64_t begin, uint64_t end)
{
	uint64_t pages = pager->image.machine.memory_bytes / IMAGE_PAGE_BYTES;

	/* Without it they come back, which costs memory and nothing else. */
	if (!pager->discarded)
		pager->discarded = new_bits(pages);
	for (uint64_t i = begin; pager->discarded && i < min_u64(end, pages);
	     i++)
		pager_set_bit(pager->discarded, i);
}

void pager_discard(struct pager *pager, uint64_t offset, uint64_t bytes)
{
	if (!is_active(pager))
		return;
	(void)pthread_mutex_lock(&pager->lock);
	if (is_active(pager))
		discard(pager, offset / IMAGE_PAGE_BYTES,
			(offset + bytes) / IMAGE_PAGE_BYTES);
	(void)pthread_mutex_unlock(&pager->lock);
}

/* The thread. ------------------------------------------------------------------
 */

static void release(struct pager *pager)
{
	image_close(&pager->image);
	free(pager->loaded);
	free(pager->discarded);
	free(pager->buffer);
	pager->loaded = pager->discarded = NULL;
	pager->buffer = NULL;
}

/* Every page that was in the image is in memory. */
static void let_go(struct pager *pager)
{
	for (uint32_t i = 0; i < pager->range_count; i++) {
		struct uffdio_range range = {
			.start = (uintptr_t)pager->ranges[i].host,
			.len = pager->ranges[i].bytes,
		};

		(void)ioctl(pager->uffd, UFFDIO_UNREGISTER, &range);
	}
	close_fd(&pager->uffd);
	(void)pthread_mutex_lock(&pager->lock);
	release(pager);
	__atomic_store_n(&pager->is_active, false, __ATOMIC_RELEASE);
	(void)pthread_cond_broadcast(&pager->ended);
	(void)pthread_mutex_unlock(&pager->lock);
}

static void fail(struct pager *pager, int error)
{
	(void)pthread_mutex_lock(&pager->lock);
	pager->failure = error;
	(void)pthread_cond_broadcast(&pager->ended);
	(void)pthread_mutex_unlock(&pager->lock);
	pager->failed(pager->context);
}

static void *run(void *context)
{
	struct pager *pager = context;
	int r = pager_work(pager);

	if (r == 0)
		let_go(pager);
	else if (r != -ECANCELED)
		fail(pager, r);
	return NULL;
}

static int watch_ranges(const struct pager *pager)
{
	for (uint32_t i = 0; i < pager->range_count; i++) {
		struct uffdio_register registration = {
			.range = { (uintptr_t)pager->ranges[i].host,
				   pager->ranges[i].bytes },
			.mode = UFFDIO_REGISTER_MODE_MISSING,
		};

		if (ioctl(pager->uffd, UFFDIO_REGISTER, &registration) < 0)
			return -errno;
	}
	return 0;
}

int pager_start(struct pager *pager, const struct image_progress *loaded)
{
	int r;

	if (!pager_is_lazy(pager)) {
		r = pager_load_all(pager, loaded);
		release(pager);
		return r;
	}
	r = watch_ranges(pager);
	if (r < 0)
		return r;
	__atomic_store_n(&pager->is_active, true, __ATOMIC_RELEASE);
	r = thread_start(&pager->thread, "pager", run, pager);
	pager->is_running = r == 0;
	return r;
}

int pager_failure(struct pager *pager, uint32_t *ret_chunk)
{
	int failure;

	(void)pthread_mutex_lock(&pager->lock);
	failure = pager->failure;
	*ret_chunk = pager->failed_chunk;
	(void)pthread_mutex_unlock(&pager->lock);
	return failure;
}

int pager_finish(struct pager *pager)
{
	int failure;

	__atomic_store_n(&pager->is_hurried, true, __ATOMIC_RELAXED);
	(void)pthread_mutex_lock(&pager->lock);
	while (is_active(pager) && pager->failure == 0)
		(void)pthread_cond_wait(&pager->ended, &pager->lock);
	failure = pager->failure;
	(void)pthread_mutex_unlock(&pager->lock);
	return failure ? -EIO : 0;
}

void pager_stop(struct pager *pager)
{
	if (pager->is_running) {
		event_signal(pager->wake_fd);
		(void)pthread_join(pager->thread, NULL);
	}
	pager->is_running = false;
	close_fd(&pager->wake_fd);
	if (!is_active(pager)) {
		close_fd(&pager->uffd);
		release(pager);
	}
}
