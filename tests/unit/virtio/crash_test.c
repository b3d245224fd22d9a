/* SPDX-License-Identifier: MIT */
/*
 * Death at every store.
 *
 * The code under test is compiled into this file with a mark after each store
 * that outlives a process. A first run counts the marks. Then the same run is
 * stopped at each of them, and its successor again at each of the next ones;
 * a successor shares nothing with the dead but guest memory and the in-flight
 * region. Whenever they die, every chain is answered exactly once, and each
 * life dispatches in the order in which the driver offered.
 */
static void at_store(void);
#define STORE_STEP() at_store()

/* clang-format off */
#include "virtio/ring.c"     /* NOLINT(bugprone-suspicious-include) */
#include "virtio/inflight.c" /* NOLINT(bugprone-suspicious-include) */
/* clang-format on */

#include <setjmp.h>

#include "lib/fake_driver.h"
#include "lib/harness.h"

#define SIZE        4
#define CHAINS      11
#define LIVES_MAX   16
#define BEFORE_WRAP (UINT16_MAX - 3)
#define NEVER       0

/* The driver's side, which outlives every back end. */
static struct fake_driver driver;
static int region_fd;
static uint32_t offered;
static uint32_t answered[CHAINS];
static uint32_t chain_of[SIZE]; /* by head; CHAINS: free */

/* One life of a back end. */
static struct guestmem memory;
static struct inflight_region region;
static struct ring ring;
static struct inflight inflight;
static uint16_t waiting[SIZE];
static uint32_t waiting_count;
static uint32_t last_dispatched;

static jmp_buf death;
static uint32_t stores;
static uint32_t deadly[2];

static void at_store(void)
{
	stores++;
	if (stores == deadly[0] || stores == deadly[1])
		longjmp(death, 1);
}

static void open_world(uint32_t first_death, uint32_t second_death)
{
	fake_driver_open(&driver, SIZE);
	driver.available->idx = BEFORE_WRAP;
	driver.used->idx = BEFORE_WRAP;
	driver.next_used = BEFORE_WRAP;
	CHECK_EQ(inflight_region_create(1, SIZE, &region_fd), 0);
	offered = 0;
	memset(answered, 0, sizeof(answered));
	for (int head = 0; head < SIZE; head++)
		chain_of[head] = CHAINS;
	stores = 0;
	deadly[0] = first_death;
	deadly[1] = second_death;
}

static void close_world(void)
{
	CHECK_EQ(close(region_fd), 0);
	fake_driver_close(&driver);
}

/* Take what was answered, and offer as many chains as there is room for. A
 * chain says its number, from 1, in its length. */
static void drive(void)
{
	struct vring_used_elem used;

	while (fake_driver_used(&driver, &used)) {
		CHECK(used.id < SIZE && chain_of[used.id] < CHAINS);
		answered[chain_of[used.id]]++;
		chain_of[used.id] = CHAINS;
	}
	for (uint16_t head = 0; head < SIZE && offered < CHAINS; head++) {
		if (chain_of[head] != CHAINS)
			continue;
		chain_of[head] = offered++;
		driver.descriptors[head] = (vring_desc_t){
			.addr = FAKE_GPA,
			.len = offered,
			.flags = VRING_DESC_F_WRITE,
		};
		fake_driver_offer(&driver, head);
	}
}

static void dispatch(const struct ring_chain *chain)
{
	CHECK(chain->segments[0].bytes > last_dispatched);
	last_dispatched = chain->segments[0].bytes;
	waiting[waiting_count++] = chain->head;
}

static void be_born(void)
{
	memset(&inflight, 0, sizeof(inflight));
	waiting_count = 0;
	last_dispatched = 0;
	guestmem_init(&memory);
	fake_driver_map(&driver, &memory);
	ring_init(&ring);
	CHECK_EQ(ring_map(&ring, &memory, SIZE, &driver.addresses), 0);
	CHECK_EQ(inflight_region_map(&region, region_fd, 0,
				     inflight_region_bytes(1, SIZE), 1, SIZE),
		 0);
}

/* Recover, take and answer everything; the newest first. */
static void live(void)
{
	struct ring_segment segments[SIZE];
	struct ring_chain chain;
	uint16_t heads[SIZE], count;

	CHECK_EQ(inflight_recover(&inflight, &region, 0, &ring, heads, &count),
		 0);
	CHECK_EQ(ring_start(&ring, 0, heads, count), 0);
	for (uint16_t i = 0; i < count; i++) {
		CHECK_EQ(ring_retake(&ring, &memory, heads[i], segments, SIZE,
				     &chain),
			 0);
		dispatch(&chain);
	}
	while (ring_take(&ring, &memory, segments, SIZE, &chain) == 0) {
		inflight_mark(&inflight, chain.head);
		dispatch(&chain);
	}
	CHECK(!ring.is_broken);
	while (waiting_count > 0)
		inflight_push(&inflight, &ring, waiting[--waiting_count], 0);
}

static void run_to_the_end(uint32_t first_death, uint32_t second_death)
{
	static int lives;

	open_world(first_death, second_death);
	for (lives = 0; lives < LIVES_MAX; lives++) {
		drive();
		be_born();
		if (setjmp(death) == 0)
			live();
		inflight_region_release(&region);
		guestmem_clear(&memory);
	}
	drive();
	for (int i = 0; i < CHAINS; i++)
		CHECK_EQ(answered[i], 1);
	close_world();
}

TEST(death_at_any_store_loses_and_repeats_nothing)
{
	uint32_t total;

	run_to_the_end(NEVER, NEVER);
	total = stores;
	CHECK(total > CHAINS * 9);

	for (uint32_t at = 1; at <= total; at++)
		run_to_the_end(at, NEVER);
}

TEST(a_second_death_during_recovery_does_no_harm)
{
	uint32_t total;

	run_to_the_end(NEVER, NEVER);
	total = stores;

	for (uint32_t at = 1; at <= total; at++)
		for (uint32_t later = 1; later <= 2 * SIZE + 4; later++)
			run_to_the_end(at, at + later);
}
