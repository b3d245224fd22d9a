/* SPDX-License-Identifier: MIT */
/* Frames between a guest's driver and a network service. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "base/clock.h"
#include "lib/harness.h"
#include "nic_rig.h"

#define MERGEABLE (1ull << VIRTIO_NET_F_MRG_RXBUF)

static struct nic_rig rig;

TEST(a_frame_goes_out_whole_however_it_lies_in_memory)
{
	nic_rig_start(&rig, false);
	nic_rig_send(&rig, 72, 72, 1);
	nic_rig_send(&rig, 1526, 100, 2);
	nic_rig_send(&rig, 1526, 60, 3);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 1), 3);
	CHECK_EQ(nic_rig_take(&rig, 1), 72);
	CHECK_EQ(nic_rig_take(&rig, 2), 1526);
	CHECK_EQ(nic_rig_take(&rig, 3), 1526);
	CHECK_EQ(nic_rig_take(&rig, 0), 0);
	CHECK_EQ(rig.nic.counters.out_frames, 3);
	nic_rig_stop(&rig);
}

TEST(without_a_service_frames_wait_in_the_guests_ring)
{
	nic_rig_start(&rig, false);
	nic_down(&rig.nic);
	for (uint8_t i = 0; i < 10; i++)
		nic_rig_send(&rig, 100, 100, i);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 1), 0);
	nic_rig_connect(&rig, 2);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 1), 10);
	for (uint8_t i = 0; i < 10; i++)
		CHECK_EQ(nic_rig_take(&rig, i), 100);
	nic_rig_stop(&rig);
}

TEST(what_was_taken_is_complete_once_whatever_becomes_of_the_service)
{
	nic_rig_start(&rig, false);
	nic_rig_send(&rig, 100, 100, 1);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 1), 1);
	nic_down(&rig.nic);
	nic_rig_connect(&rig, 2);
	nic_rig_send(&rig, 100, 100, 2);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 1), 1);
	CHECK_EQ(nic_rig_take(&rig, 2), 100);
	CHECK_EQ(nic_rig_take(&rig, 0), 0);
	CHECK_EQ(rig.nic.counters.outages, 1);
	nic_rig_stop(&rig);
}

TEST(a_full_service_keeps_the_guest_waiting)
{
	uint32_t sent = 0, taken = 0;

	nic_rig_start(&rig, false);
	for (; sent < 8; sent++)
		nic_rig_send(&rig, 60000, 30000, (uint8_t)sent);
	nic_rig_turn(&rig);
	CHECK(rig.nic.is_full);
	CHECK(nic_rig_used(&rig, 1) < 8);
	while (taken < sent) {
		taken += nic_rig_take(&rig, (uint8_t)taken) > 0;
		nic_rig_turn(&rig);
	}
	CHECK(!rig.nic.is_full);
	CHECK_EQ(rig.nic.counters.out_frames, 8);
	nic_rig_stop(&rig);
}

TEST(a_received_frame_fills_as_many_buffers_as_it_takes)
{
	struct virtio_net_hdr_v1 header;
	struct vring_used_elem element;
	gpa_t gpas[4];
	uint16_t heads[4];

	rig.features = MERGEABLE;
	nic_rig_start(&rig, false);
	for (uint32_t i = 0; i < 4; i++)
		heads[i] = nic_rig_give(&rig, 600, &gpas[i]);
	CHECK_EQ(nic_rig_put(&rig, 1500, 9), 0);
	nic_rig_turn(&rig);
	memcpy(&header, fake_driver_at(&rig.drivers[0], gpas[0]),
	       sizeof(header));
	CHECK_EQ(header.num_buffers, 3);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(fake_driver_used(&rig.drivers[0], &element));
		CHECK_EQ(element.id, heads[i]);
		CHECK_EQ(element.len, i < 2 ? 600 : 300);
	}
	CHECK_EQ(((uint8_t *)fake_driver_at(&rig.drivers[0], gpas[2]))[299], 9);
	CHECK(!fake_driver_used(&rig.drivers[0], &element));
	nic_rig_stop(&rig);
}

TEST(a_frame_waits_for_buffers_and_takes_none_in_part)
{
	gpa_t gpa;

	rig.features = MERGEABLE;
	nic_rig_start(&rig, false);
	(void)nic_rig_give(&rig, 600, &gpa);
	CHECK_EQ(nic_rig_put(&rig, 1500, 9), 0);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 0), 0);
	CHECK(rig.nic.wants_buffers);
	CHECK(nic_prepare_sleep(&rig.nic));
	(void)nic_rig_give(&rig, 600, &gpa);
	(void)nic_rig_give(&rig, 600, &gpa);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 0), 3);
	CHECK_EQ(rig.nic.counters.in_frames, 1);
	nic_rig_stop(&rig);
}

TEST(without_mergeable_buffers_a_frame_that_does_not_fit_is_lost_alone)
{
	gpa_t gpa;

	rig.features = 0;
	nic_rig_start(&rig, false);
	(void)nic_rig_give(&rig, 600, &gpa);
	CHECK_EQ(nic_rig_put(&rig, 1500, 9), 0);
	CHECK_EQ(nic_rig_put(&rig, 500, 9), 0);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 0), 1);
	CHECK_EQ(rig.nic.counters.in_dropped, 1);
	CHECK_EQ(rig.nic.counters.in_frames, 1);
	nic_rig_stop(&rig);
}

TEST(a_frame_longer_than_the_whole_ring_of_buffers_does_not_wait_for_ever)
{
	gpa_t gpa;

	rig.features = MERGEABLE;
	nic_rig_start(&rig, false);
	for (uint32_t i = 0; i < NIC_RIG_QUEUE_SIZE; i++)
		(void)nic_rig_give(&rig, 100, &gpa);
	CHECK_EQ(nic_rig_put(&rig, 100 * NIC_RIG_QUEUE_SIZE + 1, 9), 0);
	CHECK_EQ(nic_rig_put(&rig, 500, 9), 0);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 0), 5);
	CHECK_EQ(rig.nic.counters.in_dropped, 1);
	nic_rig_stop(&rig);
}

TEST(frames_for_a_guest_without_a_driver_are_lost)
{
	nic_rig_start(&rig, false);
	nic_device_ops.reset(&rig.nic);
	CHECK_EQ(nic_rig_put(&rig, 100, 1), 0);
	nic_rig_turn(&rig);
	CHECK(!rig.nic.wants_buffers);
	/* But not those for one that is paused. */
	nic_rig_start_queue(&rig, 0);
	(void)nic_device_ops.queue_stop(&rig.nic, 0);
	CHECK_EQ(nic_rig_put(&rig, 100, 1), 0);
	nic_rig_turn(&rig);
	CHECK(rig.nic.wants_buffers);
	nic_rig_stop(&rig);
}

