/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel/frames.h"
#include "lib/harness.h"
#include "lib/race.h"
#include "resealed.h"

#define RING  FRAMES_RING_MIN
#define LARGE (4u << 20)

/* Both ends of one memory, and a look at it as its other end may have it. */
static struct frames monitor, service;
static uint64_t *words;
static int memfd;

static void set_up_of(uint32_t ring_bytes)
{
	CHECK_EQ(frames_create(ring_bytes, ring_bytes, 7, &memfd), 0);
	CHECK_EQ(frames_open(&monitor, memfd, FRAMES_MONITOR), 0);
	CHECK_EQ(frames_open(&service, memfd, FRAMES_SERVICE), 0);
	CHECK_EQ(service.generation, 7);
	words = (uint64_t *)(void *)monitor.shared;
}

static void set_up(void)
{
	set_up_of(RING);
}

/* As the layout has them: header, beats, then four words for each ring. */
#define PRODUCED 16
#define CONSUMED 24

static void tear_down(void)
{
	frames_close(&monitor);
	frames_close(&service);
	frames_close(&service);
	close(memfd);
}

static uint8_t content(uint32_t seed, uint32_t at)
{
	return (uint8_t)(seed * 31 + at * 7);
}

static int put(struct frames *frames, uint32_t seed, uint32_t bytes)
{
	uint8_t *at;
	int result = frames_reserve(frames, bytes, &at);

	if (result < 0)
		return result;
	for (uint32_t i = 0; i < bytes; i++)
		at[i] = content(seed, i);
	frames_commit(frames, bytes);
	return 0;
}

static int get(struct frames *frames, uint32_t seed, uint32_t bytes)
{
	const uint8_t *at;
	uint32_t count;
	int result = frames_next(frames, &at, &count);

	if (result < 0)
		return result;
	CHECK_EQ(count, bytes);
	for (uint32_t i = 0; i < bytes; i++)
		CHECK(at[i] == content(seed, i));
	frames_release(frames);
	return 0;
}

TEST(frames_come_out_as_they_went_in_both_ways)
{
	set_up();
	CHECK_EQ(put(&monitor, 1, 72), 0);
	CHECK_EQ(put(&service, 2, 1526), 0);
	CHECK_EQ(get(&service, 1, 72), -EAGAIN); /* not published */
	(void)frames_publish(&monitor);
	(void)frames_publish(&service);
	CHECK_EQ(get(&service, 1, 72), 0);
	CHECK_EQ(get(&service, 1, 72), -EAGAIN);
	CHECK_EQ(get(&monitor, 2, 1526), 0);
	tear_down();
}

TEST(any_sizes_in_any_order_come_out_in_that_order)
{
	uint32_t sizes[4096], in = 0, out = 0;

	set_up();
	srand(1);
	for (uint32_t i = 0; i < 4096; i++)
		sizes[i] = i % 16 == 0
				   ? 1u + (uint32_t)rand() % FRAMES_RECORD_MAX
				   : 1u + (uint32_t)rand() % 1600;
	while (out < 4096) {
		for (uint32_t most = (uint32_t)rand() % 64;
		     most && in < 4096 && put(&monitor, in, sizes[in]) == 0;
		     most--)
			in++;
		(void)frames_publish(&monitor);
		for (uint32_t most = (uint32_t)rand() % 64;
		     most && out < in && get(&service, out, sizes[out]) == 0;
		     most--)
			out++;
		(void)frames_acknowledge(&service);
	}
	CHECK(!monitor.is_broken && !service.is_broken);
	tear_down();
}

TEST(a_full_ring_takes_no_more_until_room_was_given_back)
{
	uint32_t count = 0;

	set_up();
	while (put(&monitor, count, 1000) == 0)
		count++;
	CHECK(count >= RING / 1040 && count <= RING / 1000);
	(void)frames_publish(&monitor);
	CHECK_EQ(put(&monitor, 0, 1000), -EAGAIN);
	CHECK(frames_prepare_room(&monitor));
	CHECK_EQ(get(&service, 0, 1000), 0);
	CHECK_EQ(put(&monitor, 0, 1000), -EAGAIN); /* not acknowledged */
	CHECK(frames_acknowledge(&service));
	CHECK_EQ(put(&monitor, count, 1000), 0);
	tear_down();
}

