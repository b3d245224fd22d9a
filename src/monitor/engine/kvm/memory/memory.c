/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/memory/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "machine/layout.h"
#include "monitor/engine/kvm/image/pager.h"

uint32_t memory_split(uint64_t bytes, struct memory_range *ret_ranges)
{
	uint64_t low = min_u64(bytes, LAYOUT_LOW_END);

	ret_ranges[0] = (struct memory_range){ .bytes = low };
	if (bytes == low)
		return 1;
	ret_ranges[1] = (struct memory_range){
		.gpa = LAYOUT_HIGH_BASE,
		.bytes = bytes - low,
		.offset_bytes = low,
	};
	return 2;
}

static int refuse_memory(struct refusal *refusal, int error, uint64_t bytes,
			 bool is_huge)
{
	return refuse(refusal, error, "memory.size",
		      "the host cannot give %llu MiB%s: %s",
		      (unsigned long long)bytes >> 20,
		      is_huge ? " in huge pages" : "", strerror(-error));
}

static int make_file(struct kvm_memory *memory, bool is_huge)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	memory->fd = memfd_create(
		"bulkhead-guest",
		flags | (is_huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
	if (memory->fd < 0) {
		memory->fd = NO_FD;
		return -errno;
	}
	if (ftruncate(memory->fd, (off_t)memory->bytes) < 0 ||
	    fcntl(memory->fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

/* Huge pages are reserved here, or not to be had. Others come when they are
 * touched, as for any process. */
static int map_file(struct kvm_memory *memory, bool is_huge)
{
	int flags = MAP_SHARED | (is_huge ? 0 : MAP_NORESERVE);

	memory->map = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE, flags,
			   memory->fd, 0);
	if (memory->map == MAP_FAILED) {
		memory->map = NULL;
		return -errno;
	}
	if (madvise(memory->map, memory->bytes, MADV_DONTDUMP) < 0 ||
	    madvise(memory->map, memory->bytes, MADV_DONTFORK) < 0)
		return -errno;
	return 0;
}

int kvm_memory_open(struct kvm_memory *memory, uint64_t bytes, bool is_huge,
		    struct refusal *refusal)
{
	int r;

	memset(memory, 0, sizeof(*memory));
	memory->fd = NO_FD;
	if (bytes == 0 || bytes % LAYOUT_PAGE_BYTES != 0)
		return refuse_memory(refusal, -EINVAL, bytes, is_huge);
	memory->bytes = bytes;
	memory->range_count = memory_split(bytes, memory->ranges);
	r = make_file(memory, is_huge);
	if (r == 0)
		r = map_file(memory, is_huge);
	if (r == 0)
		return 0;
	kvm_memory_close(memory);
	return refuse_memory(refusal, r, bytes, is_huge);
}

void kvm_memory_close(struct kvm_memory *memory)
{
	if (memory->map)
		(void)munmap(memory->map, memory->bytes);
	memory->map = NULL;
	close_fd(&memory->fd);
}

uint8_t *kvm_memory_at(const struct kvm_memory *memory, uint64_t gpa,
		       size_t bytes)
{
	for (uint32_t i = 0; i < memory->range_count; i++) {
		const struct memory_range *range = &memory->ranges[i];

		if (gpa >= range->gpa && gpa - range->gpa < range->bytes &&
		    bytes <= range->bytes - (gpa - range->gpa))
			return memory->map + range->offset_bytes +
			       (gpa - range->gpa);
	}
	return NULL;
}

int kvm_memory_lend(const struct kvm_memory *memory, struct guestmem *guest)
{
	int r = 0;

	for (uint32_t i = 0; i < memory->range_count && r == 0; i++) {
		const struct memory_range *range = &memory->ranges[i];
		const struct guestmem_place place = {
			.gpa = range->gpa,
			.user_address = range->gpa,
			.bytes = range->bytes,
		};

		r = guestmem_borrow(guest, &place,
				    memory->map + range->offset_bytes);
	}
	return r;
}

static void punch(const struct kvm_memory *memory, struct pager *pager,
		  uint64_t offset, uint64_t bytes)
{
	pager_discard(pager, offset, bytes);
	/* Refused: the host goes without, and nobody else. */
	if (fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)offset, (off_t)bytes) < 0)
		return;
}

void kvm_memory_give_back(const struct kvm_memory *memory, struct pager *pager,
			  uint64_t gpa, uint64_t bytes)
{
	for (uint32_t i = 0; i < memory->range_count; i++) {
		const struct memory_range *range = &memory->ranges[i];
		uint64_t first = max_u64(gpa, range->gpa);
		uint64_t end = min_u64(gpa + bytes, range->gpa + range->bytes);

		if (first < end)
			punch(memory, pager,
			      first - range->gpa + range->offset_bytes,
			      end - first);
	}
}
