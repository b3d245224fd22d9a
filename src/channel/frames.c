/* SPDX-License-Identifier: MIT */
/*
 * A record is a length of 32 bits in 16 bytes, then its bytes, padded to a
 * multiple of 16. One never wraps: what is left up to the end of the ring is
 * skipped by a record of length SKIP.
 */
#include "channel/frames.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/count.h"
#include "channel/position.h"

#define MAGIC      0x3230736d61724621ull /* "!Frams02" */
#define PAGE       4096u
#define UNIT       16u
#define HEAD_BYTES UNIT
#define SKIP       UINT32_MAX
/* Of a ring, between two looks whether it may begin anew. */
#define LOOKS_PER_RING 16u
/* Between two looks at the peer's pace. */
#define PACE_NS (10 * NS_PER_MS)
/* A pause of TCP, or of a person, is no silence. */
#define REST_NS (1 * NS_PER_S)
/* Its consumer stands still: there is no hurry. */
#define REST_UNREAD_NS (60 * NS_PER_S)
/* Less than this is not worth a system call. */
#define REST_BYTES (64u << 10)

struct frames_ring {
	struct position produced;
	struct position consumed;
	struct position wake_at;      /* the consumer's, in `produced` */
	struct position room_wake_at; /* the producer's, in `consumed` */
};

struct frames_shared {
	uint64_t magic;
	uint32_t transmit_bytes;
	uint32_t receive_bytes;
	uint32_t generation;
	uint8_t unused[44];
	struct position beats; /* the service writes */
	struct frames_ring transmit;
	struct frames_ring receive;
};
_Static_assert(sizeof(struct frames_shared) == 640, "fixed layout");
_Static_assert(2 * (FRAMES_RECORD_MAX + HEAD_BYTES + UNIT) <= FRAMES_RING_MIN,
	       "the longest record and what is skipped for it fit together");

static bool size_is_valid(uint32_t ring_bytes)
{
	return ring_bytes >= FRAMES_RING_MIN && ring_bytes <= FRAMES_RING_MAX &&
	       (ring_bytes & (ring_bytes - 1)) == 0;
}

static size_t memory_bytes(uint32_t transmit_bytes, uint32_t receive_bytes)
{
	return PAGE + (size_t)transmit_bytes + receive_bytes;
}

int frames_create(uint32_t transmit_bytes, uint32_t receive_bytes,
		  uint32_t generation, int *ret_memfd)
{
	const struct frames_shared header = {
		.magic = MAGIC,
		.transmit_bytes = transmit_bytes,
		.receive_bytes = receive_bytes,
		.generation = generation,
		/* Nobody sleeps yet. */
		.transmit.wake_at.value = UINT64_MAX,
		.transmit.room_wake_at.value = UINT64_MAX,
		.receive.wake_at.value = UINT64_MAX,
		.receive.room_wake_at.value = UINT64_MAX,
	};

	if (!size_is_valid(transmit_bytes) || !size_is_valid(receive_bytes))
		return -EINVAL;
	return shared_create("bulkhead-net",
			     memory_bytes(transmit_bytes, receive_bytes),
			     &header, sizeof(header), ret_memfd);
}

static void connect_ways(struct frames *frames, uint32_t transmit_bytes,
			 uint32_t receive_bytes)
{
	struct frames_shared *shared = frames->shared;
	uint8_t *rings = (uint8_t *)shared + PAGE;
	struct frames_way transmit = {
		.shared = &shared->transmit,
		.bytes = rings,
		.ring_bytes = transmit_bytes,
		.queue_most = min_u64(transmit_bytes, FRAMES_QUEUE_MIN),
	};
	struct frames_way receive = {
		.shared = &shared->receive,
		.bytes = rings + transmit_bytes,
		.ring_bytes = receive_bytes,
		.queue_most = min_u64(receive_bytes, FRAMES_QUEUE_MIN),
	};

	frames->out = frames->end == FRAMES_MONITOR ? transmit : receive;
	frames->in = frames->end == FRAMES_MONITOR ? receive : transmit;
}

int frames_open(struct frames *frames, int memfd, enum frames_end end)
{
	struct frames_shared *shared;
	uint32_t transmit_bytes, receive_bytes;
	size_t map_bytes;
	void *map;
	int r;

	*frames = (struct frames){ 0 };
	r = shared_map(memfd, PAGE, &map, &map_bytes);
	if (r < 0)
		return r;
	shared = map;
	transmit_bytes =
		__atomic_load_n(&shared->transmit_bytes, __ATOMIC_RELAXED);
	receive_bytes =
		__atomic_load_n(&shared->receive_bytes, __ATOMIC_RELAXED);
	if (shared->magic != MAGIC || !size_is_valid(transmit_bytes) ||
	    !size_is_valid(receive_bytes) ||
	    memory_bytes(transmit_bytes, receive_bytes) != map_bytes) {
		(void)munmap(shared, map_bytes);
		return -EBADMSG;
	}
	*frames = (struct frames){
		.generation =
			__atomic_load_n(&shared->generation, __ATOMIC_RELAXED),
		.shared = shared,
		.map_bytes = map_bytes,
		.end = end,
	};
	connect_ways(frames, transmit_bytes, receive_bytes);
	return 0;
}

