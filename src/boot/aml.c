/* SPDX-License-Identifier: MIT */
#include "boot/aml.h"

#include <errno.h>
#include <string.h>

#define SEGMENT_BYTES 4
#define DUAL_NAME     0x2e
#define ROOT_NAME     '\\'

/*
 * Lengths are always written in three bytes, so that nothing moves when one
 * becomes known; the encoding need not be the shortest.
 */
#define LENGTH_BYTES 3
#define LENGTH_MAX   0xfffffu

void aml_init(struct aml *aml, uint8_t *bytes, size_t room)
{
	memset(aml, 0, sizeof(*aml));
	aml->bytes = bytes;
	aml->room = room;
}

int aml_result(const struct aml *aml)
{
	if (aml->error == 0 && aml->depth != 0)
		return -EINVAL;
	return aml->error;
}

void aml_bytes(struct aml *aml, const void *bytes, size_t count)
{
	if (aml->error == 0 && count > aml->room - aml->used)
		aml->error = -ENOSPC;
	if (aml->error != 0)
		return;
	memcpy(aml->bytes + aml->used, bytes, count);
	aml->used += count;
}

void aml_byte(struct aml *aml, uint8_t byte)
{
	aml_bytes(aml, &byte, 1);
}

static void operator_bytes(struct aml *aml, uint32_t number)
{
	if (number > UINT8_MAX)
		aml_byte(aml, (uint8_t)(number >> 8));
	aml_byte(aml, (uint8_t)number);
}

void aml_op(struct aml *aml, enum aml_operator operator)
{
	operator_bytes(aml, operator);
}

void aml_begin(struct aml *aml, enum aml_block block)
{
	static const uint8_t unknown[LENGTH_BYTES] = { 0 };

	operator_bytes(aml, block);
	if (aml->error == 0 && aml->depth == AML_DEPTH_MAX)
		aml->error = -EINVAL;
	if (aml->error != 0)
		return;
	aml->open[aml->depth++] = aml->used;
	aml_bytes(aml, unknown, sizeof(unknown));
}

void aml_end(struct aml *aml)
{
	size_t at, bytes;

	if (aml->error == 0 && aml->depth == 0)
		aml->error = -EINVAL;
	if (aml->error != 0)
		return;
	at = aml->open[--aml->depth];
	bytes = aml->used - at;
	if (bytes > LENGTH_MAX) {
		aml->error = -ENOSPC;
		return;
	}
	aml->bytes[at] = (uint8_t)((LENGTH_BYTES - 1) << 6 | (bytes & 0xf));
	aml->bytes[at + 1] = (uint8_t)(bytes >> 4);
	aml->bytes[at + 2] = (uint8_t)(bytes >> 12);
}

/* Returns the rest of the path, behind the dot if there is one. */
static const char *segment(struct aml *aml, const char *path)
{
	char name[SEGMENT_BYTES + 1] = "____";
	size_t bytes = strcspn(path, ".");

	if (bytes == 0 || bytes > SEGMENT_BYTES) {
		aml->error = -EINVAL;
		return "";
	}
	memcpy(name, path, bytes);
	aml_bytes(aml, name, SEGMENT_BYTES);
	path += bytes;
	return *path == '.' ? path + 1 : path;
}

void aml_path(struct aml *aml, const char *path)
{
	if (*path == ROOT_NAME)
		aml_byte(aml, (uint8_t)*path++);
	if (strchr(path, '.')) {
		aml_byte(aml, DUAL_NAME);
		path = segment(aml, path);
	}
	path = segment(aml, path);
	if (*path && aml->error == 0)
		aml->error = -EINVAL;
}

void aml_integer(struct aml *aml, uint64_t value)
{
	static const struct {
		uint64_t max;
		uint8_t prefix;
		uint8_t bytes;
	} sizes[] = { { UINT8_MAX, 0x0a, 1 },
		      { UINT16_MAX, 0x0b, 2 },
		      { UINT32_MAX, 0x0c, 4 },
		      { UINT64_MAX, 0x0e, 8 } };
	size_t i = 0;

	if (value <= 1) { /* ZeroOp, OneOp */
		aml_byte(aml, (uint8_t)value);
		return;
	}
	while (value > sizes[i].max)
		i++;
	aml_byte(aml, sizes[i].prefix);
	aml_bytes(aml, &value, sizes[i].bytes);
}

static void aml_string(struct aml *aml, const char *text)
{
	aml_byte(aml, 0x0d);
	aml_bytes(aml, text, strlen(text) + 1);
}

static uint32_t hex_digit(char digit)
{
	return (uint32_t)(digit <= '9' ? digit - '0' : digit - 'A' + 10);
}

/* Three letters of five bits, four hexadecimal digits, big endian (19.3.4). */
static void aml_eisa_id(struct aml *aml, const char *id)
{
	uint32_t value = 0;
	uint8_t bytes[4];

	for (size_t i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - 'A' + 1);
	for (size_t i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	for (size_t i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (24 - 8 * i));
	aml_byte(aml, 0x0c);
	aml_bytes(aml, bytes, sizeof(bytes));
}

static void begin_name(struct aml *aml, const char *path)
{
	aml_op(aml, AML_NAME);
	aml_path(aml, path);
}

void aml_name_integer(struct aml *aml, const char *path, uint64_t value)
{
	begin_name(aml, path);
	aml_integer(aml, value);
}

void aml_name_string(struct aml *aml, const char *path, const char *text)
{
	begin_name(aml, path);
	aml_string(aml, text);
}

void aml_name_eisa_id(struct aml *aml, const char *path, const char *id)
{
	begin_name(aml, path);
	aml_eisa_id(aml, id);
}
