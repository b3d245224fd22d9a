/* SPDX-License-Identifier: MIT */
/* Array lengths, minima, alignment, and what a member is part of. */
#ifndef BASE_COUNT_H
#define BASE_COUNT_H

#include <stddef.h>
#include <stdint.h>

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What this is the member of, given a pointer to the member. */
#define CONTAINER_OF(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* `unit` is a power of two. */
static inline uint64_t align_up_u64(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

#endif
