/* SPDX-License-Identifier: MIT */
/*
 * The writer of output announces how far it is about to overwrite (`intent`)
 * before it touches the ring, and how far it has written (`end`) afterwards. A
 * reader copies up to `end`, then looks at `intent`: what may have been
 * overwritten meanwhile is thrown away. Sleeping and waking is as in
 * channel.c, with positions of 64 bits.
 */
#include "channel/bytes.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/count.h"
#include "channel/position.h"

#define MAGIC    0x3130736574794221ull /* "!Bytes01" */
#define PAGE     4096u
#define ATTEMPTS 4

struct bytes_shared {
	uint64_t magic;
	uint64_t output_bytes;
	uint8_t unused[48];
	struct position output_intent;  /* monitor writes */
	struct position output_end;     /* monitor writes */
	struct position output_wake_at; /* service writes */
	struct position logged;         /* service writes */
	struct position input_end;      /* service writes */
	struct position input_taken;    /* monitor writes */
	struct position input_wake_at;  /* monitor writes */
};
_Static_assert(sizeof(struct bytes_shared) == 512, "fixed layout");
_Static_assert(offsetof(struct bytes_shared, logged) == 256, "fixed layout");

static bool size_is_valid(uint64_t output_bytes)
{
	return output_bytes >= BYTES_OUTPUT_MIN &&
	       output_bytes <= BYTES_OUTPUT_MAX &&
	       (output_bytes & (output_bytes - 1)) == 0;
}

static uint64_t memory_bytes(uint64_t output_bytes)
{
	return PAGE + output_bytes + BYTES_INPUT_BYTES;
}

int bytes_create(uint32_t output_bytes, int *ret_memfd)
{
	struct bytes_shared header = { .magic = MAGIC,
				       .output_bytes = output_bytes };

	if (!size_is_valid(output_bytes))
		return -EINVAL;
	return shared_create("bulkhead-console", memory_bytes(output_bytes),
			     &header, sizeof(header), ret_memfd);
}

int bytes_open(struct bytes *bytes, int memfd)
{
	struct bytes_shared *shared;
	uint64_t output_bytes;
	size_t map_bytes;
	void *map;
	int r;

	*bytes = (struct bytes){ 0 };
	r = shared_map(memfd, PAGE, &map, &map_bytes);
	if (r < 0)
		return r;
	shared = map;
	output_bytes = __atomic_load_n(&shared->output_bytes, __ATOMIC_RELAXED);
	if (shared->magic != MAGIC || !size_is_valid(output_bytes) ||
	    memory_bytes(output_bytes) != map_bytes) {
		(void)munmap(shared, map_bytes);
		return -EBADMSG;
	}
	*bytes = (struct bytes){
		.output_bytes = (uint32_t)output_bytes,
		.shared = shared,
		.map_bytes = map_bytes,
		.output = (uint8_t *)shared + PAGE,
		.input = (uint8_t *)shared + PAGE + output_bytes,
		.output_end = position_load(&shared->output_end),
		.input_taken = position_load(&shared->input_taken),
		.input_end = position_load(&shared->input_end),
	};
	return 0;
}

void bytes_close(struct bytes *bytes)
{
	if (bytes->shared)
		(void)munmap(bytes->shared, bytes->map_bytes);
	*bytes = (struct bytes){ 0 };
}

/* Copy into and out of a ring whose size is a power of two. */
static void ring_put(uint8_t *ring, uint32_t ring_bytes, uint64_t position,
		     const uint8_t *from, size_t count)
{
	size_t at = position & (ring_bytes - 1);
	size_t first = min_u64(count, ring_bytes - at);

	memcpy(ring + at, from, first);
	memcpy(ring, from + first, count - first);
}

static void ring_get(const uint8_t *ring, uint32_t ring_bytes,
		     uint64_t position, uint8_t *to, size_t count)
{
	size_t at = position & (ring_bytes - 1);
	size_t first = min_u64(count, ring_bytes - at);

	memcpy(to, ring + at, first);
	memcpy(to + first, ring, count - first);
}

