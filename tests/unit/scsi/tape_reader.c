/* SPDX-License-Identifier: MIT */
#include "tape_reader.h"

#include <stdio.h>
#include <string.h>

static uint32_t number(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/* The bytes of a block with its lengths, 0 if it is broken. */
static size_t block_bytes(const uint8_t *at, size_t left)
{
	size_t data = number(at), padded = data + (data & 1);

	if (padded + 8 > left || number(at + 4 + padded) != data)
		return 0;
	return padded + 8;
}

static size_t say(char **words, size_t room, const char *text, size_t bytes)
{
	int count = snprintf(*words, room, "%.*s ", (int)bytes, text);

	if (count < 0 || (size_t)count >= room)
		return room;
	*words += count;
	return (size_t)count;
}

void tape_read_all(const uint8_t *file, size_t file_bytes, char *ret_words,
		   size_t room)
{
	size_t at = 0;

	while (at + 4 <= file_bytes && number(file + at) != 0xffffffff) {
		size_t bytes = 4;

		if (number(file + at) == 0) {
			room -= say(&ret_words, room, "|", 1);
		} else {
			bytes = block_bytes(file + at, file_bytes - at);
			if (bytes == 0) {
				(void)snprintf(ret_words, room, "broken");
				return;
			}
			room -= say(&ret_words, room,
				    (const char *)file + at + 4,
				    number(file + at));
		}
		at += bytes;
	}
	(void)snprintf(ret_words, room, "end");
}