TEST(the_longest_record_fits_wherever_the_ring_stands)
{
	set_up();
	for (uint32_t i = 0; i < 500; i++) {
		CHECK_EQ(put(&monitor, i, 1 + i * 37 % 3000), 0);
		CHECK_EQ(put(&monitor, i, FRAMES_RECORD_MAX), 0);
		(void)frames_publish(&monitor);
		CHECK_EQ(get(&service, i, 1 + i * 37 % 3000), 0);
		CHECK_EQ(get(&service, i, FRAMES_RECORD_MAX), 0);
		(void)frames_acknowledge(&service);
	}
	tear_down();
}

TEST(only_a_sleeper_is_woken_and_once)
{
	set_up();
	CHECK_EQ(put(&monitor, 1, 100), 0);
	CHECK(!frames_publish(&monitor));
	CHECK(!frames_prepare_sleep(&service)); /* something waits */
	CHECK_EQ(get(&service, 1, 100), 0);
	CHECK(frames_prepare_sleep(&service));
	CHECK_EQ(put(&monitor, 2, 100), 0);
	CHECK(frames_publish(&monitor));
	CHECK_EQ(put(&monitor, 3, 100), 0);
	CHECK(!frames_publish(&monitor));
	CHECK(!frames_publish(&monitor));
	tear_down();
}

static bool is_asleep, is_signalled;

static void publish_frame(void)
{
	is_signalled = frames_publish(&monitor);
}

static void go_to_sleep(void)
{
	is_asleep = frames_prepare_sleep(&service);
}

static void check_that_none_sleeps_on(void)
{
	CHECK(is_signalled || !is_asleep);
	CHECK_EQ(get(&service, 1, 100), 0);
	(void)frames_acknowledge(&service);
	CHECK_EQ(put(&monitor, 1, 100), 0);
}

TEST(an_end_that_goes_to_sleep_while_a_frame_comes_is_woken_or_sees_it)
{
	static const struct race race = { publish_frame, go_to_sleep,
					  check_that_none_sleeps_on };

	set_up();
	CHECK_EQ(put(&monitor, 1, 100), 0);

	race_run(&race);

	tear_down();
}

TEST(memory_of_another_shape_is_refused)
{
	struct frames frames;

	CHECK_EQ(frames_create(RING / 2, RING, 1, &memfd), -EINVAL);
	CHECK_EQ(frames_create(RING, RING / 2, 1, &memfd), -EINVAL);
	CHECK_EQ(frames_create(RING + 1, RING, 1, &memfd), -EINVAL);
	CHECK_EQ(frames_create(FRAMES_RING_MAX * 2, RING, 1, &memfd), -EINVAL);
	memfd = memfd_create("other", MFD_CLOEXEC);
	CHECK_EQ(frames_open(&frames, memfd, FRAMES_MONITOR), -EBADMSG);
	CHECK_EQ(ftruncate(memfd, 1 << 20), 0);
	CHECK_EQ(frames_open(&frames, memfd, FRAMES_MONITOR), -EBADMSG);
	frames_close(&frames);
	close(memfd);
}

static int open_without_seal(int left_out)
{
	struct frames frames;
	int sealed, result;

	CHECK_EQ(frames_create(RING, RING, 7, &sealed), 0);
	sealed = resealed_without(sealed, left_out);
	result = frames_open(&frames, sealed, FRAMES_SERVICE);
	frames_close(&frames);
	close(sealed);
	return result;
}

TEST(a_hostile_peer_cannot_pass_rings_that_it_could_cut_short)
{
	CHECK_EQ(open_without_seal(-1), 0);
	for (int i = 0; i < SEAL_COUNT; i++)
		CHECK_EQ(open_without_seal(i), -EBADMSG);
}

static void expect_broken(struct frames *frames)
{
	const uint8_t *at;
	uint32_t count;

	CHECK_EQ(frames_next(frames, &at, &count), -EBADMSG);
	CHECK(frames->is_broken);
	CHECK_EQ(frames_next(frames, &at, &count), -EBADMSG);
}

