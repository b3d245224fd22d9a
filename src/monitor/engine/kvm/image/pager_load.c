/* SPDX-License-Identifier: MIT */
/* Pieces of an image, in the order in which they are wanted. */
#include "monitor/engine/kvm/image/pager_private.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "base/clock.h"
#include "base/count.h"

#define FAULTS_AT_ONCE 16
/* 16 MiB. */
#define TOLD_CHUNKS 64

static bool is_wanted(const struct pager *pager, uint64_t offset,
		      const uint8_t *page)
{
	return !image_page_is_zero(page) &&
	       !(pager->discarded &&
		 pager_test_bit(pager->discarded, offset / IMAGE_PAGE_BYTES));
}

/* The pages of the buffer that are wanted, in as few steps as that takes. */
static int put_pages(const struct pager *pager, uint64_t offset, uint32_t bytes)
{
	const uint8_t *from = pager->buffer;
	uint32_t begin = 0;
	int r = 0;

	while (begin < bytes && r == 0) {
		uint32_t end = begin;

		while (end < bytes &&
		       is_wanted(pager, offset + end, from + end))
			end += IMAGE_PAGE_BYTES;
		r = pager_put(pager, offset + begin, end - begin, from + begin);
		begin = end + IMAGE_PAGE_BYTES;
	}
	return r;
}

static int load_chunk(struct pager *pager, uint32_t index)
{
	uint64_t offset = image_chunk_offset(index);
	uint32_t bytes = image_chunk_bytes(&pager->image, index);
	int r = 0;

	pager->failed_chunk = index;
	if (image_chunk_has_data(&pager->image, index))
		r = image_read_chunk(&pager->image, index, pager->buffer);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&pager->lock);
	if (image_chunk_has_data(&pager->image, index))
		r = put_pages(pager, offset, bytes);
	pager_set_bit(pager->loaded, index);
	(void)pthread_mutex_unlock(&pager->lock);
	return r;
}

static void tell_loaded(const struct pager *pager,
			const struct image_progress *loaded, uint32_t count)
{
	uint64_t total = pager->image.machine.memory_bytes;

	if (loaded && count % TOLD_CHUNKS == 0)
		loaded->made(loaded->context,
			     min_u64(image_chunk_offset(count), total), total);
}

int pager_load_all(struct pager *pager, const struct image_progress *loaded)
{
	int r = 0;

	for (uint32_t i = 0; i < pager->image.chunk_count && r == 0; i++) {
		r = load_chunk(pager, i);
		tell_loaded(pager, loaded, i + 1);
	}
	return r;
}

/* The thread. ------------------------------------------------------------------
 */

static int serve_fault(struct pager *pager, uint64_t address)
{
	for (uint32_t i = 0; i < pager->range_count; i++) {
		const struct pager_range *range = &pager->ranges[i];
		uint64_t inside = address - (uintptr_t)range->host;
		uint64_t offset;
		int r = 0;

		if (address < (uintptr_t)range->host || inside >= range->bytes)
			continue;
		offset = (range->offset + inside) &
			 ~(uint64_t)(IMAGE_PAGE_BYTES - 1);
		if (!pager_test_bit(pager->loaded, offset / IMAGE_CHUNK_BYTES))
			r = load_chunk(pager,
				       (uint32_t)(offset / IMAGE_CHUNK_BYTES));
		if (r == 0)
			r = pager_put_zero(pager, offset);
		if (r == 0)
			pager_wake(pager, offset, IMAGE_PAGE_BYTES);
		return r;
	}
	return 0;
}

static int serve_faults(struct pager *pager)
{
	struct uffd_msg messages[FAULTS_AT_ONCE];
	ssize_t got = read(pager->uffd, messages, sizeof(messages));
	int r = 0;

	for (size_t i = 0;
	     got > 0 && i < (size_t)got / sizeof(*messages) && r == 0; i++)
		if (messages[i].event == UFFD_EVENT_PAGEFAULT)
			r = serve_fault(pager,
					messages[i].arg.pagefault.address);
	return r;
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
	       (pager_test_bit(pager->loaded, from) ||
		!image_chunk_has_data(&pager->image, from)))
		from++;
	return from;
}

/*
 * Faults first; in between the rest, one chunk and then as long a rest as that
 * took: half of one processor and of the disk at most.
 */
int pager_work(struct pager *pager)
{
	uint32_t next = next_missing(pager, 0);
	uint64_t rest_ns = 0;
	bool is_ending = false;
	int r = 0;

	while (next < pager->image.chunk_count && r == 0) {
		uint64_t begin;

		if (wait_for_fault(pager, rest_ns, &is_ending)) {
			r = serve_faults(pager);
			continue;
		}
		if (is_ending)
			return -ECANCELED;
		begin = clock_now_ns();
		next = next_missing(pager, next);
		if (next < pager->image.chunk_count)
			r = load_chunk(pager, next);
		if (r == 0 && next < pager->image.chunk_count)
			pager_wake(pager, image_chunk_offset(next),
				   image_chunk_bytes(&pager->image, next));
		rest_ns = __atomic_load_n(&pager->is_hurried, __ATOMIC_RELAXED)
				  ? 0
				  : clock_now_ns() - begin;
	}
	return r;
}