void frames_close(struct frames *frames)
{
	if (frames->shared)
		(void)munmap(frames->shared, frames->map_bytes);
	*frames = (struct frames){ 0 };
}

static int break_ring(struct frames *frames)
{
	frames->is_broken = true;
	return -EBADMSG;
}

static uint32_t padded(uint32_t bytes)
{
	return HEAD_BYTES + ((bytes + UNIT - 1) & ~(UNIT - 1));
}

static uint32_t place(const struct frames_way *way)
{
	return (uint32_t)(way->at & (way->ring_bytes - 1));
}

static uint32_t *length_at(const struct frames_way *way)
{
	/* Records begin at multiples of UNIT. */
	return __builtin_assume_aligned(way->bytes + place(way), UNIT);
}

/* Producing. -------------------------------------------------------------- */

/* Learn how far the consumer has come; it neither runs ahead nor goes back. */
static int look_for_room(struct frames *frames)
{
	struct frames_way *way = &frames->out;
	uint64_t consumed = position_load(&way->shared->consumed);

	if (consumed - way->known > way->told - way->known ||
	    consumed % UNIT != 0)
		return break_ring(frames);
	way->known = consumed;
	return 0;
}

static bool has_room(const struct frames_way *way, uint64_t bytes)
{
	return way->at - way->known + bytes <= way->ring_bytes;
}

/* What waits, without what was left out. */
static uint64_t backlog(const struct frames_way *way)
{
	uint64_t bytes = way->at - way->known;

	return way->skip_at - way->known < bytes ? bytes - way->skip_bytes
						 : bytes;
}

/*
 * While little waits, the first quarter of a ring is enough, and its memory is
 * warm. The peer's position is in a line of cache that it writes, so there is a
 * look now and then.
 */
static bool may_begin_anew(struct frames *frames, uint32_t needed)
{
	struct frames_way *way = &frames->out;
	uint32_t part = way->ring_bytes / LOOKS_PER_RING;
	uint32_t from = place(way);

	return from >= way->ring_bytes / 4 &&
	       ((from ^ (from + needed)) & ~(part - 1)) != 0 &&
	       look_for_room(frames) == 0 &&
	       backlog(way) <= way->ring_bytes / 8 &&
	       has_room(way, way->ring_bytes - from + needed);
}

/* How much to leave out before a record of so many bytes. */
static uint32_t bytes_to_skip(struct frames *frames, uint32_t needed)
{
	uint32_t left = frames->out.ring_bytes - place(&frames->out);

	return left < needed || may_begin_anew(frames, needed) ? left : 0;
}

static void leave_out(struct frames_way *way, uint32_t bytes)
{
	*length_at(way) = SKIP;
	way->skip_at = way->at;
	way->skip_bytes = bytes;
	way->at += bytes;
}

static bool may_put(const struct frames_way *way, uint32_t skipped,
		    uint32_t needed)
{
	return has_room(way, skipped + needed) &&
	       backlog(way) + needed <= way->queue_most;
}

int frames_reserve(struct frames *frames, uint32_t bytes, uint8_t **ret_at)
{
	struct frames_way *way = &frames->out;
	uint32_t needed = padded(bytes);
	uint32_t skipped = bytes_to_skip(frames, needed);
	int r;

	if (frames->is_broken)
		return -EBADMSG;
	if (!may_put(way, skipped, needed)) {
		r = look_for_room(frames);
		if (r < 0)
			return r;
		if (!may_put(way, skipped, needed))
			return -EAGAIN;
	}
	if (skipped)
		leave_out(way, skipped);
	*ret_at = way->bytes + place(way) + HEAD_BYTES;
	return 0;
}

/* A pace that falls is believed by halves: it may be a pause. */
void frames_pace(struct frames *frames, uint64_t now_ns)
{
	struct frames_way *way = &frames->out;
	uint64_t since_ns = now_ns - way->paced_ns;
	uint64_t most;

	if (since_ns < PACE_NS || frames->is_broken ||
	    look_for_room(frames) < 0)
		return;
	most = (way->known - way->paced_at) / (since_ns / NS_PER_MS) *
	       (FRAMES_QUEUE_NS / NS_PER_MS);
	most = max_u64(most, max_u64(way->queue_most / 2, FRAMES_QUEUE_MIN));
	way->queue_most = min_u64(most, way->ring_bytes);
	way->paced_ns = now_ns;
	way->paced_at = way->known;
}

bool frames_are_crowded(struct frames *frames)
{
	struct frames_way *way = &frames->out;
	uint64_t most = way->queue_most / 4 * 3;

	if (backlog(way) <= most || frames->is_broken)
		return false;
	return look_for_room(frames) == 0 && backlog(way) > most;
}

void frames_commit(struct frames *frames, uint32_t bytes)
{
	struct frames_way *way = &frames->out;

	*length_at(way) = bytes;
	way->at += padded(bytes);
}

