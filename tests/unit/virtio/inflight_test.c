/* SPDX-License-Identifier: MIT */
#include "virtio/inflight.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/fake_driver.h"
#include "lib/harness.h"

#define SIZE 8

static struct fake_driver driver;
static struct guestmem memory;
static struct ring ring;
static struct inflight inflight;
static struct inflight_region region;
static uint16_t heads[RING_SIZE_MAX];
static uint16_t count;

static void open_all(void)
{
	int fd;

	fake_driver_open(&driver, SIZE);
	guestmem_init(&memory);
	fake_driver_map(&driver, &memory);
	ring_init(&ring);
	CHECK_EQ(ring_map(&ring, &memory, SIZE, &driver.addresses), 0);
	CHECK_EQ(inflight_region_create(2, SIZE, &fd), 0);
	CHECK_EQ(inflight_region_map(&region, fd, 0,
				     inflight_region_bytes(2, SIZE), 2, SIZE),
		 0);
	CHECK_EQ(close(fd), 0);
}

static void close_all(void)
{
	inflight_region_release(&region);
	inflight_region_release(&region);
	guestmem_clear(&memory);
	fake_driver_close(&driver);
}

static int recover(void)
{
	return inflight_recover(&inflight, &region, 0, &ring, heads, &count);
}

static void start(void)
{
	CHECK_EQ(recover(), 0);
	CHECK_EQ(ring_start(&ring, 0, heads, count), 0);
}

/* Offer, take and record one chain; return its head. */
static uint16_t take_one(void)
{
	const struct fake_buffer one = { FAKE_GPA + 0x10000, 1, true };
	struct ring_segment segments[SIZE];
	struct ring_chain chain;

	fake_driver_offer(&driver, fake_driver_chain(&driver, &one, 1));
	CHECK_EQ(ring_take(&ring, &memory, segments, SIZE, &chain), 0);
	inflight_mark(&inflight, chain.head);
	return chain.head;
}

static struct inflight_part *part(void)
{
	return (struct inflight_part *)(void *)region.first;
}

TEST(a_part_is_rounded_up_to_64_bytes)
{
	CHECK_EQ(inflight_region_bytes(1, 1), 64);
	CHECK_EQ(inflight_region_bytes(1, 3), 64);
	CHECK_EQ(inflight_region_bytes(1, 4), 128);
	CHECK_EQ(inflight_region_bytes(4, 128), 4ull * (128 * 16 + 64));
}

TEST(what_was_taken_is_found_in_the_order_taken)
{
	const uint16_t left[] = { 1, 2, 4, 5, 6, 7 };

	open_all();
	start();
	for (int i = 0; i < 5; i++)
		(void)take_one();
	inflight_push(&inflight, &ring, 3, 0);
	inflight_push(&inflight, &ring, 0, 0);
	for (int i = 0; i < 3; i++) /* heads 5, 6, 7 */
		(void)take_one();

	CHECK_EQ(recover(), 0);
	CHECK_EQ(count, 6);
	for (uint16_t i = 0; i < count; i++)
		CHECK_EQ(heads[i], left[i]);
	CHECK_EQ(ring_start(&ring, 0, heads, count), 0);
	CHECK_EQ(ring_position(&ring), 8);

	close_all();
}

TEST(a_reused_head_takes_its_new_place_in_the_order)
{
	open_all();
	start();
	for (int i = 0; i < SIZE; i++)
		(void)take_one();
	inflight_push(&inflight, &ring, 0, 0);
	CHECK_EQ(take_one(), 0);

	CHECK_EQ(recover(), 0);
	CHECK_EQ(count, SIZE);
	CHECK_EQ(heads[0], 1);
	CHECK_EQ(heads[SIZE - 1], 0);

	close_all();
}

TEST(a_fresh_region_on_a_live_ring_takes_its_place_from_the_ring)
{
	open_all();
	driver.available->idx = 500;
	driver.used->idx = 500;
	start();

	CHECK_EQ(count, 0);
	CHECK_EQ(part()->used_index, 500);
	CHECK_EQ(take_one(), 0);
	CHECK_EQ(recover(), 0);
	CHECK_EQ(count, 1);
	CHECK_EQ(heads[0], 0);

	close_all();
}

TEST(the_used_index_may_wrap_during_the_last_batch)
{
	open_all();
	driver.available->idx = UINT16_MAX;
	driver.used->idx = UINT16_MAX;
	start();
	(void)take_one();
	(void)take_one();

	/* Both answered in one batch, by another back end; died before 0 was
	 * cleared. */
	part()->entries[1].next = part()->last_batch_head;
	part()->entries[0].next = 1;
	part()->last_batch_head = 0;
	driver.used->idx = 1;
	CHECK_EQ(recover(), 0);
	CHECK_EQ(count, 0);
	CHECK_EQ(part()->used_index, 1);

	close_all();
}

TEST(a_cleared_region_is_a_fresh_one)
{
	open_all();
	start();
	(void)take_one();

	inflight_region_clear(&region);
	driver.used->idx = 0;
	CHECK_EQ(recover(), 0);
	CHECK_EQ(count, 0);

	close_all();
}

