/* SPDX-License-Identifier: MIT */
/*
 * What the fields of messages may be, by ranges.def. What one side may send is
 * what the other takes: child_send() refuses a message outside of it, and
 * message_dispatch() does.
 */
#ifndef CONTROL_RANGES_H
#define CONTROL_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message_range {
	uint32_t type;
	uint32_t offset; /* in the body */
	uint32_t bytes;  /* of a text; 0: it is a number */
	bool is_signed;
	int64_t least;
	int64_t most;
	const char *name; /* "CHILD_EVENT.level" */
};

const struct message_range *message_ranges(size_t *ret_count);

/* True when every field of a body of this type's length is in its range. */
bool message_is_in_range(uint32_t type, const void *body);

#endif