bool frames_publish(struct frames *frames)
{
	struct frames_way *way = &frames->out;
	uint64_t before = way->told;

	if (before == way->at)
		return false;
	way->told = way->at;
	return position_publish(&way->shared->produced, &way->shared->wake_at,
				before, way->at);
}

bool frames_prepare_room(struct frames *frames)
{
	struct frames_way *way = &frames->out;

	return position_prepare_sleep(&way->shared->room_wake_at,
				      &way->shared->consumed, way->known);
}

bool frames_are_unread(const struct frames *frames)
{
	return position_load(&frames->out.shared->consumed) != frames->out.told;
}

/* Resting. ---------------------------------------------------------------- */

uint64_t frames_trim_ns(struct frames *frames)
{
	struct frames_way *way = &frames->out;

	if (!way->trim_ns && way->at - way->trimmed_at >= REST_BYTES) {
		way->trim_ns = clock_now_ns() + REST_NS;
		way->trim_at = way->at;
	}
	return way->trim_ns;
}

/* All of the ring is ours while nothing waits: no record is in the pages that
 * go, and the peer looks at none before it is told of one. */
bool frames_trim(struct frames *frames, uint64_t now_ns)
{
	struct frames_way *way = &frames->out;

	if (!way->trim_ns || now_ns < way->trim_ns)
		return false;
	way->trim_ns = 0;
	if (way->at != way->trim_at || frames->is_broken ||
	    look_for_room(frames) < 0)
		return false;
	if (way->known != way->at) {
		way->trim_ns = now_ns + REST_UNREAD_NS;
		return false;
	}
	(void)madvise(way->bytes, way->ring_bytes, MADV_REMOVE);
	way->trimmed_at = way->at;
	return true;
}

/* Consuming. -------------------------------------------------------------- */

static int look_for_records(struct frames *frames)
{
	struct frames_way *way = &frames->in;
	uint64_t produced = position_load(&way->shared->produced);

	if (produced - way->known > way->ring_bytes ||
	    produced - way->at > way->ring_bytes || produced % UNIT != 0)
		return break_ring(frames);
	way->known = produced;
	return 0;
}

/* Go on at the ring's beginning; -EBADMSG unless the rest was published. */
static int skip(struct frames *frames)
{
	struct frames_way *way = &frames->in;
	uint32_t left = way->ring_bytes - place(way);

	if (left > way->known - way->at)
		return break_ring(frames);
	way->at += left;
	return 0;
}

static bool has_record(struct frames *frames, int *ret_result)
{
	struct frames_way *way = &frames->in;

	*ret_result = frames->is_broken ? -EBADMSG : 0;
	if (*ret_result == 0 && way->at == way->known)
		*ret_result = look_for_records(frames);
	if (*ret_result == 0 && way->at == way->known)
		*ret_result = -EAGAIN;
	return *ret_result == 0;
}

static int take(struct frames *frames, uint32_t bytes,
		const uint8_t **ret_bytes, uint32_t *ret_count)
{
	struct frames_way *way = &frames->in;
	uint32_t left = way->ring_bytes - place(way);

	if (bytes == 0 || bytes > FRAMES_RECORD_MAX || padded(bytes) > left ||
	    padded(bytes) > way->known - way->at)
		return break_ring(frames);
	way->record_bytes = padded(bytes);
	*ret_bytes = way->bytes + place(way) + HEAD_BYTES;
	*ret_count = bytes;
	return 0;
}

int frames_next(struct frames *frames, const uint8_t **ret_bytes,
		uint32_t *ret_count)
{
	struct frames_way *way = &frames->in;
	uint32_t bytes;
	int r;

	if (!has_record(frames, &r))
		return r;
	bytes = __atomic_load_n(length_at(way), __ATOMIC_RELAXED);
	if (bytes != SKIP)
		return take(frames, bytes, ret_bytes, ret_count);
	r = skip(frames);
	if (r < 0 || !has_record(frames, &r))
		return r;
	bytes = __atomic_load_n(length_at(way), __ATOMIC_RELAXED);
	return take(frames, bytes, ret_bytes, ret_count);
}

void frames_release(struct frames *frames)
{
	struct frames_way *way = &frames->in;

	way->at += way->record_bytes;
	way->record_bytes = 0;
}

bool frames_acknowledge(struct frames *frames)
{
	struct frames_way *way = &frames->in;
	uint64_t before = way->told;

	if (before == way->at)
		return false;
	way->told = way->at;
	return position_publish(&way->shared->consumed,
				&way->shared->room_wake_at, before, way->at);
}

bool frames_prepare_sleep(struct frames *frames)
{
	struct frames_way *way = &frames->in;

	return way->at == way->known &&
	       position_prepare_sleep(&way->shared->wake_at,
				      &way->shared->produced, way->known);
}

void frames_beat(struct frames *frames)
{
	struct position *beats = &frames->shared->beats;

	position_store(beats, beats->value + 1);
}

uint64_t frames_beats(const struct frames *frames)
{
	return position_load(&frames->shared->beats);
}