TEST(without_a_region_nothing_is_recorded)
{
	static const struct inflight_region none;

	open_all();

	CHECK_EQ(inflight_recover(&inflight, &none, 0, &ring, heads, &count),
		 0);
	CHECK_EQ(count, 0);
	CHECK_EQ(ring_start(&ring, 0, heads, count), 0);
	(void)take_one();
	inflight_push(&inflight, &ring, 0, 0);
	CHECK_EQ(driver.used->idx, 1);
	CHECK_EQ(inflight_recover(&inflight, &region, 2, &ring, heads, &count),
		 0);
	CHECK(!inflight.part);

	close_all();
}

TEST(queues_have_records_of_their_own)
{
	struct inflight other;

	open_all();
	start();
	(void)take_one();

	CHECK_EQ(inflight_recover(&other, &region, 1, &ring, heads, &count), 0);
	CHECK_EQ(count, 0);
	CHECK_EQ((uint8_t *)other.part - region.first,
		 (long)inflight_region_bytes(1, SIZE));

	close_all();
}

TEST(a_hostile_peer_cannot_offer_a_region_too_small)
{
	struct inflight_region bad;
	const uint64_t bytes = inflight_region_bytes(2, SIZE);
	int fd;

	CHECK_EQ(inflight_region_create(2, SIZE, &fd), 0);

	CHECK_EQ(inflight_region_map(&bad, fd, 0, bytes - 1, 2, SIZE), -EINVAL);
	CHECK_EQ(inflight_region_map(&bad, fd, 8, bytes, 2, SIZE), -EINVAL);
	CHECK_EQ(inflight_region_map(&bad, fd, 0, bytes + 1, 2, SIZE), -EINVAL);
	CHECK_EQ(inflight_region_map(&bad, fd, UINT64_MAX - 7, bytes, 2, SIZE),
		 -EINVAL);
	CHECK_EQ(inflight_region_map(&bad, fd, 0, UINT64_MAX, 2, SIZE),
		 -EINVAL);
	CHECK_EQ(inflight_region_map(&bad, fd, 0, bytes, 3, SIZE), -EINVAL);
	CHECK_EQ(inflight_region_map(&bad, fd, 0, bytes, 0, SIZE), -EINVAL);
	CHECK_EQ(inflight_region_map(&bad, fd, 0, bytes, 1, 0), -EINVAL);
	CHECK_EQ(inflight_region_map(&bad, fd, 0, bytes, 1, RING_SIZE_MAX + 1),
		 -EINVAL);
	CHECK_EQ(inflight_region_create(0, SIZE, &(int){ 0 }), -EINVAL);
	CHECK_EQ(inflight_region_create(1, RING_SIZE_MAX + 1, &(int){ 0 }),
		 -EINVAL);

	CHECK_EQ(close(fd), 0);
}

TEST(a_hostile_peer_cannot_shrink_a_region_of_ours)
{
	int fd;

	CHECK_EQ(inflight_region_create(2, SIZE, &fd), 0);

	CHECK_EQ(ftruncate(fd, 0), -1);

	CHECK_EQ(close(fd), 0);
}

TEST(a_ring_larger_than_the_record_is_refused)
{
	open_all();
	region.queue_size = SIZE / 2;

	CHECK_EQ(recover(), -EINVAL);
	ring.descriptors = NULL;
	CHECK_EQ(recover(), -EINVAL);

	close_all();
}

TEST(a_hostile_peer_cannot_claim_another_version_or_size)
{
	open_all();
	start();

	part()->version = 2;
	CHECK_EQ(recover(), -EBADMSG);
	part()->version = 1;
	part()->entry_count = SIZE + 1;
	CHECK_EQ(recover(), -EBADMSG);

	close_all();
}

TEST(a_hostile_peer_cannot_claim_a_batch_longer_than_the_ring)
{
	open_all();
	start();
	part()->used_index = (uint16_t)(0 - SIZE - 1);

	CHECK_EQ(recover(), -EBADMSG);

	close_all();
}

TEST(a_hostile_peer_cannot_lead_the_batch_out_of_the_record)
{
	open_all();
	start();
	driver.used->idx = 2;

	part()->last_batch_head = SIZE;
	CHECK_EQ(recover(), -EBADMSG);
	part()->last_batch_head = 1;
	part()->entries[1].next = UINT16_MAX;
	CHECK_EQ(recover(), -EBADMSG);

	close_all();
}

TEST(a_hostile_peer_cannot_claim_one_place_twice)
{
	open_all();
	start();
	part()->entries[1] = (struct inflight_entry){ .in_flight = 1 };
	part()->entries[5] = (struct inflight_entry){ .in_flight = 7 };

	CHECK_EQ(recover(), -EBADMSG);

	close_all();
}

TEST(a_hostile_peer_cannot_claim_a_head_beyond_the_ring)
{
	open_all();
	CHECK_EQ(ring_map(&ring, &memory, SIZE / 2, &driver.addresses), 0);
	start();
	part()->entries[SIZE / 2].in_flight = 1;

	CHECK_EQ(recover(), -EBADMSG);

	close_all();
}
