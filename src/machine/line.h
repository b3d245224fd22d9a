/* SPDX-License-Identifier: MIT */
/*
 * An interrupt line of the board, as a device sees it: a level that it sets.
 * The owner knows which GSI it is, and whether it is edge triggered.
 */
#ifndef MACHINE_LINE_H
#define MACHINE_LINE_H

#include <stdbool.h>
#include <stdint.h>

struct line {
	void (*set)(void *context, uint32_t gsi, bool is_high);
	void *context;
	uint32_t gsi;
	bool is_high; /* as last passed to set() */
};

/* Pass on changes only: a system call costs more than a comparison. */
static inline void line_set(struct line *line, bool is_high)
{
	if (line->is_high == is_high)
		return;
	line->is_high = is_high;
	line->set(line->context, line->gsi, is_high);
}

/* After a restore, which restores the interrupt controllers but not their
 * pins. */
static inline void line_repeat(struct line *line)
{
	line->set(line->context, line->gsi, line->is_high);
}

#endif
