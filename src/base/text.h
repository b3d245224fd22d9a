/* SPDX-License-Identifier: MIT */
/* Bounded text: copying into fixed arrays, checking, escaping, numbers. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copy `from` into an array of `room` bytes, always terminated; the rest of
 * the array is zeroed, so that a struct holding it can cross a process
 * boundary.
 *
 * -ENAMETOOLONG  it does not fit (nothing was copied)
 */
int text_copy(char *to, size_t room, const char *from);

/* True when an array received from a peer is terminated within its room. */
bool text_is_terminated(const char *text, size_t room);

/*
 * True for a valid name: 1 to 31 of [a-z0-9_.-], beginning with a letter or a
 * digit. Such a name is safe in a path, in a log line and on a terminal.
 */
#define NAME_SIZE 32
#define TEXT_NAME_RULE                                              \
	"must be 1 to 31 of a-z 0-9 _ . - and begin with a letter " \
	"or digit"
bool text_is_name(const char *text, size_t room);

/*
 * The bytes of the first character of a text that ends, 0 when that is not UTF-8,
 * or controls a terminal (C0, C1, DEL).
 */
size_t text_printable(const char *text);

/*
 * Write `bytes` of untrusted text into `to`, with everything outside printable
 * ASCII, backslash and quote escaped as \xNN. Always terminated; truncated when
 * full.
 */
void text_escape(char *to, size_t room, const void *from, size_t bytes);

/*
 * Parse an unsigned decimal number, the whole of `text`.
 *
 * -EINVAL  not a number; -ERANGE  above `most`
 */
int text_parse_u64(const char *text, uint64_t most, uint64_t *ret_value);

/*
 * Parse a size: a decimal number with an optional suffix K, M, G or T (powers
 * of 1024), or KiB, MiB, GiB or TiB, which mean the same.
 *
 * -EINVAL  not a size; -ERANGE  above `most`
 */
int text_parse_size(const char *text, uint64_t most, uint64_t *ret_bytes);

#endif
