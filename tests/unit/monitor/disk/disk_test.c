/* SPDX-License-Identifier: MIT */
/* Requests through a healthy service. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/count.h"
#include "lib/harness.h"
#include "rig.h"

static struct rig rig;
static struct channel_request sent;

TEST(a_write_reaches_the_service_with_its_data)
{
	struct guest_request write;

	rig_start(&rig);
	rig_up(&rig, false);
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 8, 4096, 0x5a);
	rig_turn(&rig);

	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.op, DISK_WRITE);
	CHECK_EQ(sent.offset_bytes / 512, 8);
	CHECK_EQ(sent.length_bytes, 4096);
	CHECK_EQ(sent.flags, 0);
	CHECK_EQ(rig.service.buffers[sent.buffer_offset + 4095], 0x5a);
	CHECK_EQ(rig_used(&rig), 0);

	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_read_brings_the_services_data)
{
	struct guest_request read;

	rig_start(&rig);
	rig_up(&rig, false);
	read = rig_offer(&rig, VIRTIO_BLK_T_IN, 0, 8192, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	memset(rig.service.buffers + sent.buffer_offset, 0x77, 8192);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);

	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	CHECK_EQ(*(uint8_t *)fake_driver_at(&rig.driver, read.data + 8191),
		 0x77);
	rig_stop(&rig);
}

TEST(a_large_request_travels_in_chunks_and_is_answered_once)
{
	struct channel_request chunks[4];
	struct guest_request write;

	rig_start(&rig);
	rig_up(&rig, false);
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 1u << 20, 1);
	rig_turn(&rig);
	for (int i = 0; i < 4; i++) {
		CHECK(rig_take(&rig, &chunks[i]));
		CHECK_EQ(chunks[i].length_bytes, LANE_CHUNK_BYTES);
		CHECK_EQ(chunks[i].offset_bytes / LANE_CHUNK_BYTES, i);
	}
	for (int i = 3; i >= 0; i--) {
		CHECK_EQ(rig_used(&rig), 0);
		rig_answer(&rig, &chunks[i], 0);
		rig_turn(&rig);
	}

	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(an_error_of_one_chunk_is_the_requests_error)
{
	struct guest_request write;

	rig_start(&rig);
	rig_up(&rig, false);
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 1u << 20, 1);
	rig_turn(&rig);
	for (int i = 0; i < 4; i++) {
		CHECK(rig_take(&rig, &sent));
		rig_answer(&rig, &sent, i == 1 ? -EIO : 0);
	}
	rig_turn(&rig);

	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig.disk.counters.errors, 1);
	rig_stop(&rig);
}

TEST(what_does_not_fit_waits_in_the_guests_ring)
{
	int taken = 0;

	rig_start(&rig);
	rig_up(&rig, false);
	for (uint64_t i = 0; i < 20; i++)
		(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, i, 512, 0);
	rig_turn(&rig);
	/* 16 slots, and one that was taken in vain. */
	CHECK_EQ(rig.disk.request_count, 17);
	while (rig_take(&rig, &sent)) {
		taken++;
		rig_answer(&rig, &sent, 0);
		rig_turn(&rig);
	}

	CHECK_EQ(taken, 20);
	CHECK_EQ(rig_used(&rig), 20);
	CHECK_EQ(rig.disk.request_count, 0);
	rig_stop(&rig);
}

TEST(the_serial_number_is_answered_without_the_service)
{
	struct guest_request get;

	rig_start(&rig);
	rig_up(&rig, false);
	get = rig_offer(&rig, VIRTIO_BLK_T_GET_ID, 0, 20, 0);
	rig_turn(&rig);

	CHECK(!rig_take(&rig, &sent));
	CHECK_EQ(rig_status(&rig, &get), VIRTIO_BLK_S_OK);
	CHECK_EQ(memcmp(fake_driver_at(&rig.driver, get.data), "serial-1", 9),
		 0);
	rig_stop(&rig);
}

TEST(a_hostile_guest_cannot_pass_a_request_beyond_the_disk)
{
	struct guest_request write;

	rig_start(&rig);
	rig_up(&rig, false);
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, RIG_DISK_BYTES / 512, 512, 0);
	rig_turn(&rig);

	CHECK(!rig_take(&rig, &sent));
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig.disk.counters.violations, 1);
	rig_stop(&rig);
}

TEST(a_hostile_guest_cannot_change_a_request_once_it_was_taken)
{
	struct guest_request write;

	rig_start(&rig);
	rig_up(&rig, false);
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 8, 512, 1);
	rig_turn(&rig);
	memset(rig.driver.descriptors, 0xff,
	       RIG_RING_SIZE * sizeof(*rig.driver.descriptors));
	rig_down(&rig);
	rig_up(&rig, false);

	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.offset_bytes / 512, 8);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_hostile_guest_cannot_stop_the_disk_by_breaking_its_ring)
{
	rig_start(&rig);
	rig_up(&rig, false);
	fake_driver_offer(&rig.driver, 9999);
	rig_turn(&rig);

	CHECK_EQ(rig.disk.counters.violations, 1);
	CHECK(rig.disk.lane.is_open);
	rig_stop(&rig);
}

