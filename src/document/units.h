/* SPDX-License-Identifier: MIT */
/* Sizes ("8G") and times ("30s") as the document writes them. */
#ifndef DOCUMENT_UNITS_H
#define DOCUMENT_UNITS_H

#include <stdint.h>

#define UNIT_ROOM 24

/* The shortest exact form: 8589934592 is "8G". */
void size_write(char to[UNIT_ROOM], uint64_t bytes);
void time_write(char to[UNIT_ROOM], uint64_t ms);

/*
 * Parse a time: a decimal number with a unit, ms, s, m or h.
 *
 * -EINVAL  not a time; -ERANGE  above most_ms
 */
int time_parse(const char *text, uint64_t most_ms, uint64_t *ret_ms);

#endif
