/* SPDX-License-Identifier: MIT */
#include "virtio/ring.h"

#include <errno.h>
#include <string.h>

#include "lib/fake_driver.h"
#include "lib/harness.h"
#include "lib/race.h"

#define SIZE 8
/* With its parts in cache lines of their own, as a driver's has them. */
#define RACE_SIZE 64
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define ANY       (FAKE_GPA + 0x10000)

static struct fake_driver driver;
static struct guestmem memory;
static struct ring ring;
static struct ring_segment segments[RING_CHAIN_MAX];
static struct ring_chain chain;

static void open_ring_of(uint16_t size, uint64_t features)
{
	fake_driver_open(&driver, size);
	guestmem_init(&memory);
	fake_driver_map(&driver, &memory);
	ring_init(&ring);
	CHECK_EQ(ring_map(&ring, &memory, size, &driver.addresses), 0);
	CHECK_EQ(ring_start(&ring, features, NULL, 0), 0);
}

static void open_ring(uint64_t features)
{
	open_ring_of(SIZE, features);
}

/* The same chain at each place of the available ring. */
static void open_ring_to_race(void)
{
	open_ring_of(RACE_SIZE, EVENT_IDX);
	for (uint16_t i = 0; i < RACE_SIZE; i++)
		driver.available->ring[i] = 0;
	driver.descriptors[0] = (vring_desc_t){ ANY, 1, VRING_DESC_F_WRITE, 0 };
}

static void close_ring(void)
{
	guestmem_clear(&memory);
	fake_driver_close(&driver);
}

static int take(void)
{
	return ring_take(&ring, &memory, segments, RING_CHAIN_MAX, &chain);
}

static void push(uint16_t head, uint32_t bytes)
{
	ring_fill_used(&ring, head, bytes);
	ring_publish_used(&ring);
}

/* A chain of one writable byte. */
static uint16_t offer_one(void)
{
	const struct fake_buffer one = { ANY, 1, true };
	uint16_t head = fake_driver_chain(&driver, &one, 1);

	fake_driver_offer(&driver, head);
	return head;
}

/* The ring is broken: said once, then silence, whatever else is offered. */
static void check_broken(void)
{
	CHECK_EQ(take(), -EBADMSG);
	CHECK(ring.is_broken);
	CHECK_EQ(take(), -EAGAIN);
	(void)offer_one();
	CHECK_EQ(take(), -EAGAIN);
	CHECK(!ring_want_kicks(&ring));
}

TEST(a_chain_comes_out_as_the_driver_wrote_it)
{
	const struct fake_buffer buffers[] = { { ANY, 16, false },
					       { ANY + 64, 512, true },
					       { ANY + 4096, 1, true } };
	struct vring_used_elem used;
	uint16_t head;

	open_ring(0);
	CHECK_EQ(take(), -EAGAIN);
	head = fake_driver_chain(&driver, buffers, 3);
	fake_driver_offer(&driver, head);

	CHECK_EQ(take(), 0);
	CHECK_EQ(chain.head, head);
	CHECK_EQ(chain.readable_count, 1);
	CHECK_EQ(chain.writable_count, 2);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(chain.segments[i].gpa, buffers[i].gpa);
		CHECK_EQ(chain.segments[i].bytes, buffers[i].bytes);
	}
	CHECK(ring_is_out(&ring, head));
	push(head, 513);
	CHECK(!ring_is_out(&ring, head));
	CHECK(fake_driver_used(&driver, &used));
	CHECK_EQ(used.id, head);
	CHECK_EQ(used.len, 513);
	CHECK(!fake_driver_used(&driver, &used));

	close_ring();
}

TEST(an_indirect_chain_comes_out_the_same)
{
	struct fake_buffer buffers[SIZE * 2];

	open_ring(INDIRECT);
	for (uint16_t i = 0; i < SIZE * 2; i++)
		buffers[i] = (struct fake_buffer){ ANY + i * 8ull, 8, i >= 5 };
	fake_driver_offer(&driver,
			  fake_driver_indirect(&driver, buffers, SIZE * 2));

	CHECK_EQ(take(), 0);
	CHECK_EQ(chain.readable_count, 5);
	CHECK_EQ(chain.writable_count, SIZE * 2 - 5);
	CHECK_EQ(chain.segments[15].gpa, ANY + 15 * 8ull);

	close_ring();
}

