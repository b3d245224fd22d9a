/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int text_copy(char *to, size_t room, const char *from)
{
	size_t bytes = strlen(from);

	if (bytes >= room)
		return -ENAMETOOLONG;
	memset(to, 0, room);
	memcpy(to, from, bytes);
	return 0;
}

bool text_is_terminated(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool text_is_name(const char *text, size_t room)
{
	size_t most = room < NAME_SIZE ? room : NAME_SIZE;

	if (!text_is_terminated(text, most) || !is_name_start(text[0]))
		return false;
	for (const char *c = text; *c; c++)
		if (!is_name_start(*c) && *c != '_' && *c != '.' && *c != '-')
			return false;
	return true;
}

size_t text_printable(const char *text)
{
	/* The least that wants so many bytes more, and is not C1. */
	static const uint32_t least[] = { ' ', 0xa0, 0x800, 0x10000 };
	const uint8_t *at = (const uint8_t *)text;
	size_t more = (at[0] >= 0xc0) + (at[0] >= 0xe0) + (at[0] >= 0xf0);
	uint32_t code = more ? at[0] & (0x3fu >> more) : at[0];

	for (size_t i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fu);
	}
	if (at[0] >= 0xf8 || code < least[more] || code > 0x10ffff ||
	    code >> 11 == 0x1b || (!more && code >= 0x7f))
		return 0;
	return more + 1;
}

void text_escape(char *to, size_t room, const void *from, size_t bytes)
{
	const unsigned char *in = from;
	size_t used = 0;

	for (size_t i = 0; i < bytes && used + 5 <= room; i++) {
		if (in[i] >= ' ' && in[i] < 0x7f && in[i] != '\\' &&
		    in[i] != '"')
			to[used++] = (char)in[i];
		else
			used += (size_t)snprintf(to + used, 5, "\\x%02x",
						 in[i]);
	}
	if (room)
		to[used] = '\0';
}

int text_parse_u64(const char *text, uint64_t most, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'),
					   &value))
			return -ERANGE;
	}
	if (value > most)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

static int suffix_shift(char suffix)
{
	static const char suffixes[] = "KMGT";
	const char *at = strchr(suffixes, suffix);

	return suffix && at ? (int)(at - suffixes + 1) * 10 : -EINVAL;
}

int text_parse_size(const char *text, uint64_t most, uint64_t *ret_bytes)
{
	char digits[24];
	size_t length = strlen(text);
	uint64_t value;
	int shift = 0;
	int r;

	if (length == 0 || length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, length + 1);
	/* Not of a plain number: there is no iB without a K. */
	if (length > 3 && strcmp(digits + length - 2, "iB") == 0 &&
	    suffix_shift(digits[length - 3]) > 0)
		length -= 2;
	if (digits[length - 1] > '9') {
		shift = suffix_shift(digits[length - 1]);
		if (shift < 0)
			return -EINVAL;
		digits[length - 1] = '\0';
	}
	r = text_parse_u64(digits, UINT64_MAX, &value);
	if (r < 0)
		return r;
	if (shift && value >> (64 - shift))
		return -ERANGE;
	value <<= shift;
	if (value > most)
		return -ERANGE;
	*ret_bytes = value;
	return 0;
}
