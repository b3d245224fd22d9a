/* SPDX-License-Identifier: MIT */
/*
 * A guest's memory: up to 32 regions of it, mapped from descriptors or
 * borrowed.
 *
 * A guest refers to memory by guest-physical address (gpa), a vhost-user front
 * end to its rings by its own virtual ("user") addresses. Both are hostile
 * input, so each look-up takes a length as well, and succeeds only when every
 * byte of the range is mapped. Mappings are excluded from core dumps and are
 * not inherited by children.
 *
 * Trust      Guest and front end are hostile: any address and any length may be
 *            passed in. A front end that truncates its file while it is mapped
 *            brings down the monitor of its own guest, and nothing else.
 * Threads    One thread; look-ups remember the last region that answered.
 * Errors     0 or a negative errno.
 */
#ifndef GUESTMEM_GUESTMEM_H
#define GUESTMEM_GUESTMEM_H

#include <stddef.h>
#include <stdint.h>

/* Memory slots of vhost-user. */
#define GUESTMEM_REGION_MAX 32

typedef uint64_t gpa_t;

/* What a front end says about a region. */
struct guestmem_place {
	gpa_t gpa;
	uint64_t user_address;
	uint64_t bytes;
	uint64_t offset_bytes; /* of the first byte in the descriptor */
};

struct guestmem_region {
	gpa_t gpa;
	uint64_t user_address;
	uint64_t bytes;
	uint8_t *host; /* the region's first byte */
	void *map;     /* what munmap() needs: page aligned; NULL: borrowed */
	size_t map_bytes;
};

struct guestmem {
	uint32_t count;
	uint32_t last; /* the region that answered last */
	struct guestmem_region regions[GUESTMEM_REGION_MAX];
};

/* Initialise to no memory; required before anything else. */
void guestmem_init(struct guestmem *memory);

/*
 * Map one region, shared. `fd` is borrowed; the mapping outlives it.
 *
 * -EINVAL  empty, wraps, overlaps an existing region, or is not inside the file
 * -ENOSPC  there are GUESTMEM_REGION_MAX regions
 * other    what mmap() said
 */
int guestmem_add(struct guestmem *memory, const struct guestmem_place *place,
		 int fd);

/*
 * The same for memory that is already mapped and stays mapped as long as
 * `memory` refers to it: `host` is its first byte.
 */
int guestmem_borrow(struct guestmem *memory, const struct guestmem_place *place,
		    uint8_t *host);

/* Unmap the region with exactly this place (offset aside); -ENOENT if none. */
int guestmem_remove(struct guestmem *memory,
		    const struct guestmem_place *place);

/* Unmap everything. Safe on an empty one. */
void guestmem_clear(struct guestmem *memory);

/*
 * The bytes at a guest-physical address, or NULL unless all of them lie in ONE
 * region. Valid until a region is removed. NULL also for a length of 0.
 */
uint8_t *guestmem_at(struct guestmem *memory, gpa_t gpa, uint64_t bytes);

/* The same for a front end's user address. */
uint8_t *guestmem_at_user(struct guestmem *memory, uint64_t address,
			  uint64_t bytes);

/*
 * Copy from or to guest memory; the range may span adjacent regions.
 *
 * -EFAULT  some of it is not mapped; how much was copied is undefined
 */
int guestmem_read(struct guestmem *memory, void *to, gpa_t gpa, uint64_t bytes);
int guestmem_write(struct guestmem *memory, gpa_t gpa, const void *from,
		   uint64_t bytes);

/* -EFAULT unless a copy of this range would succeed. */
int guestmem_check(struct guestmem *memory, gpa_t gpa, uint64_t bytes);

#endif