TEST(an_indirect_table_may_end_a_direct_chain)
{
	const struct fake_buffer first = { ANY, 16, false };
	const struct fake_buffer rest[] = { { ANY + 16, 8, false },
					    { ANY + 32, 1, true } };
	uint16_t head, tail;

	open_ring(INDIRECT);
	head = fake_driver_chain(&driver, &first, 1);
	tail = fake_driver_indirect(&driver, rest, 2);
	driver.descriptors[head].flags |= VRING_DESC_F_NEXT;
	driver.descriptors[head].next = tail;
	fake_driver_offer(&driver, head);

	CHECK_EQ(take(), 0);
	CHECK_EQ(chain.readable_count, 2);
	CHECK_EQ(chain.writable_count, 1);

	close_ring();
}

TEST(the_flag_writable_means_nothing_on_an_indirect_descriptor)
{
	const struct fake_buffer one = { ANY, 16, false };
	uint16_t head;

	open_ring(INDIRECT);
	head = fake_driver_indirect(&driver, &one, 1);
	driver.descriptors[head].flags |= VRING_DESC_F_WRITE;
	fake_driver_offer(&driver, head);

	CHECK_EQ(take(), 0);
	CHECK_EQ(chain.readable_count, 1);

	close_ring();
}

TEST(indices_go_on_beyond_65535)
{
	struct vring_used_elem used;

	open_ring(0);
	for (uint32_t i = 0; i < 70000; i++) {
		uint16_t head = offer_one();

		CHECK_EQ(take(), 0);
		CHECK_EQ(chain.head, head);
		push(head, i);
		CHECK(fake_driver_used(&driver, &used));
		CHECK_EQ(used.id, head);
		CHECK_EQ(used.len, i);
	}
	CHECK_EQ(ring_position(&ring), (uint16_t)70000);

	close_ring();
}

TEST(a_full_ring_is_taken_and_answered_in_any_order)
{
	struct vring_used_elem used;
	uint16_t heads[SIZE];

	open_ring(0);
	for (int i = 0; i < SIZE; i++)
		heads[i] = offer_one();
	for (int i = 0; i < SIZE; i++)
		CHECK_EQ(take(), 0);
	CHECK_EQ(take(), -EAGAIN);
	CHECK_EQ(ring.out_count, SIZE);

	for (int i = SIZE - 1; i >= 0; i--) {
		push(heads[i], 0);
		CHECK(fake_driver_used(&driver, &used));
		CHECK_EQ(used.id, heads[i]);
	}
	CHECK_EQ(ring.out_count, 0);

	close_ring();
}