bool bytes_write_output(struct bytes *bytes, const void *from, size_t count)
{
	struct bytes_shared *shared = bytes->shared;
	uint64_t before = bytes->output_end, now = before + count;
	size_t keep = min_u64(count, bytes->output_bytes);

	position_store(&shared->output_intent, now);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	ring_put(bytes->output, bytes->output_bytes, now - keep,
		 (const uint8_t *)from + (count - keep), keep);
	bytes->output_end = now;
	return position_publish(&shared->output_end, &shared->output_wake_at,
				before, now);
}

uint64_t bytes_output_end(const struct bytes *bytes)
{
	return position_load(&bytes->shared->output_end);
}

/* The oldest byte kept once the writer has come to `end`. */
static uint64_t oldest(const struct bytes *bytes, uint64_t end)
{
	return end > bytes->output_bytes ? end - bytes->output_bytes : 0;
}

uint64_t bytes_output_begin(const struct bytes *bytes)
{
	return oldest(bytes, bytes_output_end(bytes));
}

static void skip_to(uint64_t *position, uint64_t to, uint64_t *lost)
{
	if (to <= *position)
		return;
	*lost += to - *position;
	*position = to;
}

int bytes_read_output(const struct bytes *bytes, uint64_t *position, void *to,
		      size_t room, size_t *ret_count, uint64_t *ret_lost)
{
	uint64_t end, kept, lost = 0;
	size_t count = 0;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		end = bytes_output_end(bytes);
		if (*position > end)
			return -EBADMSG;
		skip_to(position, oldest(bytes, end), &lost);
		count = min_u64(end - *position, room);
		ring_get(bytes->output, bytes->output_bytes, *position, to,
			 count);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		kept = oldest(bytes,
			      position_load(&bytes->shared->output_intent));
		if (kept <= *position)
			break;
		/* The writer may have run over what was just copied. */
		skip_to(position, min_u64(kept, end), &lost);
		count = 0;
	}
	*position += count;
	*ret_count = count;
	*ret_lost = lost;
	return 0;
}

bool bytes_prepare_output_sleep(struct bytes *bytes, uint64_t position)
{
	return position_prepare_sleep(&bytes->shared->output_wake_at,
				      &bytes->shared->output_end, position);
}

int bytes_write_input(struct bytes *bytes, const void *from, size_t count,
		      size_t *ret_count, bool *ret_wake)
{
	struct bytes_shared *shared = bytes->shared;
	uint64_t before = bytes->input_end;
	uint64_t waiting = before - position_load(&shared->input_taken);

	if (waiting > BYTES_INPUT_BYTES)
		return -EBADMSG;
	count = min_u64(count, BYTES_INPUT_BYTES - waiting);
	ring_put(bytes->input, BYTES_INPUT_BYTES, before, from, count);
	bytes->input_end = before + count;
	*ret_wake = count &&
		    position_publish(&shared->input_end, &shared->input_wake_at,
				     before, bytes->input_end);
	*ret_count = count;
	return 0;
}

int bytes_read_input(struct bytes *bytes, void *to, size_t room,
		     size_t *ret_count)
{
	struct bytes_shared *shared = bytes->shared;
	uint64_t waiting =
		position_load(&shared->input_end) - bytes->input_taken;
	size_t count;

	if (waiting > BYTES_INPUT_BYTES)
		return -EBADMSG;
	count = min_u64(waiting, room);
	ring_get(bytes->input, BYTES_INPUT_BYTES, bytes->input_taken, to,
		 count);
	bytes->input_taken += count;
	position_store(&shared->input_taken, bytes->input_taken);
	*ret_count = count;
	return 0;
}

bool bytes_prepare_input_sleep(struct bytes *bytes)
{
	return position_prepare_sleep(&bytes->shared->input_wake_at,
				      &bytes->shared->input_end,
				      bytes->input_taken);
}

uint64_t bytes_logged(const struct bytes *bytes)
{
	return position_load(&bytes->shared->logged);
}

void bytes_set_logged(struct bytes *bytes, uint64_t position)
{
	position_store(&bytes->shared->logged, position);
}
