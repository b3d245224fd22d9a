/* SPDX-License-Identifier: MIT */
/* Pages of an image, put into memory. */
#include "monitor/engine/kvm/image/pager_private.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "base/count.h"

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

void pager_wake(const struct pager *pager, uint64_t offset, uint64_t bytes)
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
	int r = ioctl(pager->uffd, UFFDIO_COPY, &copy);

	return outcome(r, copy.copy);
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

int pager_put(const struct pager *pager, uint64_t offset, uint64_t bytes,
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

int pager_put_zero(const struct pager *pager, uint64_t offset)
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
