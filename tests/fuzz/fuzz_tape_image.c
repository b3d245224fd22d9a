/* SPDX-License-Identifier: MIT */
/*
 * The input is a tape image. Going through it in either direction ends, and
 * every object lies inside it; a block that was found from one side and whose
 * marks agree is found from the other.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/tape_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void insist(int condition)
{
	if (!condition)
		abort();
}

static int is_whole(const struct tape_object *block, const uint8_t *data,
		    const uint8_t *mark)
{
	return memcmp(data + block->far_mark, mark, TAPE_MARK_BYTES) == 0;
}

static void look_back(const struct tape_object *block, const uint8_t *data)
{
	struct tape_object back = tape_object_behind(
		data + block->end - TAPE_MARK_BYTES, block->end);

	insist(back.kind == TAPE_BLOCK);
	insist(back.begin == block->begin);
	insist(back.data_bytes == block->data_bytes);
}

static void go_ahead(const uint8_t *data, size_t bytes)
{
	uint64_t place = 0;

	for (;;) {
		struct tape_object object =
			tape_object_ahead(data + place, place, bytes);

		if (object.kind == TAPE_END || object.kind == TAPE_BROKEN)
			return;
		insist(object.begin == place && object.end > place);
		insist(object.end <= bytes);
		if (object.kind == TAPE_BLOCK &&
		    is_whole(&object, data, data + place))
			look_back(&object, data);
		place = object.end;
	}
}

static void go_back(const uint8_t *data, size_t bytes)
{
	uint64_t place = bytes;

	for (;;) {
		const uint8_t *mark = place < TAPE_MARK_BYTES
					      ? NULL
					      : data + place - TAPE_MARK_BYTES;
		struct tape_object object = tape_object_behind(mark, place);

		if (object.kind == TAPE_END || object.kind == TAPE_BROKEN)
			return;
		insist(object.end == place && object.begin < place);
		place = object.begin;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	go_ahead(data, bytes);
	go_back(data, bytes);
	return 0;
}