TEST(a_ring_that_was_stopped_goes_on_where_it_was)
{
	nic_rig_start(&rig, false);
	nic_rig_send(&rig, 100, 100, 1);
	nic_rig_turn(&rig);
	(void)nic_device_ops.queue_stop(&rig.nic, 1);
	nic_rig_send(&rig, 100, 100, 2);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 1), 1);
	nic_rig_start_queue(&rig, 1);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 1), 1);
	CHECK_EQ(nic_rig_take(&rig, 1), 100);
	CHECK_EQ(nic_rig_take(&rig, 2), 100);
	nic_rig_stop(&rig);
}

TEST(a_hostile_guest_cannot_send_what_is_no_frame)
{
	nic_rig_start(&rig, false);
	nic_rig_send(&rig, NET_HEADER_BYTES + NET_FRAME_MIN - 1, 100, 1);
	nic_rig_send(&rig, FRAMES_RECORD_MAX + 1, 40000, 1);
	nic_rig_send(&rig, 100, 100, 2);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_used(&rig, 1), 3);
	CHECK_EQ(rig.nic.counters.violations, 2);
	CHECK_EQ(nic_rig_take(&rig, 2), 100);
	nic_rig_stop(&rig);
}

TEST(a_hostile_guest_cannot_point_outside_of_its_memory)
{
	struct fake_buffer buffer = { .gpa = 0x1000, .bytes = 100 };

	nic_rig_start(&rig, false);
	fake_driver_offer(&rig.drivers[1],
			  fake_driver_chain(&rig.drivers[1], &buffer, 1));
	nic_rig_send(&rig, 100, 100, 2);
	nic_rig_turn(&rig);
	CHECK(rig.nic.counters.violations > 0);
	CHECK(nic_rig_take(&rig, 2) == 100 || rig.nic.queues[1].ring.is_broken);
	nic_rig_stop(&rig);
}

