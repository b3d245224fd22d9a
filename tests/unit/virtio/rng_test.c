/* SPDX-License-Identifier: MIT */
#include "virtio/rng.h"

#include <errno.h>
#include <string.h>

#include "lib/harness.h"
#include "small_rig.h"

#define ANY (FAKE_GPA + 0x10000)

static struct small_rig rig;
static struct virtio_rng rng;

static void open_rng(void)
{
	small_rig_open(&rig);
	virtio_rng_init(&rng, &rig.memory);
	small_rig_start(&rig, &rng.small, &virtio_rng_ops, 0);
}

static bool is_zero(gpa_t gpa, size_t bytes)
{
	const uint8_t *at = fake_driver_at(&rig.driver, gpa);

	for (size_t i = 0; i < bytes; i++)
		if (at[i] != 0)
			return false;
	return true;
}

TEST(a_buffer_comes_back_with_random_bytes)
{
	const struct fake_buffer buffer = { ANY, 64, true };

	open_rng();
	CHECK_EQ(small_rig_kicks(&rig), 1); /* the first look */
	(void)small_rig_offer(&rig, &buffer, 1);

	virtio_rng_serve(&rng);

	CHECK_EQ(small_rig_answer(&rig), 64);
	CHECK(!is_zero(ANY, 64));
	CHECK(is_zero(ANY + 64, 64));
	CHECK_EQ(small_rig_calls(&rig), 1);
	CHECK_EQ(small_rig_kicks(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_turn_ends_and_is_continued)
{
	const struct fake_buffer buffer = { ANY, 8, true };
	int answered = 0;

	open_rng();
	(void)small_rig_kicks(&rig);
	for (int i = 0; i < VIRTIO_RNG_TURN_CHAINS + 1; i++)
		(void)small_rig_offer(&rig, &buffer, 1);

	virtio_rng_serve(&rng);
	while (small_rig_answer(&rig) == 8)
		answered++;
	CHECK_EQ(answered, VIRTIO_RNG_TURN_CHAINS);
	CHECK_EQ(small_rig_kicks(&rig), 1);
	virtio_rng_serve(&rng);

	CHECK_EQ(small_rig_answer(&rig), 8);
	CHECK_EQ(small_rig_kicks(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_have_a_huge_buffer_filled)
{
	const struct fake_buffer buffer = { ANY, 3 << 20, true };

	open_rng();
	(void)small_rig_offer(&rig, &buffer, 1);

	virtio_rng_serve(&rng);

	CHECK_EQ(small_rig_answer(&rig), VIRTIO_RNG_PIECE_BYTES);
	CHECK(is_zero(ANY + VIRTIO_RNG_PIECE_BYTES, 1 << 20));

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_have_what_is_not_memory_filled)
{
	const struct fake_buffer buffers[] = { { 0, 64, true },
					       { FAKE_GPA + FAKE_BYTES - 8, 64,
						 true },
					       { ANY, 64, false } };

	open_rng();
	for (int i = 0; i < 3; i++)
		(void)small_rig_offer(&rig, &buffers[i], 1);

	virtio_rng_serve(&rng);

	for (int i = 0; i < 3; i++)
		CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK(is_zero(ANY, 64));

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_break_more_than_its_ring)
{
	const struct fake_buffer buffer = { ANY, 64, true };
	uint16_t head;

	open_rng();
	(void)small_rig_kicks(&rig);
	head = small_rig_offer(&rig, &buffer, 1);
	rig.driver.descriptors[head].flags |= VRING_DESC_F_NEXT;
	rig.driver.descriptors[head].next = head;

	for (int i = 0; i < 3; i++)
		virtio_rng_serve(&rng);

	CHECK_EQ(rig.resets_wanted, 1);
	CHECK_EQ(small_rig_answer(&rig), -1);
	CHECK_EQ(small_rig_kicks(&rig), 0);
	fake_driver_reset(&rig.driver);
	virtio_rng_ops.reset(&rng);
	CHECK_EQ(small_rig_start_queue(&rig, 0), 0);
	(void)small_rig_offer(&rig, &buffer, 1);
	virtio_rng_serve(&rng);
	CHECK_EQ(small_rig_answer(&rig), 64);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_place_a_ring_where_none_can_be)
{
	open_rng();
	virtio_rng_ops.reset(&rng);

	rig.driver.addresses.used = 0;
	CHECK_EQ(small_rig_start_queue(&rig, 0), -EFAULT);
	fake_driver_reset(&rig.driver);
	rig.driver.size = 128;
	CHECK_EQ(small_rig_start_queue(&rig, 0), -EINVAL);
	rig.driver.size = SMALL_RING;
	CHECK_EQ(small_rig_start_queue(&rig, VIRTIO_SMALL_QUEUES), -EINVAL);
	virtio_rng_serve(&rng);

	CHECK_EQ(small_rig_kicks(&rig), 1);

	small_rig_close(&rig);
}
