/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "base/clock.h"
#include "base/count.h"
#include "monitor/thread.h"

#define FAULTS_AT_ONCE 16
#define WORD_BITS      64
/* 16 MiB. */
#define TOLD_CHUNKS 64

static bool test_bit(const uint64_t *bits, uint64_t index)
{
	return (bits[index / WORD_BITS] >> (index % WORD_BITS) & 1) != 0;
}

static void set_bit(uint64_t *bits, uint64_t index)
{
	bits[index / WORD_BITS] |= 1ull << (index % WORD_BITS);
}

static uint64_t *new_bits(uint64_t count)
{
	return calloc(count / WORD_BITS + 1, sizeof(uint64_t));
}

/* The opening. ---------------------------------------------------------------
 */

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

/* Placing pages. -------------------------------------------------------------
 */

/* The part of a stretch of the file that a range maps; 0 bytes: none. */
static struct pager_range overlap(const struct pager_range *range,
				  uint64_t offset, uint64_t bytes)
{
	uint64_t begin = max_u64(range->offset, offset);
	uint64_t end = min_u64(range->offset + range->bytes, offset + bytes);

	if (begin >= end)
		return (struct pager_range){ 0 };
	return (struct pager_range){ range->host + (begin - range->offset),
				     begin, end - begin };
}

/* The first range that has the beginning of the stretch. */
static struct pager_range place_of(const struct pager *pager, uint64_t offset,
				   uint64_t bytes)
{
	for (uint32_t i = 0; i < pager->range_count; i++) {
		struct pager_range part =
			overlap(&pager->ranges[i], offset, bytes);

		if (part.bytes > 0 && part.offset == offset)
			return part;
	}
	return (struct pager_range){ 0 };
}

/* Who waits in any mapping of these pages goes on. */
static void wake(const struct pager *pager, uint64_t offset, uint64_t bytes)
{
	for (uint32_t i = 0; i < pager->range_count; i++) {
		struct pager_range part =
			overlap(&pager->ranges[i], offset, bytes);
		struct uffdio_range range = {
			.start = (uintptr_t)part.host,
			.len = part.bytes,
		};

		if (part.bytes > 0)
			(void)ioctl(pager->uffd, UFFDIO_WAKE, &range);
	}
}

/* How much of a copy or zeroing was done, or an error. A page that is there
 * already counts as done. */
static int64_t outcome(int result, int64_t done)
{
	if (result == 0 || done > 0)
		return done;
	if (errno == EAGAIN)
		return 0;
	return errno == EEXIST ? (int64_t)IMAGE_PAGE_BYTES : -errno;
}

static int64_t copy_some(const struct pager *pager,
			 const struct pager_range *place, const uint8_t *from)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)place->host,
		.src = (uintptr_t)from,
		.len = place->bytes,
		.mode = UFFDIO_COPY_MODE_DONTWAKE,
	};
	int result = ioctl(pager->uffd, UFFDIO_COPY, &copy);

	return outcome(result, copy.copy);
}

/* Files of huge pages cannot be written to. */
static int64_t write_some(const struct pager *pager,
			  const struct pager_range *place, uint64_t offset,
			  uint64_t bytes, const uint8_t *from)
{
	ssize_t written;

	if (place->bytes > 0 && !pager_is_lazy(pager)) {
		memcpy(place->host, from, place->bytes);
		return (int64_t)place->bytes;
	}
	written = pwrite(pager->memory_fd, from, bytes, (off_t)offset);
	return written < 0 ? -errno : written;
}

/* Put bytes into the memory file: through a mapping if one is watched, so that
 * it happens in one step for everyone. */
static int put(const struct pager *pager, uint64_t offset, uint64_t bytes,
	       const uint8_t *from)
{
	while (bytes > 0) {
		struct pager_range place = place_of(pager, offset, bytes);
		int64_t done = pager_is_lazy(pager) && place.bytes > 0
				       ? copy_some(pager, &place, from)
				       : write_some(pager, &place, offset,
						    bytes, from);

		if (done < 0)
			return (int)done;
		offset += (uint64_t)done;
		from += done;
		bytes -= (uint64_t)done;
	}
	return 0;
}

