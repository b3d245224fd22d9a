/* SPDX-License-Identifier: MIT */
/* The front end takes the guest's memory away under running rings. */
#include <string.h>

#include "base/clock.h"
#include "lib/harness.h"
#include "rig.h"

static struct rig rig;
static struct channel_request sent;

static void start(void)
{
	rig_start(&rig);
	blk_device_ops.memory_changed(&rig.front);
	rig_up(&rig, false);
}

static void take_memory_away(void)
{
	guestmem_clear(&rig.front.memory);
	blk_device_ops.memory_changed(&rig.front);
}

static void give_memory_back(void)
{
	fake_driver_map(&rig.driver, &rig.front.memory);
	blk_device_ops.memory_changed(&rig.front);
	rig_turn(&rig);
}

static struct guest_request offer_taken(uint32_t type)
{
	struct guest_request request = rig_offer(&rig, type, 5, 512, 1);

	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	return request;
}

TEST(an_answer_waits_while_the_ring_has_no_memory)
{
	struct guest_request write;

	start();
	write = offer_taken(VIRTIO_BLK_T_OUT);
	take_memory_away();
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 0);
	CHECK(front_deadline_ns(&rig.front) != 0);

	give_memory_back();
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	CHECK_EQ(rig.disk.counters.violations, 0);
	rig_stop(&rig);
}

TEST(a_read_answered_while_memory_is_away_is_read_again)
{
	struct guest_request read;

	start();
	read = offer_taken(VIRTIO_BLK_T_IN);
	take_memory_away();
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK(!rig_take(&rig, &sent));

	give_memory_back();
	CHECK(rig_take(&rig, &sent));
	memset(rig.service.buffers + sent.buffer_offset, 0x33, 512);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	CHECK_EQ(*(uint8_t *)fake_driver_at(&rig.driver, read.data), 0x33);
	rig_stop(&rig);
}

TEST(a_service_may_die_while_memory_is_away)
{
	struct guest_request write;

	start();
	write = offer_taken(VIRTIO_BLK_T_OUT);
	take_memory_away();
	rig_down(&rig);
	rig_up(&rig, false);
	CHECK(!rig_take(&rig, &sent));

	give_memory_back();
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(rig.service.buffers[sent.buffer_offset], 1);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(counting_does_not_look_at_a_ring_that_is_away)
{
	struct disk_counters counters;

	start();
	(void)offer_taken(VIRTIO_BLK_T_OUT);
	take_memory_away();
	disk_count(&rig.disk, &counters);

	CHECK_EQ(counters.in_flight, 1);
	rig_stop(&rig);
}

/* Data in a region of its own; the ring stays where it is. ---------------- */

static struct fake_driver extra;

static void add_extra_memory(void)
{
	const struct guestmem_place place = {
		.gpa = FAKE_GPA + FAKE_BYTES,
		.user_address = FAKE_USER + FAKE_BYTES,
		.bytes = FAKE_BYTES,
	};

	CHECK_EQ(guestmem_add(&rig.front.memory, &place, extra.fd), 0);
	blk_device_ops.memory_changed(&rig.front);
	rig_turn(&rig);
}

static void remove_extra_memory(void)
{
	const struct guestmem_place place = {
		.gpa = FAKE_GPA + FAKE_BYTES,
		.user_address = FAKE_USER + FAKE_BYTES,
		.bytes = FAKE_BYTES,
	};

	CHECK_EQ(guestmem_remove(&rig.front.memory, &place), 0);
	blk_device_ops.memory_changed(&rig.front);
	rig_turn(&rig);
}

/* A read into the extra memory. */
static uint8_t *offer_extra(void)
{
	struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_IN };
	gpa_t header_gpa = fake_driver_alloc(&rig.driver, sizeof(header));
	gpa_t status = fake_driver_alloc(&rig.driver, 1);
	const struct fake_buffer buffers[] = {
		{ header_gpa, sizeof(header), false },
		{ FAKE_GPA + FAKE_BYTES, 512, true },
		{ status, 1, true },
	};
	uint8_t *byte = fake_driver_at(&rig.driver, status);

	memcpy(fake_driver_at(&rig.driver, header_gpa), &header,
	       sizeof(header));
	*byte = RIG_NO_STATUS;
	fake_driver_offer(&rig.driver,
			  fake_driver_chain(&rig.driver, buffers, 3));
	rig_turn(&rig);
	return byte;
}

static void start_with_extra(void)
{
	start();
	fake_driver_open(&extra, RIG_RING_SIZE);
	add_extra_memory();
}

static void stop_with_extra(void)
{
	rig_stop(&rig);
	fake_driver_close(&extra);
}

TEST(a_request_offered_while_its_memory_is_away_is_no_fault)
{
	const uint8_t *status;

	start_with_extra();
	remove_extra_memory();
	status = offer_extra();
	CHECK_EQ(*status, RIG_NO_STATUS);

	add_extra_memory();
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(*status, VIRTIO_BLK_S_OK);
	stop_with_extra();
}

TEST(memory_that_does_not_come_back_fails_what_needs_it_and_nothing_else)
{
	struct guest_request write;
	const uint8_t *status;

	start_with_extra();
	remove_extra_memory();
	status = offer_extra();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 9, 512, 1);
	front_run_timers(&rig.front, clock_now_ns() + 100 * NS_PER_MS);
	rig_turn(&rig);

	CHECK_EQ(*status, VIRTIO_BLK_S_IOERR);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	stop_with_extra();
}
