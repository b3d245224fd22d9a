/* SPDX-License-Identifier: MIT */
#include "guestmem/guestmem.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/count.h"

/*
 * No sum of two foreign numbers is ever formed: a region never wraps, so an
 * address below its start gives a difference not below its length.
 */
static bool holds(uint64_t start, uint64_t room, uint64_t address,
		  uint64_t bytes)
{
	uint64_t skip = address - start;

	return skip < room && bytes <= room - skip;
}

static bool wraps(uint64_t start, uint64_t bytes)
{
	return bytes != 0 && start + (bytes - 1) < start;
}

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return b - a < a_bytes || a - b < b_bytes;
}

void guestmem_init(struct guestmem *memory)
{
	memset(memory, 0, sizeof(*memory));
}

static bool collides(const struct guestmem *memory,
		     const struct guestmem_place *place)
{
	for (uint32_t i = 0; i < memory->count; i++) {
		const struct guestmem_region *region = &memory->regions[i];

		if (overlap(region->gpa, region->bytes, place->gpa,
			    place->bytes) ||
		    overlap(region->user_address, region->bytes,
			    place->user_address, place->bytes))
			return true;
	}
	return false;
}

/*
 * The unit in which this file can be mapped: a page, or on hugetlbfs its huge
 * page, which is its block size. 0 if the file does not hold the place.
 */
static uint64_t mapping_unit(const struct guestmem_place *place, int fd)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	struct stat file;

	if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode))
		return 0;
	if (!holds(0, (uint64_t)file.st_size, place->offset_bytes,
		   place->bytes))
		return 0;
	if ((file.st_blksize & (file.st_blksize - 1)) != 0)
		return page_bytes;
	return max_u64(page_bytes, (uint64_t)file.st_blksize);
}

static int map_region(struct guestmem_region *region, uint64_t offset_bytes,
		      uint64_t unit, int fd)
{
	uint64_t skip = offset_bytes % unit;

	region->map_bytes = align_up_u64(region->bytes + skip, unit);
	region->map = mmap(NULL, region->map_bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_NORESERVE, fd,
			   (off_t)(offset_bytes - skip));
	if (region->map == MAP_FAILED)
		return -errno;
	region->host = (uint8_t *)region->map + skip;
	if (madvise(region->map, region->map_bytes, MADV_DONTDUMP) == 0 &&
	    madvise(region->map, region->map_bytes, MADV_DONTFORK) == 0)
		return 0;
	(void)munmap(region->map, region->map_bytes);
	return -EINVAL;
}

static int check_place(const struct guestmem *memory,
		       const struct guestmem_place *place)
{
	if (place->bytes == 0 || wraps(place->gpa, place->bytes) ||
	    wraps(place->user_address, place->bytes))
		return -EINVAL;
	if (collides(memory, place))
		return -EINVAL;
	return memory->count == GUESTMEM_REGION_MAX ? -ENOSPC : 0;
}

int guestmem_add(struct guestmem *memory, const struct guestmem_place *place,
		 int fd)
{
	struct guestmem_region region = { .gpa = place->gpa,
					  .user_address = place->user_address,
					  .bytes = place->bytes };
	uint64_t unit;
	int r = check_place(memory, place);

	if (r < 0)
		return r;
	unit = mapping_unit(place, fd);
	if (unit == 0)
		return -EINVAL;
	r = map_region(&region, place->offset_bytes, unit, fd);
	if (r < 0)
		return r;
	memory->regions[memory->count++] = region;
	return 0;
}

int guestmem_borrow(struct guestmem *memory, const struct guestmem_place *place,
		    uint8_t *host)
{
	int r = check_place(memory, place);

	if (r < 0)
		return r;
	memory->regions[memory->count++] = (struct guestmem_region){
		.gpa = place->gpa,
		.user_address = place->user_address,
		.bytes = place->bytes,
		.host = host,
	};
	return 0;
}

