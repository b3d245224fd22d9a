/* SPDX-License-Identifier: MIT */
/*
 * An interrupt line of the board, as a device sees it: a level that it sets.
 * The owner knows which GSI that is, and whether it counts edges.
 */
#ifndef MACHINE_LINE_H
#define MACHINE_LINE_H

#include <stdbool.h>
#include <stdint.h>

struct line {
	void (*set)(void *context, uint32_t gsi, bool is_high);
	void *context;
	uint32_t gsi;
	bool is_high; /* as last told to set() */
};

/* Tell only what changes: an exit to the kernel costs more than a look. */
static inline void line_set(struct line *line, bool is_high)
{
	if (line->is_high == is_high)
		return;
	line->is_high = is_high;
	line->set(line->context, line->gsi, is_high);
}

/* After a restore: interrupt controllers were restored, pins were not. */
static inline void line_repeat(struct line *line)
{
	line->set(line->context, line->gsi, line->is_high);
}

#endif