/* A page that the image does not have, or not any more. */
static int put_zero(const struct pager *pager, uint64_t offset)
{
	struct pager_range place = place_of(pager, offset, IMAGE_PAGE_BYTES);
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)place.host, IMAGE_PAGE_BYTES },
		.mode = UFFDIO_ZEROPAGE_MODE_DONTWAKE,
	};
	int64_t done;

	do {
		done = outcome(ioctl(pager->uffd, UFFDIO_ZEROPAGE, &zero),
			       zero.zeropage);
	} while (done == 0);
	return done < 0 ? (int)done : 0;
}

/* Chunks. ----------------------------------------------------------------------
 */

static bool is_wanted(const struct pager *pager, uint64_t offset,
		      const uint8_t *page)
{
	return !image_page_is_zero(page) &&
	       !(pager->discarded &&
		 test_bit(pager->discarded, offset / IMAGE_PAGE_BYTES));
}

/* The pages of the buffer that are wanted, in as few steps as that takes. */
static int put_pages(const struct pager *pager, uint64_t offset, uint32_t bytes)
{
	const uint8_t *from = pager->buffer;
	uint32_t begin = 0;
	int result = 0;

	while (begin < bytes && result == 0) {
		uint32_t end = begin;

		while (end < bytes &&
		       is_wanted(pager, offset + end, from + end))
			end += IMAGE_PAGE_BYTES;
		result = put(pager, offset + begin, end - begin, from + begin);
		begin = end + IMAGE_PAGE_BYTES;
	}
	return result;
}

static int load_chunk(struct pager *pager, uint32_t index)
{
	uint64_t offset = image_chunk_offset(index);
	uint32_t bytes = image_chunk_bytes(&pager->image, index);
	int result = 0;

	pager->failed_chunk = index;
	if (image_chunk_has_data(&pager->image, index))
		result = image_read_chunk(&pager->image, index, pager->buffer);
	if (result < 0)
		return result;
	(void)pthread_mutex_lock(&pager->lock);
	if (image_chunk_has_data(&pager->image, index))
		result = put_pages(pager, offset, bytes);
	set_bit(pager->loaded, index);
	(void)pthread_mutex_unlock(&pager->lock);
	return result;
}

static void tell_loaded(const struct pager *pager,
			const struct image_progress *loaded, uint32_t count)
{
	uint64_t total = pager->image.machine.memory_bytes;

	if (loaded && count % TOLD_CHUNKS == 0)
		loaded->made(loaded->context,
			     min_u64(image_chunk_offset(count), total), total);
}