TEST(a_hostile_guest_cannot_jump_the_available_index)
{
	open_ring(0);
	for (int i = 0; i < SIZE; i++)
		(void)offer_one();
	driver.available->idx = SIZE + 1;

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_move_the_available_index_back)
{
	open_ring(0);
	(void)offer_one();
	CHECK_EQ(take(), 0);
	push(chain.head, 0);
	driver.available->idx = 0;

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_offer_a_head_beyond_the_ring)
{
	open_ring(0);
	/* What lies behind the table would do as a descriptor of 1 byte. */
	driver.available->ring[2] = 1;
	fake_driver_offer(&driver, SIZE);

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_offer_a_head_twice)
{
	uint16_t head;

	open_ring(0);
	head = offer_one();
	CHECK_EQ(take(), 0);
	fake_driver_offer(&driver, head);

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_loop_a_chain)
{
	uint16_t head;

	open_ring(0);
	head = offer_one();
	driver.descriptors[head].flags |= VRING_DESC_F_NEXT;
	driver.descriptors[head].next = head;

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_loop_an_indirect_table)
{
	const struct fake_buffer two[] = { { ANY, 1, true }, { ANY, 1, true } };
	vring_desc_t *table;
	uint16_t head;

	open_ring(INDIRECT);
	head = fake_driver_indirect(&driver, two, 2);
	table = fake_driver_at(&driver, driver.descriptors[head].addr);
	table[1].flags |= VRING_DESC_F_NEXT;
	table[1].next = 0;
	fake_driver_offer(&driver, head);

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_link_beyond_the_table)
{
	const struct fake_buffer three[] = { { ANY, 1, true },
					     { ANY, 1, true },
					     { ANY, 1, true } };
	vring_desc_t *table;
	uint16_t head;

	/* What lies behind the table is a good descriptor. */
	open_ring(INDIRECT);
	head = fake_driver_indirect(&driver, three, 3);
	driver.descriptors[head].len = 2 * sizeof(vring_desc_t);
	table = fake_driver_at(&driver, driver.descriptors[head].addr);
	table[0].next = 2;
	fake_driver_offer(&driver, head);

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_put_readable_after_writable)
{
	const struct fake_buffer two[] = { { ANY, 1, true },
					   { ANY, 1, false } };

	open_ring(0);
	fake_driver_offer(&driver, fake_driver_chain(&driver, two, 2));

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_use_an_empty_descriptor)
{
	const struct fake_buffer none = { ANY, 0, true };

	open_ring(0);
	fake_driver_offer(&driver, fake_driver_chain(&driver, &none, 1));

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_wrap_an_address)
{
	const struct fake_buffer around = { UINT64_MAX, 2, true };

	open_ring(0);
	fake_driver_offer(&driver, fake_driver_chain(&driver, &around, 1));

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_exceed_the_length_of_a_chain)
{
	const struct fake_buffer huge[] = { { 0, UINT32_MAX, true },
					    { 0, UINT32_MAX, true } };

	open_ring(0);
	fake_driver_offer(&driver, fake_driver_chain(&driver, huge, 2));

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_use_indirect_tables_unasked)
{
	const struct fake_buffer one = { ANY, 1, true };

	open_ring(0);
	fake_driver_offer(&driver, fake_driver_indirect(&driver, &one, 1));

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_nest_indirect_tables)
{
	const struct fake_buffer one = { ANY, 16, true };
	vring_desc_t *table;
	uint16_t head;

	open_ring(INDIRECT);
	head = fake_driver_indirect(&driver, &one, 1);
	table = fake_driver_at(&driver, driver.descriptors[head].addr);
	table[0] = driver.descriptors[head];
	fake_driver_offer(&driver, head);

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_go_on_after_an_indirect_descriptor)
{
	const struct fake_buffer one = { ANY, 1, true };
	uint16_t head;

	open_ring(INDIRECT);
	head = fake_driver_indirect(&driver, &one, 1);
	driver.descriptors[head].flags |= VRING_DESC_F_NEXT;
	fake_driver_offer(&driver, head);

	check_broken();

	close_ring();
}

/* One indirect descriptor with this table. */
static void offer_table(gpa_t gpa, uint32_t bytes)
{
	const struct fake_buffer one = { ANY, 1, true };
	uint16_t head = fake_driver_indirect(&driver, &one, 1);

	driver.descriptors[head].addr = gpa;
	driver.descriptors[head].len = bytes;
	fake_driver_offer(&driver, head);
}

TEST(a_hostile_guest_cannot_use_a_ragged_table)
{
	open_ring(INDIRECT);
	offer_table(ANY, 24);

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_use_an_empty_table)
{
	open_ring(INDIRECT);
	offer_table(ANY, 0);

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_use_a_huge_table)
{
	vring_desc_t *first;

	open_ring(INDIRECT);
	first = fake_driver_at(&driver, ANY);
	first->len = 1;
	offer_table(ANY, (RING_CHAIN_MAX + 1) * 16);

	check_broken();

	close_ring();
}

TEST(a_hostile_guest_cannot_use_a_table_outside_its_memory)
{
	open_ring(INDIRECT);
	offer_table(FAKE_GPA + FAKE_BYTES - 16, 32);

	check_broken();

	close_ring();
}

TEST(a_chain_longer_than_the_room_breaks_the_ring)
{
	const struct fake_buffer two[] = { { ANY, 1, true }, { ANY, 1, true } };

	open_ring(0);
	fake_driver_offer(&driver, fake_driver_chain(&driver, two, 2));

	CHECK_EQ(ring_take(&ring, &memory, segments, 1, &chain), -EBADMSG);

	close_ring();
}

