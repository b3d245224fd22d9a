/* SPDX-License-Identifier: MIT */
/*
 * The input is what a hostile end writes into rings of frames: positions first,
 * then the rings' beginnings. Whatever it is, taking and putting frames ends,
 * stays within the memory, and a broken ring stays broken.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/frames.h"

/* Of the layout: the header page, and where positions begin in it. */
#define PAGE           4096u
#define POSITIONS      64u
#define POSITION_BYTES 576u
#define STEPS          64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static size_t put(uint8_t *to, const uint8_t *data, size_t bytes, size_t most)
{
	if (bytes > most)
		bytes = most;
	memcpy(to, data, bytes);
	return bytes;
}

static void take(struct frames *frames)
{
	const uint8_t *record;
	static volatile uint32_t sum; /* every byte is read */
	uint32_t count;

	for (int i = 0; i < STEPS && frames_next(frames, &record, &count) == 0;
	     i++) {
		if (count == 0 || count > FRAMES_RECORD_MAX)
			abort();
		for (uint32_t j = 0; j < count; j++)
			sum += record[j];
		frames_release(frames);
		(void)frames_acknowledge(frames);
	}
	(void)sum;
	(void)frames_prepare_sleep(frames);
}

static void give(struct frames *frames)
{
	uint8_t *at;

	for (int i = 0; i < STEPS; i++) {
		if (frames_reserve(frames, 4000, &at) < 0)
			break;
		memset(at, i, 4000);
		frames_commit(frames, 4000);
		(void)frames_publish(frames);
	}
	(void)frames_prepare_room(frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct frames frames;
	uint8_t *memory;
	size_t used;
	int memfd;

	if (frames_create(FRAMES_RING_MIN, FRAMES_RING_MIN, 1, &memfd) < 0)
		return 0;
	if (frames_open(&frames, memfd, FRAMES_SERVICE) < 0)
		abort();
	(void)close(memfd);
	memory = (uint8_t *)frames.shared;
	used = put(memory + POSITIONS, data, bytes, POSITION_BYTES);
	(void)put(memory + PAGE, data + used, bytes - used, FRAMES_RING_MIN);
	take(&frames);
	give(&frames);
	take(&frames);
	frames_close(&frames);
	return 0;
}
