/* SPDX-License-Identifier: MIT */
/*
 * A tape as a file in the format of SIMH, which other tools read and write:
 * objects one after the other, each of them a block or a filemark.
 *
 *   block      length, data, a byte more if the length is odd, length again
 *   filemark   0
 *   end        0xffffffff; what lies behind it is no part of the tape
 *
 * Lengths are 32 bits, little endian; the topmost bit is set where the data
 * could not be read when the image was made. Erase gaps (0xfffffffe, and halves
 * of them) are passed over. The end of the file is an end as well.
 *
 * These functions say which bytes to read or write next and do no I/O. A place
 * is an offset in the image between two objects.
 *
 * Trust   An image may hold anything. Every object that is made out lies within
 *         the bounds that were given and is at least two bytes long, so whoever
 *         goes from object to object in one direction comes to an end.
 */
#ifndef SCSI_TAPE_IMAGE_H
#define SCSI_TAPE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#define TAPE_MARK_BYTES 4u

/* The longest block that every reader of the format takes. */
#define TAPE_BLOCK_MAX 0xffffffu

enum tape_kind {
	TAPE_BLOCK,
	TAPE_FILEMARK,
	TAPE_GAP,   /* nothing: go on at its other side */
	TAPE_END,   /* nothing more is recorded in this direction */
	TAPE_BROKEN /* no object can be made out */
};

struct tape_object {
	enum tape_kind kind;
	bool is_bad;         /* a block whose data is marked as wrong */
	uint32_t data_bytes; /* of a block; they lie behind its first mark */
	uint64_t begin;      /* place in front of the object */
	uint64_t end;        /* place behind it */
	uint64_t far_mark;   /* of a block: offset of the mark not yet seen */
};

/*
 * What begins at `place`, given the TAPE_MARK_BYTES bytes there. The tape ends
 * at `limit` at the latest: where no mark fits in front of it, `mark` is not
 * looked at and may be NULL.
 *
 * A block is one only if the mark at its far end has the same bytes, which the
 * caller reads and compares.
 */
struct tape_object tape_object_ahead(const uint8_t *mark, uint64_t place,
				     uint64_t limit);

/* What ends at `place`, given the TAPE_MARK_BYTES bytes in front of it; NULL
 * will do at the beginning of the tape. */
struct tape_object tape_object_behind(const uint8_t *mark, uint64_t place);

/* How many bytes a block takes in the image. */
uint64_t tape_block_bytes(uint32_t data_bytes);

#define TAPE_FILEMARKS_MAX 64u
#define TAPE_PIECE_MAX     (TAPE_FILEMARKS_MAX * TAPE_MARK_BYTES)

/* What to write next: bytes of our own, or the block's data. */
struct tape_piece {
	uint64_t offset_bytes;
	uint32_t length_bytes;
	bool is_data;
	uint8_t bytes[TAPE_PIECE_MAX];
};

/*
 * The pieces, `index` from 0 on, by which a block of `data_bytes` (1 to
 * TAPE_BLOCK_MAX), or `count` filemarks (1 to TAPE_FILEMARKS_MAX), are written
 * at `place`. False: there are no more.
 *
 * Written in this order they leave a whole tape after each piece: it ends at
 * `place` until the last one, and behind the object from then on. Piece 0 ends
 * the tape at `place`, and may be left out where it ends there already.
 */
bool tape_block_piece(uint64_t place, uint32_t data_bytes, uint32_t index,
		      struct tape_piece *ret_piece);
bool tape_filemarks_piece(uint64_t place, uint32_t count, uint32_t index,
			  struct tape_piece *ret_piece);

#endif