TEST(a_hostile_guest_cannot_give_a_buffer_to_read_as_one_to_write)
{
	struct fake_buffer buffer = { .bytes = 2000 };
	gpa_t gpa;

	rig.features = MERGEABLE;
	nic_rig_start(&rig, false);
	buffer.gpa = nic_rig_place(0, fake_driver_alloc(&rig.drivers[0], 2000));
	fake_driver_offer(&rig.drivers[0],
			  fake_driver_chain(&rig.drivers[0], &buffer, 1));
	(void)nic_rig_give(&rig, 2000, &gpa);
	CHECK_EQ(nic_rig_put(&rig, 100, 1), 0);
	CHECK_EQ(nic_rig_put(&rig, 100, 1), 0);
	nic_rig_turn(&rig);
	CHECK(rig.nic.queues[0].ring.is_broken);
	CHECK(!rig.nic.wants_buffers);
	/* What it sends still goes out. */
	nic_rig_send(&rig, 100, 100, 3);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_take(&rig, 3), 100);
	nic_rig_stop(&rig);
}

TEST(a_driver_that_broke_its_ring_has_it_served_again_when_it_sets_it_up_anew)
{
	struct fake_buffer buffer = { .gpa = 0x1000, .bytes = 0 };

	nic_rig_start(&rig, false);
	nic_rig_send(&rig, 100, 100, 1);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_take(&rig, 1), 100);
	fake_driver_offer(&rig.drivers[1],
			  fake_driver_chain(&rig.drivers[1], &buffer, 1));
	nic_rig_turn(&rig);
	CHECK(rig.nic.queues[1].ring.is_broken);
	/* By a front end that has no word for a reset. */
	(void)nic_device_ops.queue_stop(&rig.nic, 1);
	nic_rig_reset_queue(&rig, 1);
	nic_rig_send(&rig, 100, 100, 2);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_take(&rig, 2), 100);
	nic_rig_stop(&rig);
}

TEST(a_hostile_peer_cannot_take_the_interface_with_it)
{
	struct notice notice;
	bool is_told = false;

	nic_rig_start(&rig, false);
	CHECK_EQ(nic_rig_put(&rig, 100, 1), 0);
	memset(rig.nic.link.frames.in.bytes, 0xee, NIC_RIG_RING_BYTES);
	nic_rig_turn(&rig);
	CHECK(!rig.nic.link.is_open);
	while (notices_take(&rig.notices, &notice) == 0)
		is_told |= notice.kind == NOTICE_NIC_BROKEN;
	CHECK(is_told);
	nic_rig_connect(&rig, 2);
	nic_rig_send(&rig, 100, 100, 1);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_take(&rig, 1), 100);
	nic_rig_stop(&rig);
}

TEST(a_service_that_takes_nothing_and_does_not_beat_is_suspected)
{
	struct notice notice;
	uint64_t now;
	bool is_told = false;

	nic_rig_start(&rig, false);
	nic_rig_send(&rig, 100, 100, 1);
	nic_rig_turn(&rig);
	CHECK(nic_prepare_sleep(&rig.nic));
	now = nic_deadline_ns(&rig.nic);
	CHECK(now != 0);
	for (int i = 0; i < 4; i++)
		nic_run_timers(&rig.nic, now + (uint64_t)i * 500 * NS_PER_MS);
	while (notices_take(&rig.notices, &notice) == 0)
		is_told |= notice.kind == NOTICE_NIC_SUSPECT;
	CHECK(is_told);
	nic_rig_stop(&rig);
}

TEST(an_idle_interface_has_no_deadline)
{
	nic_rig_start(&rig, false);
	nic_rig_send(&rig, 100, 100, 1);
	nic_rig_turn(&rig);
	CHECK_EQ(nic_rig_take(&rig, 1), 100);
	CHECK(nic_prepare_sleep(&rig.nic));
	CHECK_EQ(nic_deadline_ns(&rig.nic), 0);
	nic_rig_stop(&rig);
}

TEST(a_silent_interface_gives_the_memory_of_its_ring_back)
{
	const struct frames_way *out = &rig.nic.link.frames.out;
	uint64_t due_ns;

	nic_rig_start(&rig, false);
	for (int i = 0; i < NIC_RIG_QUEUE_SIZE; i++) {
		nic_rig_send(&rig, 1400, 1400, 1);
		nic_rig_turn(&rig);
		CHECK_EQ(nic_rig_take(&rig, 1), 1400);
	}
	CHECK(nic_prepare_sleep(&rig.nic));
	due_ns = nic_deadline_ns(&rig.nic);
	CHECK(due_ns > 0);
	nic_run_timers(&rig.nic, due_ns);
	CHECK_EQ(out->trimmed_at, out->at);
	/* And sleeps on. */
	CHECK(nic_prepare_sleep(&rig.nic));
	CHECK_EQ(nic_deadline_ns(&rig.nic), 0);
	nic_rig_stop(&rig);
}