TEST(what_is_out_of_a_broken_ring_can_be_answered)
{
	struct vring_used_elem used;
	uint16_t head;

	open_ring(0);
	head = offer_one();
	CHECK_EQ(take(), 0);
	fake_driver_offer(&driver, SIZE);
	CHECK_EQ(take(), -EBADMSG);

	push(head, 1);
	CHECK(fake_driver_used(&driver, &used));
	CHECK_EQ(used.id, head);

	close_ring();
}

TEST(a_hostile_peer_cannot_place_a_ring_badly)
{
	struct ring_addresses bad;

	open_ring(0);

	CHECK_EQ(ring_map(&ring, &memory, 0, &driver.addresses), -EINVAL);
	CHECK_EQ(ring_map(&ring, &memory, 6, &driver.addresses), -EINVAL);
	CHECK_EQ(ring_map(&ring, &memory, 2048, &driver.addresses), -EINVAL);
	bad = driver.addresses;
	bad.descriptors += 8;
	CHECK_EQ(ring_map(&ring, &memory, SIZE, &bad), -EINVAL);
	bad = driver.addresses;
	bad.available += 1;
	CHECK_EQ(ring_map(&ring, &memory, SIZE, &bad), -EINVAL);
	bad = driver.addresses;
	bad.used += 2;
	CHECK_EQ(ring_map(&ring, &memory, SIZE, &bad), -EINVAL);
	bad = driver.addresses;
	bad.used = FAKE_USER + FAKE_BYTES - 8ull * SIZE;
	CHECK_EQ(ring_map(&ring, &memory, SIZE, &bad), -EFAULT);
	bad = driver.addresses;
	bad.available = FAKE_USER + FAKE_BYTES - 2ull * SIZE - 4;
	CHECK_EQ(ring_map(&ring, &memory, SIZE, &bad), -EFAULT);
	bad = driver.addresses;
	bad.descriptors = FAKE_GPA;
	CHECK_EQ(ring_map(&ring, &memory, SIZE, &bad), -EFAULT);

	/* Unmapped now, and silent. */
	(void)offer_one();
	CHECK_EQ(take(), -EAGAIN);
	CHECK(!ring_should_signal(&ring));
	CHECK_EQ(ring_start(&ring, 0, NULL, 0), -EINVAL);

	close_ring();
}

TEST(a_ring_moves_without_losing_its_place)
{
	uint16_t head;

	open_ring(0);
	head = offer_one();
	(void)offer_one();
	CHECK_EQ(take(), 0);

	CHECK_EQ(ring_map(&ring, &memory, SIZE, &driver.addresses), 0);
	CHECK_EQ(ring_position(&ring), 1);
	CHECK(ring_is_out(&ring, head));
	push(head, 0);
	CHECK_EQ(take(), 0);

	close_ring();
}

TEST(a_restart_goes_on_behind_what_is_outstanding)
{
	const uint16_t left[] = { 2, 0 };
	struct ring next;

	open_ring(0);
	for (int i = 0; i < 4; i++)
		(void)offer_one();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(take(), 0);
	push(1, 0);

	ring_init(&next);
	CHECK_EQ(ring_map(&next, &memory, SIZE, &driver.addresses), 0);
	CHECK_EQ(ring_start(&next, 0, left, 2), 0);
	CHECK_EQ(ring_position(&next), 3);
	CHECK_EQ(ring_retake(&next, &memory, 2, segments, SIZE, &chain), 0);
	CHECK_EQ(chain.head, 2);
	CHECK_EQ(ring_retake(&next, &memory, 1, segments, SIZE, &chain),
		 -EINVAL);
	CHECK_EQ(ring_take(&next, &memory, segments, SIZE, &chain), 0);
	CHECK_EQ(chain.head, 3);
	CHECK_EQ(ring_take(&next, &memory, segments, SIZE, &chain), -EAGAIN);

	close_ring();
}

TEST(a_restart_refuses_an_impossible_record)
{
	const uint16_t twice[] = { 1, 1 };
	const uint16_t beyond[] = { SIZE };
	const uint16_t many[SIZE + 1] = { 0 };

	open_ring(0);

	CHECK_EQ(ring_start(&ring, 0, twice, 2), -EINVAL);
	CHECK_EQ(ring_start(&ring, 0, beyond, 1), -EINVAL);
	CHECK_EQ(ring_start(&ring, 0, many, SIZE + 1), -EINVAL);
	(void)offer_one();
	CHECK_EQ(take(), -EAGAIN);

	close_ring();
}