static void break_with(uint64_t id, int status, uint32_t bytes)
{
	struct channel_response response = { id, status, bytes };

	channel_send_response(&rig.service, &response);
	(void)channel_publish(&rig.service);
	rig_turn(&rig);
	CHECK(!rig.disk.lane.is_open);
	CHECK(rig_noticed(&rig, NOTICE_BROKEN));
	CHECK_EQ(rig_used(&rig), 0);
}

static void start_with_a_read(void)
{
	rig_start(&rig);
	rig_up(&rig, false);
	(void)rig_offer(&rig, VIRTIO_BLK_T_IN, 0, 512, 0);
	(void)rig_offer(&rig, VIRTIO_BLK_T_IN, 0, 512, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
}

TEST(a_hostile_service_cannot_answer_what_was_not_asked)
{
	start_with_a_read();
	break_with(12345, 0, 512);
	rig_stop(&rig);
}

TEST(a_hostile_service_cannot_answer_twice)
{
	start_with_a_read();
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 1);
	break_with(sent.id, 0, 512);
	rig_stop(&rig);
}

TEST(a_hostile_service_cannot_answer_for_the_next_user_of_a_slot)
{
	start_with_a_read();
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 1);
	(void)rig_offer(&rig, VIRTIO_BLK_T_IN, 0, 512, 0);
	rig_turn(&rig);
	break_with(sent.id, 0, 512);
	rig_stop(&rig);
}

TEST(a_hostile_service_cannot_answer_with_another_length)
{
	static const uint32_t lengths[] = { 0, 511, 513, 1024, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
		start_with_a_read();
		break_with(sent.id, 0, lengths[i]);
		rig_stop(&rig);
	}
}

TEST(a_hostile_service_cannot_answer_with_a_positive_status)
{
	start_with_a_read();
	break_with(sent.id, 1, 0);
	rig_stop(&rig);
}

/* Statuses that mean something to us and nothing in the contract. */
TEST(a_hostile_service_cannot_invent_a_status)
{
	static const int invented[] = { -ESTALE, -EAGAIN, -EBADMSG, INT_MIN };

	rig_start(&rig);
	rig_up(&rig, false);
	for (size_t i = 0; i < ARRAY_COUNT(invented); i++) {
		struct guest_request read =
			rig_offer(&rig, VIRTIO_BLK_T_IN, 0, 512, 0);

		rig_turn(&rig);
		CHECK(rig_take(&rig, &sent));
		rig_answer(&rig, &sent, invented[i]);
		rig_turn(&rig);
		CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_IOERR);
	}
	CHECK(rig.disk.lane.is_open);
	rig_stop(&rig);
}

/* A read of 16 segments. */
static void offer_long_chain(uint64_t sector)
{
	struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_IN,
					    .sector = sector };
	struct fake_buffer buffers[18];
	gpa_t gpa = fake_driver_alloc(&rig.driver, sizeof(header));

	memcpy(fake_driver_at(&rig.driver, gpa), &header, sizeof(header));
	buffers[0] = (struct fake_buffer){ gpa, sizeof(header), false };
	for (int i = 1; i < 17; i++) {
		gpa = fake_driver_alloc(&rig.driver, 512);
		buffers[i] = (struct fake_buffer){ gpa, 512, true };
	}
	gpa = fake_driver_alloc(&rig.driver, 1);
	buffers[17] = (struct fake_buffer){ gpa, 1, true };
	fake_driver_offer(&rig.driver,
			  fake_driver_indirect(&rig.driver, buffers, 18));
}

TEST(a_hostile_guest_cannot_have_us_keep_long_chains_without_end)
{
	rig_start(&rig);
	rig_up(&rig, false);
	rig.front.free_spill_count = 2; /* of all too many for this ring */
	for (uint64_t i = 0; i < 5; i++)
		offer_long_chain(i * 16);
	rig_turn(&rig);
	CHECK(front_prepare_sleep(&rig.front));

	for (uint64_t i = 0; i < 5; i++) {
		CHECK_EQ(rig.disk.request_count, i < 3 ? 2 : 5 - i);
		CHECK(rig_take(&rig, &sent));
		CHECK_EQ(sent.offset_bytes / 512, i * 16);
		rig_answer(&rig, &sent, 0);
		rig_turn(&rig);
	}
	CHECK_EQ(rig_used(&rig), 5);
	CHECK_EQ(rig.front.free_spill_count, 2);
	rig_stop(&rig);
}
