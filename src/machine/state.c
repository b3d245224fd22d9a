/* SPDX-License-Identifier: MIT */
#include "machine/state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A section: tag, version, bytes that follow; 16, 16 and 32 bits. */
#define HEAD_BYTES   8
#define LENGTH_AT    4
#define NO_SECTION   SIZE_MAX
#define INITIAL_SIZE 4096

static void put_number(uint8_t *to, uint64_t value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_number(const uint8_t *from, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

void state_writer_init(struct state_writer *writer)
{
	*writer = (struct state_writer){ .section = NO_SECTION };
}

void state_writer_release(struct state_writer *writer)
{
	free(writer->bytes);
	state_writer_init(writer);
}

/* Room for so many more bytes, or NULL after a failure. */
static uint8_t *reserve(struct state_writer *writer, size_t count)
{
	size_t room = writer->room ? writer->room : INITIAL_SIZE;
	uint8_t *bytes;

	if (writer->error)
		return NULL;
	while (room - writer->used < count)
		room *= 2;
	if (room == writer->room)
		return writer->bytes + writer->used;
	bytes = realloc(writer->bytes, room);
	if (!bytes) {
		writer->error = -ENOMEM;
		return NULL;
	}
	writer->bytes = bytes;
	writer->room = room;
	return bytes + writer->used;
}

static void write_number(struct state_writer *writer, uint64_t value,
			 size_t count)
{
	uint8_t *to = reserve(writer, count);

	if (!to)
		return;
	put_number(to, value, count);
	writer->used += count;
}

void state_begin(struct state_writer *writer, enum state_tag tag,
		 uint16_t version)
{
	assert(writer->section == NO_SECTION);
	writer->section = writer->used;
	write_number(writer, tag, 2);
	write_number(writer, version, 2);
	write_number(writer, 0, 4);
}

void state_end(struct state_writer *writer)
{
	size_t count = writer->used - writer->section - HEAD_BYTES;

	assert(writer->section != NO_SECTION);
	if (!writer->error)
		put_number(writer->bytes + writer->section + LENGTH_AT, count,
			   4);
	writer->section = NO_SECTION;
}

void state_put(struct state_writer *writer, const void *bytes, size_t count)
{
	uint8_t *to = reserve(writer, count);

	if (!to || !count)
		return;
	memcpy(to, bytes, count);
	writer->used += count;
}

void state_put_u8(struct state_writer *writer, uint8_t value)
{
	write_number(writer, value, 1);
}

void state_put_u16(struct state_writer *writer, uint16_t value)
{
	write_number(writer, value, 2);
}

void state_put_u32(struct state_writer *writer, uint32_t value)
{
	write_number(writer, value, 4);
}

void state_put_u64(struct state_writer *writer, uint64_t value)
{
	write_number(writer, value, 8);
}

int state_writer_result(const struct state_writer *writer)
{
	return writer->error;
}

void state_reader_init(struct state_reader *reader, const uint8_t *bytes,
		       size_t count)
{
	*reader = (struct state_reader){ .bytes = bytes, .count = count };
}

void state_refuse(struct state_reader *reader)
{
	reader->error = -EBADMSG;
}

/* The next bytes below `end`, or NULL after a failure. */
static const uint8_t *advance(struct state_reader *reader, size_t end,
			      size_t count)
{
	const uint8_t *from = reader->bytes + reader->at;

	if (!reader->error && (end < reader->at || end - reader->at < count))
		state_refuse(reader);
	if (reader->error)
		return NULL;
	reader->at += count;
	return from;
}

uint16_t state_enter(struct state_reader *reader, enum state_tag tag,
		     uint16_t newest)
{
	const uint8_t *head = advance(reader, reader->count, HEAD_BYTES);
	uint16_t version;
	uint64_t count;

	if (!head)
		return 0;
	version = (uint16_t)get_number(head + 2, 2);
	count = get_number(head + LENGTH_AT, 4);
	if (get_number(head, 2) != tag || version < 1 || version > newest ||
	    reader->count - reader->at < count) {
		state_refuse(reader);
		return 0;
	}
	reader->end = reader->at + count;
	return version;
}

void state_leave(struct state_reader *reader)
{
	if (reader->at != reader->end)
		state_refuse(reader);
	reader->end = 0;
}

void state_get(struct state_reader *reader, void *to, size_t count)
{
	const uint8_t *from = advance(reader, reader->end, count);

	if (from && count)
		memcpy(to, from, count);
	else if (count)
		memset(to, 0, count);
}

static uint64_t read_number(struct state_reader *reader, size_t count)
{
	const uint8_t *from = advance(reader, reader->end, count);

	return from ? get_number(from, count) : 0;
}

uint8_t state_get_u8(struct state_reader *reader)
{
	return (uint8_t)read_number(reader, 1);
}

uint16_t state_get_u16(struct state_reader *reader)
{
	return (uint16_t)read_number(reader, 2);
}

uint32_t state_get_u32(struct state_reader *reader)
{
	return (uint32_t)read_number(reader, 4);
}

uint64_t state_get_u64(struct state_reader *reader)
{
	return read_number(reader, 8);
}

size_t state_left(const struct state_reader *reader)
{
	if (reader->error || reader->end < reader->at)
		return 0;
	return reader->end - reader->at;
}

int state_reader_result(const struct state_reader *reader)
{
	return reader->error;
}