static int load_all(struct pager *pager, const struct image_progress *loaded)
{
	int result = 0;

	for (uint32_t i = 0; i < pager->image.chunk_count && result == 0; i++) {
		result = load_chunk(pager, i);
		tell_loaded(pager, loaded, i + 1);
	}
	return result;
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
		set_bit(pager->discarded, i);
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

static int serve_fault(struct pager *pager, uint64_t address)
{
	for (uint32_t i = 0; i < pager->range_count; i++) {
		const struct pager_range *range = &pager->ranges[i];
		uint64_t inside = address - (uintptr_t)range->host;
		uint64_t offset;
		int result = 0;

		if (address < (uintptr_t)range->host || inside >= range->bytes)
			continue;
		offset = (range->offset + inside) &
			 ~(uint64_t)(IMAGE_PAGE_BYTES - 1);
		if (!test_bit(pager->loaded, offset / IMAGE_CHUNK_BYTES))
			result = load_chunk(
				pager, (uint32_t)(offset / IMAGE_CHUNK_BYTES));
		if (result == 0)
			result = put_zero(pager, offset);
		if (result == 0)
			wake(pager, offset, IMAGE_PAGE_BYTES);
		return result;
	}
	return 0;
}

static int serve_faults(struct pager *pager)
{
	struct uffd_msg messages[FAULTS_AT_ONCE];
	ssize_t got = read(pager->uffd, messages, sizeof(messages));
	int result = 0;

	for (size_t i = 0;
	     got > 0 && i < (size_t)got / sizeof(*messages) && result == 0; i++)
		if (messages[i].event == UFFD_EVENT_PAGEFAULT)
			result = serve_fault(pager,
					     messages[i].arg.pagefault.address);
	return result;
}

/* True if a fault waits. `is_ending`: pager_stop() was called. */
static bool wait_for_fault(const struct pager *pager, uint64_t at_most_ns,
			   bool *ret_is_ending)
{
	struct pollfd fds[] = {
		{ .fd = pager->uffd, .events = POLLIN },
		{ .fd = pager->wake_fd, .events = POLLIN },
	};
	struct timespec most = { .tv_nsec = (long)min_u64(at_most_ns,
							  NS_PER_S - 1) };

	(void)ppoll(fds, 2, &most, NULL);
	*ret_is_ending = fds[1].revents != 0;
	return fds[0].revents != 0;
}

/* The next chunk that is not there; chunk_count: none. */
static uint32_t next_missing(const struct pager *pager, uint32_t from)
{
	while (from < pager->image.chunk_count &&
	       (test_bit(pager->loaded, from) ||
		!image_chunk_has_data(&pager->image, from)))
		from++;
	return from;
}

/*
 * Faults first; in between the rest, one chunk and then as long a rest as that
 * took: half of one processor and of the disk at most.
 */
static int work(struct pager *pager)
{
	uint32_t next = next_missing(pager, 0);
	uint64_t rest_ns = 0;
	bool is_ending = false;
	int result = 0;

	while (next < pager->image.chunk_count && result == 0) {
		uint64_t begin;

		if (wait_for_fault(pager, rest_ns, &is_ending)) {
			result = serve_faults(pager);
			continue;
		}
		if (is_ending)
			return -ECANCELED;
		begin = clock_now_ns();
		next = next_missing(pager, next);
		if (next < pager->image.chunk_count)
			result = load_chunk(pager, next);
		if (result == 0 && next < pager->image.chunk_count)
			wake(pager, image_chunk_offset(next),
			     image_chunk_bytes(&pager->image, next));
		rest_ns = __atomic_load_n(&pager->is_hurried, __ATOMIC_RELAXED)
				  ? 0
				  : clock_now_ns() - begin;
	}
	return result;
}

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
	int result = work(pager);

	if (result == 0)
		let_go(pager);
	else if (result != -ECANCELED)
		fail(pager, result);
	return NULL;
}

static int watch_ranges(const struct pager *pager)
{
	for (uint32_t i = 0; i < pager->range_count; i++) {
		struct uffdio_register wish = {
			.range = { (uintptr_t)pager->ranges[i].host,
				   pager->ranges[i].bytes },
			.mode = UFFDIO_REGISTER_MODE_MISSING,
		};

		if (ioctl(pager->uffd, UFFDIO_REGISTER, &wish) < 0)
			return -errno;
	}
	return 0;
}

int pager_start(struct pager *pager, const struct image_progress *loaded)
{
	int result;

	if (!pager_is_lazy(pager)) {
		result = load_all(pager, loaded);
		release(pager);
		return result;
	}
	result = watch_ranges(pager);
	if (result < 0)
		return result;
	__atomic_store_n(&pager->is_active, true, __ATOMIC_RELEASE);
	result = thread_start(&pager->thread, "pager", run, pager);
	pager->is_running = result == 0;
	return result;
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
	static const uint64_t one = 1;

	if (pager->is_running) {
		if (write(pager->wake_fd, &one, sizeof(one)) < 0)
			return;
		(void)pthread_join(pager->thread, NULL);
	}
	pager->is_running = false;
	close_fd(&pager->wake_fd);
	if (!is_active(pager)) {
		close_fd(&pager->uffd);
		release(pager);
	}
}