static void unmap(const struct guestmem_region *region)
{
	if (region->map)
		(void)munmap(region->map, region->map_bytes);
}

int guestmem_remove(struct guestmem *memory, const struct guestmem_place *place)
{
	for (uint32_t i = 0; i < memory->count; i++) {
		struct guestmem_region *region = &memory->regions[i];

		if (region->gpa != place->gpa ||
		    region->bytes != place->bytes ||
		    region->user_address != place->user_address)
			continue;
		unmap(region);
		/* No slot may keep what is unmapped: `last` looks at one. */
		*region = memory->regions[--memory->count];
		memset(&memory->regions[memory->count], 0, sizeof(*region));
		memory->last = 0;
		return 0;
	}
	return -ENOENT;
}

void guestmem_clear(struct guestmem *memory)
{
	for (uint32_t i = 0; i < memory->count; i++)
		unmap(&memory->regions[i]);
	guestmem_init(memory);
}

/* The region holding this address, the last one that answered first. */
static const struct guestmem_region *find(struct guestmem *memory, gpa_t gpa)
{
	const struct guestmem_region *region = &memory->regions[memory->last];

	if (holds(region->gpa, region->bytes, gpa, 1))
		return region;
	for (uint32_t i = 0; i < memory->count; i++) {
		region = &memory->regions[i];
		if (!holds(region->gpa, region->bytes, gpa, 1))
			continue;
		memory->last = i;
		return region;
	}
	return NULL;
}

uint8_t *guestmem_at(struct guestmem *memory, gpa_t gpa, uint64_t bytes)
{
	const struct guestmem_region *region = find(memory, gpa);

	if (!region || bytes == 0 ||
	    !holds(region->gpa, region->bytes, gpa, bytes))
		return NULL;
	return region->host + (gpa - region->gpa);
}

uint8_t *guestmem_at_user(struct guestmem *memory, uint64_t address,
			  uint64_t bytes)
{
	for (uint32_t i = 0; bytes != 0 && i < memory->count; i++) {
		const struct guestmem_region *region = &memory->regions[i];

		if (holds(region->user_address, region->bytes, address, bytes))
			return region->host + (address - region->user_address);
	}
	return NULL;
}

/*
 * The contiguous beginning of a range: its bytes, and their number through
 * `ret_bytes`. NULL if the first byte is not mapped. A range that wraps ends
 * at the last address, where no region can begin.
 */
static uint8_t *beginning(struct guestmem *memory, gpa_t gpa, uint64_t bytes,
			  uint64_t *ret_bytes)
{
	const struct guestmem_region *region = find(memory, gpa);
	uint64_t skip;

	if (!region || wraps(gpa, bytes))
		return NULL;
	skip = gpa - region->gpa;
	*ret_bytes = min_u64(bytes, region->bytes - skip);
	return region->host + skip;
}

int guestmem_read(struct guestmem *memory, void *to, gpa_t gpa, uint64_t bytes)
{
	uint64_t part;

	for (uint8_t *at = to; bytes != 0; bytes -= part) {
		const uint8_t *from = beginning(memory, gpa, bytes, &part);

		if (!from)
			return -EFAULT;
		memcpy(at, from, part);
		at += part;
		gpa += part;
	}
	return 0;
}

int guestmem_write(struct guestmem *memory, gpa_t gpa, const void *from,
		   uint64_t bytes)
{
	uint64_t part;

	for (const uint8_t *at = from; bytes != 0; bytes -= part) {
		uint8_t *to = beginning(memory, gpa, bytes, &part);

		if (!to)
			return -EFAULT;
		memcpy(to, at, part);
		at += part;
		gpa += part;
	}
	return 0;
}

int guestmem_check(struct guestmem *memory, gpa_t gpa, uint64_t bytes)
{
	uint64_t part;

	for (; bytes != 0; bytes -= part) {
		if (!beginning(memory, gpa, bytes, &part))
			return -EFAULT;
		gpa += part;
	}
	return 0;
}