TEST(a_hostile_peer_cannot_claim_more_than_the_ring_holds)
{
	static const uint64_t claims[] = { RING + 16, UINT64_MAX, 1, 8,
					   (uint64_t)1 << 63 };

	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		set_up();
		words[PRODUCED] = claims[i];
		expect_broken(&service);
		tear_down();
	}
}

TEST(a_hostile_peer_cannot_go_back)
{
	set_up();
	CHECK_EQ(put(&monitor, 1, 100), 0);
	(void)frames_publish(&monitor);
	CHECK_EQ(get(&service, 1, 100), 0);
	words[PRODUCED] = 0;
	expect_broken(&service);
	tear_down();
}

TEST(a_hostile_peer_cannot_give_a_length_that_is_not_there)
{
	static const uint32_t lengths[] = { 0, 101, FRAMES_RECORD_MAX + 1,
					    UINT32_MAX - 1, 0x80000000u };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		uint8_t *ring;

		set_up();
		ring = monitor.out.bytes;
		CHECK_EQ(put(&monitor, 1, 96), 0);
		(void)frames_publish(&monitor);
		memcpy(ring, &lengths[i], sizeof(uint32_t));
		expect_broken(&service);
		tear_down();
	}
}

TEST(a_hostile_peer_cannot_skip_but_at_the_end)
{
	static const uint32_t skip = UINT32_MAX;

	set_up();
	CHECK_EQ(put(&monitor, 1, 96), 0);
	(void)frames_publish(&monitor);
	memcpy(monitor.out.bytes, &skip, sizeof(skip));
	expect_broken(&service);
	tear_down();
}

TEST(a_hostile_peer_cannot_give_back_room_it_never_had)
{
	static const uint64_t claims[] = { 16, 3, UINT64_MAX, RING * 4 };

	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		set_up();
		words[CONSUMED] = claims[i];
		while (put(&monitor, 0, 1000) == 0)
			;
		CHECK(monitor.is_broken);
		CHECK_EQ(put(&monitor, 0, 1), -EBADMSG);
		tear_down();
	}
}

/* Sparse. ------------------------------------------------------------------- */

static void pass(uint32_t seed, uint32_t bytes)
{
	CHECK_EQ(put(&monitor, seed, bytes), 0);
	(void)frames_publish(&monitor);
	CHECK_EQ(get(&service, seed, bytes), 0);
	(void)frames_acknowledge(&service);
}