TEST(a_started_ring_signals_once_unasked)
{
	open_ring(EVENT_IDX);
	*fake_driver_used_event(&driver) = 100;

	CHECK(ring_should_signal(&ring));
	CHECK(!ring_should_signal(&ring));

	close_ring();
}

TEST(with_event_idx_the_driver_is_signalled_at_its_mark)
{
	open_ring(EVENT_IDX);
	(void)ring_should_signal(&ring);
	*fake_driver_used_event(&driver) = 1;

	for (int i = 0; i < 4; i++) {
		(void)offer_one();
		CHECK_EQ(take(), 0);
		push(chain.head, 0);
		CHECK_EQ(ring_should_signal(&ring), i == 1);
	}

	close_ring();
}

TEST(without_event_idx_the_driver_can_refuse_signals)
{
	open_ring(0);
	(void)ring_should_signal(&ring);

	(void)offer_one();
	CHECK_EQ(take(), 0);
	push(chain.head, 0);
	CHECK(ring_should_signal(&ring));
	CHECK(!ring_should_signal(&ring));
	driver.available->flags = VRING_AVAIL_F_NO_INTERRUPT;
	(void)offer_one();
	CHECK_EQ(take(), 0);
	push(chain.head, 0);
	CHECK(!ring_should_signal(&ring));

	close_ring();
}

TEST(wanting_kicks_tells_of_chains_that_came_in_between)
{
	open_ring(EVENT_IDX);
	CHECK(!ring_want_kicks(&ring));
	CHECK_EQ(*fake_driver_avail_event(&driver), 0);

	(void)offer_one();
	CHECK(ring_want_kicks(&ring));
	CHECK_EQ(take(), 0);
	CHECK(!ring_want_kicks(&ring));
	CHECK_EQ(*fake_driver_avail_event(&driver), 1);

	close_ring();
}

TEST(without_event_idx_kicks_are_refused_by_flag)
{
	open_ring(0);

	ring_refuse_kicks(&ring);
	CHECK_EQ(driver.used->flags, VRING_USED_F_NO_NOTIFY);
	CHECK(!ring_want_kicks(&ring));
	CHECK_EQ(driver.used->flags, 0);

	close_ring();
}

/* The device looks for the last time while the driver offers a chain. */
static bool is_kicked, has_seen;

static void offer_and_look(void)
{
	uint16_t old = driver.available->idx, now = (uint16_t)(old + 1);

	__atomic_store_n(&driver.available->idx, now, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	is_kicked = vring_need_event(
		__atomic_load_n(fake_driver_avail_event(&driver),
				__ATOMIC_RELAXED),
		now, old);
}

static void want_kicks_and_look(void)
{
	has_seen = ring_want_kicks(&ring);
}

static void check_that_no_chain_waits(void)
{
	CHECK(is_kicked || has_seen);
	CHECK_EQ(take(), 0);
	push(chain.head, 0);
}

TEST(a_chain_that_comes_while_kicks_are_asked_for_is_seen_or_kicked_for)
{
	static const struct race race = { offer_and_look, want_kicks_and_look,
					  check_that_no_chain_waits };

	open_ring_to_race();

	race_run(&race);

	close_ring();
}

/* The driver looks for the last time while the device answers. */
static bool is_signalled, has_found;

static void answer_and_look(void)
{
	push(chain.head, 0);
	is_signalled = ring_should_signal(&ring);
}

static void want_signals_and_look(void)
{
	uint16_t known = driver.next_used;

	__atomic_store_n(fake_driver_used_event(&driver), known,
			 __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	has_found =
		__atomic_load_n(&driver.used->idx, __ATOMIC_RELAXED) != known;
}

static void check_that_no_answer_waits(void)
{
	CHECK(is_signalled || has_found);
	driver.next_used++;
	driver.available->idx++;
	CHECK_EQ(take(), 0);
}

TEST(an_answer_while_signals_are_asked_for_is_found_or_signalled)
{
	static const struct race race = { answer_and_look,
					  want_signals_and_look,
					  check_that_no_answer_waits };

	open_ring_to_race();
	(void)ring_should_signal(&ring);
	driver.available->idx++;
	CHECK_EQ(take(), 0);

	race_run(&race);

	close_ring();
}
