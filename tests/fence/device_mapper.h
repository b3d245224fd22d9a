/* SPDX-License-Identifier: MIT */
/*
 * One device of the kernel's device mapper, made and removed by its ioctls.
 *
 * Errors     A test fails in here.
 */
#ifndef TESTS_FENCE_DEVICE_MAPPER_H
#define TESTS_FENCE_DEVICE_MAPPER_H

#include <stddef.h>
#include <stdint.h>

struct dm_segment {
	uint64_t sectors;
	const char *target;
	const char *table; /* the target's arguments */
};

/* The segments follow each other. The device's path is stored. */
void dm_create(const struct dm_segment *segments, size_t count,
	       char *ret_device, size_t room);
void dm_remove(void);

#endif
