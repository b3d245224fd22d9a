/* SPDX-License-Identifier: MIT */
/*
 * Positions in shared memory: 64 bits, never wrapping, one to a cache line, and
 * the decision whether to wake the peer. Private to this folder.
 *
 * A sleeper publishes the position past which it wants to be woken and then
 * checks once more; a publisher stores its position and then checks whether it
 * has passed that one. With a full fence between store and check on both sides,
 * at least one of them sees the other.
 */
#ifndef CHANNEL_POSITION_H
#define CHANNEL_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct position {
	uint64_t value;
	uint8_t unused[56];
};

static inline uint64_t position_load(const struct position *position)
{
	return __atomic_load_n(&position->value, __ATOMIC_ACQUIRE);
}

static inline void position_store(struct position *position, uint64_t value)
{
	__atomic_store_n(&position->value, value, __ATOMIC_RELEASE);
}

/* Publish a position; true when the other end asked to be woken in between. */
static inline bool position_publish(struct position *position,
				    const struct position *wake_at,
				    uint64_t before, uint64_t now)
{
	position_store(position, now);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return now - position_load(wake_at) - 1 < now - before;
}

/* Ask for a wake-up past `at`; true when nothing came meanwhile. */
static inline bool position_prepare_sleep(struct position *wake_at,
					  const struct position *position,
					  uint64_t at)
{
	position_store(wake_at, at);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return position_load(position) == at;
}

/*
 * Create sealed memory of this size that begins with `header`. The caller owns
 * *ret_memfd. The header is written, not mapped: the creator keeps no mapping.
 */
int shared_create(const char *name, uint64_t bytes, const void *header,
		  size_t header_bytes, int *ret_memfd);

/*
 * Map a file of the peer whose size can no longer change. Without the seals a
 * peer could truncate it under the mapping: SIGBUS.
 *
 * -EBADMSG  it can change, or is smaller than that
 */
int shared_map(int memfd, size_t least_bytes, void **ret_map,
	       size_t *ret_bytes);

#endif