static uint64_t bytes_in_use(void)
{
	struct stat status;

	CHECK_EQ(fstat(memfd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

TEST(a_ring_in_which_little_waits_uses_little_of_its_memory)
{
	set_up();
	for (uint32_t i = 0; i < 4 * RING / 1000; i++)
		pass(i, 1 + i * 37 % 2000);
	/* A quarter, what is between two looks, and the header. */
	CHECK(bytes_in_use() <= RING / 4 + RING / 16 + 3 * 4096);
	tear_down();
}

/* With its length, such a record is what is between two looks. */
#define PART (RING / 16 - 16)

TEST(a_ring_that_began_anew_is_not_crowded)
{
	set_up();
	for (;;) {
		CHECK(monitor.out.at < RING);
		CHECK_EQ(put(&monitor, 1, PART), 0);
		if (monitor.out.skip_bytes > 0)
			break;
		(void)frames_publish(&monitor);
		CHECK_EQ(get(&service, 1, PART), 0);
		(void)frames_acknowledge(&service);
	}
	CHECK(monitor.out.skip_bytes == RING / 4 * 3);
	CHECK(!frames_are_crowded(&monitor));
	/* It is once so much waits. */
	(void)frames_publish(&monitor);
	CHECK_EQ(get(&service, 1, PART), 0);
	(void)frames_acknowledge(&service);
	while (put(&monitor, 1, PART) == 0)
		;
	CHECK(frames_are_crowded(&monitor));
	tear_down();
}

/* How much it takes until it is full. */
static uint64_t fill(void)
{
	uint64_t bytes = 0;

	while (put(&monitor, 1, 60000) == 0)
		bytes += 60000;
	(void)frames_publish(&monitor);
	return bytes;
}

static void empty(void)
{
	while (get(&service, 1, 60000) == 0)
		;
	(void)frames_acknowledge(&service);
}

TEST(a_slow_peer_has_a_short_queue_and_a_fast_one_the_whole_ring)
{
	uint64_t now_ns = NS_PER_S;

	set_up_of(LARGE);
	CHECK(fill() <= FRAMES_QUEUE_MIN);
	/* It takes a megabyte in ten milliseconds, again and again. */
	for (int i = 0; i < 10; i++) {
		empty();
		frames_pace(&monitor, now_ns += 10 * NS_PER_MS);
		(void)fill();
	}
	CHECK(monitor.out.at - monitor.out.known > LARGE / 10 * 9);
	/* Then nothing, for a while. */
	empty();
	for (int i = 0; i < 10; i++)
		frames_pace(&monitor, now_ns += 10 * NS_PER_MS);
	CHECK(fill() <= FRAMES_QUEUE_MIN);
	tear_down();
}

/* A backlog that fills the ring, and is then taken. */
static void fill_and_empty(void)
{
	uint32_t count = 0;

	while (put(&monitor, count, 1000) == 0)
		count++;
	(void)frames_publish(&monitor);
	for (uint32_t i = 0; i < count; i++)
		CHECK_EQ(get(&service, i, 1000), 0);
	(void)frames_acknowledge(&service);
	CHECK(bytes_in_use() >= RING - 4096);
}

TEST(a_silent_ring_gives_its_memory_back)
{
	uint64_t due_ns;

	set_up();
	fill_and_empty();
	due_ns = frames_trim_ns(&monitor);
	CHECK(due_ns > 0);
	CHECK(!frames_trim(&monitor, due_ns - 1));
	CHECK(frames_trim(&monitor, due_ns));
	CHECK(bytes_in_use() <= 4096);
	/* Once, and not for a few frames. */
	pass(1, 1500);
	CHECK_EQ(frames_trim_ns(&monitor), 0);
	fill_and_empty();
	CHECK(frames_trim_ns(&monitor) > 0);
	tear_down();
}

TEST(a_ring_keeps_what_waits_in_it_however_long)
{
	uint64_t due_ns;

	set_up();
	fill_and_empty();
	CHECK_EQ(put(&monitor, 9, 1500), 0);
	(void)frames_publish(&monitor);
	due_ns = frames_trim_ns(&monitor);
	CHECK(!frames_trim(&monitor, due_ns));
	/* Later again, but not at once. */
	CHECK(frames_trim_ns(&monitor) > due_ns);
	CHECK_EQ(get(&service, 9, 1500), 0);
	(void)frames_acknowledge(&service);
	due_ns = frames_trim_ns(&monitor);
	CHECK(frames_trim(&monitor, due_ns));
	tear_down();
}

TEST(a_ring_that_was_used_meanwhile_rests_later)
{
	uint64_t due_ns;

	set_up();
	fill_and_empty();
	due_ns = frames_trim_ns(&monitor);
	pass(9, 1500);
	CHECK(!frames_trim(&monitor, due_ns));
	due_ns = frames_trim_ns(&monitor);
	CHECK(due_ns > 0);
	CHECK_EQ(put(&monitor, 9, 1500), 0); /* not even published */
	CHECK(!frames_trim(&monitor, due_ns));
	(void)frames_publish(&monitor);
	CHECK_EQ(get(&service, 9, 1500), 0);
	tear_down();
}

TEST(a_hostile_peer_that_takes_memory_away_only_breaks_the_ring)
{
	set_up();
	CHECK_EQ(put(&monitor, 1, 1500), 0);
	(void)frames_publish(&monitor);
	CHECK_EQ(fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			   4096 + 2 * (off_t)RING),
		 0);
	words[PRODUCED] = 1536;
	expect_broken(&service);
	tear_down();
}

#define RACE_FRAMES 200000u

static void *race(void *context)
{
	for (uint32_t i = 0; i < RACE_FRAMES;) {
		if (put(&monitor, i, 1 + i % 300) == 0)
			i++;
		(void)frames_publish(&monitor);
	}
	return NULL;
}

TEST(two_threads_lose_and_mix_nothing)
{
	pthread_t thread;

	set_up();
	CHECK_EQ(pthread_create(&thread, NULL, race, NULL), 0);
	for (uint32_t i = 0; i < RACE_FRAMES;) {
		if (get(&service, i, 1 + i % 300) == 0)
			i++;
		(void)frames_acknowledge(&service);
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
	tear_down();
}
