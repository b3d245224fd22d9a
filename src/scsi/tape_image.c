/* SPDX-License-Identifier: MIT */
#include "scsi/tape_image.h"

#include <endian.h>
#include <string.h>

/* Marks that are no length. */
#define MARK_FILEMARK 0x00000000u
#define MARK_END      0xffffffffu
#define MARK_GAP      0xfffffffeu
#define MARK_BAD      0x80000000u

/* A block that overwrote a gap may have left half a mark of it behind. In front
 * of the rest of the gap it reads so; behind a block, with the upper half of
 * that block's length, so but for the bits of the mask. */
#define MARK_HALF_GAP_AHEAD  0xfffeffffu
#define MARK_HALF_GAP_BEHIND 0xffff0000u
#define HALF_GAP_MASK        0x000080ffu
#define HALF_GAP_BYTES       (TAPE_MARK_BYTES / 2)

static uint32_t get_mark(const uint8_t *from)
{
	uint32_t mark;

	memcpy(&mark, from, sizeof(mark));
	return le32toh(mark);
}

static void put_mark(uint8_t *to, uint32_t mark)
{
	mark = htole32(mark);
	memcpy(to, &mark, sizeof(mark));
}

uint64_t tape_block_bytes(uint32_t data_bytes)
{
	return 2ull * TAPE_MARK_BYTES + data_bytes + data_bytes % 2;
}

/* What a mark says when read from either side, and the bytes it stands for. */
static uint64_t decode(uint32_t mark, struct tape_object *object)
{
	if (mark == MARK_FILEMARK) {
		object->kind = TAPE_FILEMARK;
		return TAPE_MARK_BYTES;
	}
	if (mark == MARK_GAP) {
		object->kind = TAPE_GAP;
		return TAPE_MARK_BYTES;
	}
	object->data_bytes = mark & ~MARK_BAD;
	object->is_bad = mark & MARK_BAD;
	object->kind = object->data_bytes > 0 ? TAPE_BLOCK : TAPE_BROKEN;
	return tape_block_bytes(object->data_bytes);
}

static uint64_t decode_ahead(uint32_t mark, struct tape_object *object)
{
	if (mark == MARK_END)
		return 0;
	if (mark != MARK_HALF_GAP_AHEAD)
		return decode(mark, object);
	object->kind = TAPE_GAP;
	return HALF_GAP_BYTES;
}

static uint64_t decode_behind(uint32_t mark, struct tape_object *object)
{
	/* An end in front of a place reads as what a gap leaves, too. */
	if ((mark & ~HALF_GAP_MASK) != MARK_HALF_GAP_BEHIND && mark != MARK_END)
		return decode(mark, object);
	object->kind = TAPE_GAP;
	return HALF_GAP_BYTES;
}

struct tape_object tape_object_ahead(const uint8_t *mark, uint64_t place,
				     uint64_t limit)
{
	struct tape_object object = { .kind = TAPE_END,
				      .begin = place,
				      .end = place };
	uint64_t room = limit > place ? limit - place : 0, bytes;

	if (room < TAPE_MARK_BYTES)
		return object;
	bytes = decode_ahead(get_mark(mark), &object);
	if (bytes > room)
		object.kind = TAPE_BROKEN;
	if (object.kind == TAPE_BROKEN)
		return object;
	object.end = place + bytes;
	object.far_mark = object.end - TAPE_MARK_BYTES;
	return object;
}

struct tape_object tape_object_behind(const uint8_t *mark, uint64_t place)
{
	struct tape_object object = { .kind = TAPE_END,
				      .begin = place,
				      .end = place };
	uint64_t bytes;

	if (place < TAPE_MARK_BYTES)
		return object;
	bytes = decode_behind(get_mark(mark), &object);
	if (bytes > place)
		object.kind = TAPE_BROKEN;
	if (object.kind == TAPE_BROKEN)
		return object;
	object.begin = place - bytes;
	object.far_mark = object.begin;
	return object;
}

static bool own_piece(struct tape_piece *piece, uint64_t offset,
		      uint32_t length)
{
	piece->offset_bytes = offset;
	piece->length_bytes = length;
	return true;
}

static bool mark_piece(struct tape_piece *piece, uint64_t offset, uint32_t mark)
{
	put_mark(piece->bytes, mark);
	return own_piece(piece, offset, TAPE_MARK_BYTES);
}

bool tape_block_piece(uint64_t place, uint32_t data_bytes, uint32_t index,
		      struct tape_piece *ret_piece)
{
	uint64_t data = place + TAPE_MARK_BYTES;
	uint32_t pad = data_bytes % 2;

	*ret_piece = (struct tape_piece){ 0 };
	switch (index) {
	case 0:
		return mark_piece(ret_piece, place, MARK_END);
	case 1:
		ret_piece->is_data = true;
		return own_piece(ret_piece, data, data_bytes);
	case 2:
		put_mark(ret_piece->bytes + pad, data_bytes);
		put_mark(ret_piece->bytes + pad + TAPE_MARK_BYTES, MARK_END);
		return own_piece(ret_piece, data + data_bytes,
				 pad + 2 * TAPE_MARK_BYTES);
	case 3:
		return mark_piece(ret_piece, place, data_bytes);
	default:
		return false;
	}
}

bool tape_filemarks_piece(uint64_t place, uint32_t count, uint32_t index,
			  struct tape_piece *ret_piece)
{
	uint32_t bytes = count * TAPE_MARK_BYTES;

	*ret_piece = (struct tape_piece){ 0 };
	switch (index) {
	case 0:
		return mark_piece(ret_piece, place, MARK_END);
	case 1:
		/* All but the first, and the end. */
		put_mark(ret_piece->bytes + bytes - TAPE_MARK_BYTES, MARK_END);
		return own_piece(ret_piece, place + TAPE_MARK_BYTES, bytes);
	case 2:
		return mark_piece(ret_piece, place, MARK_FILEMARK);
	default:
		return false;
	}
}
