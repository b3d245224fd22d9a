/* SPDX-License-Identifier: MIT */
/*
 * The client's private map of a channel's buffer area: which pages are granted
 * to a request. The server never sees it, only offsets. A grant lasts as long
 * as its request: it is returned only when the server has answered, or when the
 * fence of the generation has passed (I4).
 *
 * The lowest free pages are always granted first, to keep the touched memory
 * small.
 *
 * Threads    One owner. Errors: 0 or a negative errno.
 */
#ifndef CHANNEL_BUFFERS_H
#define CHANNEL_BUFFERS_H

#include <stdint.h>

struct buffers {
	uint64_t *taken; /* owned; one bit per page */
	uint32_t page_count;
	uint32_t free_count; /* pages */
	uint32_t first_word; /* no free page lies in a word before this one */
};

/* A contiguous piece of the buffer area; bytes is 0 when it holds nothing. */
struct grant {
	uint32_t offset;
	uint32_t bytes;
};

/*
 * All of [reserved_bytes, area_bytes) is free afterwards; both are multiples of
 * CHANNEL_BUFFER_UNIT. What is reserved is never granted.
 *
 * -ENOMEM
 */
int buffers_init(struct buffers *buffers, uint32_t reserved_bytes,
		 uint32_t area_bytes);
void buffers_release(struct buffers *buffers);

/*
 * Grant `bytes` (at least 1), rounded up to whole pages, at the lowest address
 * where they fit in one piece.
 *
 * -EAGAIN  no such piece is free now
 */
int buffers_grant(struct buffers *buffers, uint32_t bytes,
		  struct grant *ret_grant);

/* Return a grant and empty it. Safe on an empty one. */
void buffers_return(struct buffers *buffers, struct grant *grant);

#endif
