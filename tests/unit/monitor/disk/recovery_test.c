/* SPDX-License-Identifier: MIT */
/* A service dies at every step, and the guest does not notice. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "rig.h"

static struct rig rig;
static struct channel_request sent, other;

static void start(void)
{
	rig_start(&rig);
	rig_up(&rig, false);
}

static void expect_sector(uint64_t sector)
{
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.offset_bytes / 512, sector);
}

TEST(what_has_no_answer_is_replayed_in_the_order_taken)
{
	start();
	for (uint64_t i = 0; i < 4; i++)
		(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, i, 512, 0);
	rig_turn(&rig);
	for (uint64_t i = 0; i < 4; i++) {
		expect_sector(i);
		if (i == 1)
			rig_answer(&rig, &sent, 0);
	}
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 1);

	rig_down(&rig);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 9, 512, 0);
	rig_turn(&rig);
	rig_up(&rig, false);

	expect_sector(0);
	expect_sector(2);
	expect_sector(3);
	expect_sector(9);
	CHECK(!rig_take(&rig, &sent));
	CHECK_EQ(rig.disk.counters.replayed, 3);
	rig_stop(&rig);
}

TEST(a_request_is_known_as_replayed_through_a_service_that_was_not_sent_it)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 0);
	rig_turn(&rig);
	rig_down(&rig);

	rig_come_and_go(&rig);
	rig_up(&rig, false);

	expect_sector(0);
	CHECK_EQ(rig.disk.counters.replayed, 1);
	rig_stop(&rig);
}

TEST(a_channel_of_another_generation_is_refused)
{
	struct channel_shape shape = { .kind = CHANNEL_KIND_DISK,
				       .slot_count = 16,
				       .buffer_bytes = 1u << 20,
				       .generation = 3 };
	struct lane lane;
	int fds[3] = { NO_FD, NO_FD, NO_FD };

	CHECK_EQ(channel_create(&shape, &fds[0]), 0);
	CHECK_EQ(lane_open(&lane, CHANNEL_KIND_DISK, 4, fds), -EBADMSG);
	CHECK(!lane.is_open);
	CHECK_EQ(channel_create(&shape, &fds[0]), 0);
	CHECK_EQ(lane_open(&lane, CHANNEL_KIND_DISK, 3, fds), 0);
	lane_close(&lane);
}

TEST(an_answer_that_was_not_taken_before_the_death_is_asked_again)
{
	struct guest_request write;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 3);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	disk_down(&rig.disk, DISK_DOWN_CRASHED);
	rig_up(&rig, false);

	CHECK_EQ(rig_status(&rig, &write), RIG_NO_STATUS);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(the_data_of_a_replayed_write_is_copied_again)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 0x42);
	rig_turn(&rig);
	rig_down(&rig);
	rig_up(&rig, false);

	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(rig.service.buffers[sent.buffer_offset + 511], 0x42);
	rig_stop(&rig);
}

TEST(a_large_request_half_answered_is_replayed_whole_and_answered_once)
{
	struct guest_request write;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 1u << 20, 1);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	rig_down(&rig);
	rig_up(&rig, false);

	for (uint64_t i = 0; i < 4; i++) {
		expect_sector(i * (LANE_CHUNK_BYTES / 512));
		rig_answer(&rig, &sent, 0);
	}
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

/* 6 requests, of which the service takes some and answers fewer; it dies before
 * or after the monitor has seen the answers. */
static void die_at(int taken, int answered, bool is_seen)
{
	int told;

	start();
	for (uint64_t i = 0; i < 6; i++)
		(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, i, 512, 0);
	rig_turn(&rig);
	for (int i = 0; i < taken; i++) {
		CHECK(rig_take(&rig, &sent));
		if (i < answered)
			rig_answer(&rig, &sent, 0);
	}
	if (is_seen)
		rig_turn(&rig);
	rig_down(&rig);
	rig_up(&rig, false);
	told = rig_used(&rig);
	while (rig_take(&rig, &sent))
		rig_answer(&rig, &sent, 0);
	rig_turn(&rig);

	CHECK_EQ(told, is_seen ? answered : 0);
	CHECK_EQ(told + rig_used(&rig), 6);
	CHECK_EQ(rig.disk.request_count, 0);
	rig_stop(&rig);
	memset(&rig, 0, sizeof(rig));
}

TEST(every_request_is_answered_once_wherever_the_service_dies)
{
	for (int taken = 0; taken <= 6; taken++)
		for (int answered = 0; answered <= taken; answered++) {
			die_at(taken, answered, false);
			die_at(taken, answered, true);
		}
}

TEST(two_changes_of_the_same_sectors_are_never_with_the_service_together)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 8, 4096, 1);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 12, 4096, 2);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 100, 512, 3);
	rig_turn(&rig);
	expect_sector(8);
	CHECK(!rig_take(&rig, &other));
	rig_down(&rig);
	rig_up(&rig, false);
	expect_sector(8);
	CHECK(!rig_take(&rig, &other));

	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	expect_sector(12);
	expect_sector(100);
	rig_stop(&rig);
}

TEST(neighbours_do_not_wait_for_each_other)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 8, 4096, 1);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 16, 4096, 2);
	(void)rig_offer(&rig, VIRTIO_BLK_T_IN, 8, 4096, 0);
	rig_turn(&rig);

	expect_sector(8);
	expect_sector(16);
	expect_sector(8);
	rig_stop(&rig);
}

TEST(without_a_service_requests_wait)
{
	struct disk_counters counters;
	struct guest_request read;

	rig_start(&rig);
	read = rig_offer(&rig, VIRTIO_BLK_T_IN, 0, 512, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &read), RIG_NO_STATUS);
	CHECK_EQ(front_deadline_ns(&rig.front), 0);
	disk_count(&rig.disk, &counters);
	CHECK_EQ(counters.in_flight, 1);
	CHECK_EQ(counters.held, 1);

	rig_up(&rig, false);
	CHECK(rig_take(&rig, &sent));
	disk_count(&rig.disk, &counters);
	CHECK_EQ(counters.in_flight, 1);
	CHECK_EQ(counters.held, 0);
	rig_stop(&rig);
}

/* A service that is drained. ------------------------------------------------ */

TEST(what_a_leaving_service_answers_counts_and_it_is_sent_nothing_more)
{
	struct guest_request first, second;

	start();
	first = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_lose(&rig, DISK_DOWN_LEAVING);
	second = rig_offer(&rig, VIRTIO_BLK_T_OUT, 2, 512, 0);
	rig_turn(&rig);
	CHECK(!rig_take(&rig, &other));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &first), VIRTIO_BLK_S_OK);

	rig_lose(&rig, DISK_DOWN_DRAINED);
	rig_up(&rig, false);
	expect_sector(2);
	CHECK(!rig_take(&rig, &other));
	CHECK_EQ(rig_status(&rig, &second), RIG_NO_STATUS);
	CHECK_EQ(rig.disk.counters.replayed, 0);
	CHECK_EQ(rig.disk.counters.outages, 1);
	rig_stop(&rig);
}

TEST(an_answer_that_came_with_the_end_of_a_drain_counts)
{
	struct guest_request write;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_lose(&rig, DISK_DOWN_LEAVING);
	rig_answer(&rig, &sent, 0);
	rig_lose(&rig, DISK_DOWN_DRAINED);

	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	CHECK(!rig.disk.lane.is_open);
	rig_stop(&rig);
}

TEST(what_a_leaving_service_did_not_take_is_replayed)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	rig_lose(&rig, DISK_DOWN_LEAVING);
	rig_lose(&rig, DISK_DOWN_DRAINED);
	rig_up(&rig, false);

	expect_sector(1);
	rig_stop(&rig);
}

TEST(a_leaving_service_is_not_reported_as_held)
{
	struct disk_counters counters;

	start();
	rig_lose(&rig, DISK_DOWN_LEAVING);
	disk_count(&rig.disk, &counters);

	CHECK_EQ(counters.generation, 0);
	CHECK_EQ(counters.is_up, 0);
	rig_stop(&rig);
}

TEST(a_hostile_service_cannot_break_its_channel_while_it_is_drained)
{
	struct channel_response response = { .id = 12345 };

	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	rig_lose(&rig, DISK_DOWN_LEAVING);
	channel_send_response(&rig.service, &response);
	(void)channel_publish(&rig.service);
	rig_lose(&rig, DISK_DOWN_DRAINED);
	CHECK(!rig.disk.lane.is_open);
	rig_up(&rig, false);

	expect_sector(1);
	rig_stop(&rig);
}

/* The fence inside a life. ----------------------------------------------- */

static void reset_guest(void)
{
	(void)rig_pause(&rig);
	fake_driver_reset(&rig.driver);
	rig_resume(&rig, 0);
}

TEST(after_a_reset_nothing_passes_before_the_old_answers_came)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 5, 512, 1);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &other));
	reset_guest();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 5, 512, 2);
	rig_turn(&rig);
	CHECK(!rig_take(&rig, &sent));

	rig_answer(&rig, &other, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 0);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(rig.service.buffers[sent.buffer_offset], 2);
	rig_stop(&rig);
}

TEST(a_new_generation_lifts_the_fence_inside_a_life)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 5, 512, 1);
	rig_turn(&rig);
	reset_guest();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 6, 512, 2);
	rig_down(&rig);
	rig_up(&rig, false);

	expect_sector(6);
	CHECK(!rig_take(&rig, &sent));
	rig_stop(&rig);
}

TEST(a_ring_that_was_set_up_anew_is_a_new_life_whatever_base_is_claimed)
{
	uint16_t base;

	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 2, 512, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	base = rig_pause(&rig);
	CHECK_EQ(base, 2);
	fake_driver_reset(&rig.driver);
	rig_resume(&rig, base);

	CHECK_EQ(rig.disk.request_count, 0);
	CHECK_EQ(rig.disk.lane.stale_count, 1);
	rig_stop(&rig);
}

/* Pausing. ------------------------------------------------------------------ */

TEST(a_pause_returns_at_once_and_what_was_in_flight_is_answered_later)
{
	struct guest_request write;
	uint16_t base;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 5, 512, 1);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	base = rig_pause(&rig);
	CHECK_EQ(base, 1);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &write), RIG_NO_STATUS);
	CHECK_EQ(rig_used(&rig), 0);

	rig_resume(&rig, base);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_pause_during_an_outage_keeps_the_table)
{
	struct guest_request write;
	uint16_t base;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 5, 512, 1);
	rig_turn(&rig);
	rig_down(&rig);
	base = rig_pause(&rig);
	rig_up(&rig, false);
	CHECK(!rig_take(&rig, &sent));

	rig_resume(&rig, base);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_read_answered_during_a_pause_is_read_again)
{
	struct guest_request read;
	uint16_t base;

	start();
	read = rig_offer(&rig, VIRTIO_BLK_T_IN, 5, 512, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	base = rig_pause(&rig);
	memset(rig.service.buffers + sent.buffer_offset, 0x11, 512);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(*(uint8_t *)fake_driver_at(&rig.driver, read.data), 0);

	rig_resume(&rig, base);
	CHECK(rig_take(&rig, &sent));
	memset(rig.service.buffers + sent.buffer_offset, 0x22, 512);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	CHECK_EQ(*(uint8_t *)fake_driver_at(&rig.driver, read.data), 0x22);
	rig_stop(&rig);
}

/* Poison. ------------------------------------------------------------------- */

static void die_three_times(void)
{
	for (int i = 0; i < 3; i++) {
		if (i > 0)
			rig_up(&rig, false);
		while (rig_take(&rig, &sent))
			;
		rig_down(&rig);
	}
}

TEST(a_request_in_flight_at_three_deaths_is_held_and_reported)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	die_three_times();
	CHECK(rig_noticed(&rig, NOTICE_POISON));

	rig_up(&rig, false);
	CHECK(!rig_take(&rig, &sent));
	CHECK(rig_noticed(&rig, NOTICE_POISON));
	rig_stop(&rig);
}

TEST(the_poison_fails_alone_and_the_others_go_on)
{
	struct guest_request good, poison;

	start();
	good = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	poison = rig_offer(&rig, VIRTIO_BLK_T_OUT, 2, 512, 0);
	rig_turn(&rig);
	die_three_times();
	rig_up(&rig, true);
	expect_sector(1);
	CHECK(!rig_take(&rig, &other));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &good), VIRTIO_BLK_S_OK);

	expect_sector(2);
	rig_down(&rig);
	CHECK_EQ(rig_status(&rig, &poison), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig_used(&rig), 2);
	rig_up(&rig, true);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 3, 512, 0);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 4, 512, 0);
	rig_turn(&rig);
	expect_sector(3);
	expect_sector(4);
	rig_stop(&rig);
}

/* Three times with this one write, by any cause. */
static void lose_three_times(enum disk_down_cause cause, bool is_taken)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	for (int i = 0; i < 5; i++) {
		if (is_taken)
			CHECK(rig_take(&rig, &sent));
		rig_lose(&rig, cause);
		rig_up(&rig, false);
	}
}

TEST(a_request_is_no_suspect_for_services_that_were_killed_or_hung)
{
	static const enum disk_down_cause causes[] = {
		DISK_DOWN_DRAINED,
		DISK_DOWN_KILLED,
		DISK_DOWN_HUNG,
	};

	for (size_t i = 0; i < ARRAY_COUNT(causes); i++) {
		lose_three_times(causes[i], true);
		CHECK_EQ(rig.disk.suspect_count, 0);
		CHECK(!rig_noticed(&rig, NOTICE_POISON));
		expect_sector(1);
		rig_stop(&rig);
		memset(&rig, 0, sizeof(rig));
	}
}

TEST(a_request_that_no_service_took_is_no_suspect)
{
	lose_three_times(DISK_DOWN_CRASHED, false);

	CHECK_EQ(rig.disk.suspect_count, 0);
	expect_sector(1);
	rig_stop(&rig);
}

TEST(a_suspect_does_not_fail_when_its_own_service_is_killed)
{
	struct guest_request write;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	die_three_times();
	for (int i = 0; i < 3; i++) {
		rig_up(&rig, true);
		expect_sector(1);
		rig_lose(&rig, DISK_DOWN_KILLED);
	}

	CHECK_EQ(rig_status(&rig, &write), RIG_NO_STATUS);
	rig_stop(&rig);
}

TEST(a_suspect_is_reported_until_it_has_an_instance_alone)
{
	uint64_t now;

	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	die_three_times();
	rig_up(&rig, false);
	while (rig_noticed(&rig, NOTICE_POISON))
		;
	now = clock_now_ns();
	for (uint64_t i = 1; i <= 3; i++) {
		CHECK(front_deadline_ns(&rig.front) != 0);
		front_run_timers(&rig.front, now + i * 1100 * NS_PER_MS);
		CHECK(rig_noticed(&rig, NOTICE_POISON));
	}

	rig_up(&rig, true);
	while (rig_noticed(&rig, NOTICE_POISON))
		;
	front_run_timers(&rig.front, now + 9000 * NS_PER_MS);
	CHECK(!rig_noticed(&rig, NOTICE_POISON));
	rig_stop(&rig);
}

TEST(the_guest_is_signalled_at_once_for_a_suspect_that_is_not_sent)
{
	struct guest_request write;
	uint64_t signals;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	die_three_times();
	CHECK(read(rig.queue.call_fd, &signals, sizeof(signals)) > 0);
	/* As if the guest had taken the data away. */
	rig.disk.oldest->work.segments[0].gpa = UINT64_MAX / 2;
	rig_up(&rig, true);

	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_IOERR);
	/* That there is a service, and its answer. */
	CHECK(read(rig.queue.call_fd, &signals, sizeof(signals)) > 0);
	CHECK_EQ(signals, 2);
	rig_stop(&rig);
}

TEST(a_reset_guest_is_not_held_for_the_suspects_of_its_past)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	die_three_times();
	reset_guest();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 2, 512, 0);
	rig_up(&rig, false);

	expect_sector(2);
	rig_stop(&rig);
}

/* Errors of the device. ------------------------------------------------------ */

TEST(a_full_host_disk_holds_the_write_until_there_is_room)
{
	struct guest_request write;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, -ENOSPC);
	rig_turn(&rig);
	CHECK(rig_noticed(&rig, NOTICE_EVENT));
	CHECK_EQ(rig_used(&rig), 0);

	front_run_timers(&rig.front, clock_now_ns() + 600 * NS_PER_MS);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, -ENOSPC);
	rig_turn(&rig);
	CHECK(!rig_noticed(&rig, NOTICE_EVENT));
	front_run_timers(&rig.front, clock_now_ns() + 1200 * NS_PER_MS);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK(rig_noticed(&rig, NOTICE_EVENT));
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

/* Long outages. ----------------------------------------------------------------- */

TEST(an_outage_beyond_the_bound_fails_what_waits_and_what_comes)
{
	struct guest_request first, second;

	rig.settings.outage = OUTAGE_FAIL;
	rig.settings.outage_ms = 100;
	start();
	first = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	rig_down(&rig);
	CHECK(front_deadline_ns(&rig.front) != 0);
	front_run_timers(&rig.front, clock_now_ns() + 50 * NS_PER_MS);
	CHECK_EQ(rig_status(&rig, &first), RIG_NO_STATUS);
	front_run_timers(&rig.front, clock_now_ns() + 150 * NS_PER_MS);
	CHECK_EQ(rig_status(&rig, &first), VIRTIO_BLK_S_IOERR);
	second = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &second), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(front_deadline_ns(&rig.front), 0);

	rig_up(&rig, false);
	CHECK(!rig_take(&rig, &sent));
	rig_stop(&rig);
}

TEST(a_drain_beyond_the_bound_is_an_outage_and_waited_for_no_longer)
{
	struct guest_request first, second;

	rig.settings.outage = OUTAGE_FAIL;
	rig.settings.outage_ms = 100;
	start();
	first = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	rig_lose(&rig, DISK_DOWN_LEAVING);
	front_run_timers(&rig.front, clock_now_ns() + 50 * NS_PER_MS);
	CHECK_EQ(rig_status(&rig, &first), RIG_NO_STATUS);
	front_run_timers(&rig.front, clock_now_ns() + 150 * NS_PER_MS);
	CHECK_EQ(rig_status(&rig, &first), VIRTIO_BLK_S_IOERR);
	second = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);

	CHECK_EQ(rig_status(&rig, &second), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

TEST(a_drain_beyond_the_bound_ends_requests_that_were_sent_in_part)
{
	struct guest_request whole, part, late;

	rig.settings.outage = OUTAGE_FAIL;
	rig.settings.outage_ms = 100;
	start();
	whole = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 768u << 10, 0);
	part = rig_offer(&rig, VIRTIO_BLK_T_OUT, 4096, 1u << 20, 0);
	rig_turn(&rig);
	CHECK_EQ(rig.disk.cursor->out_count, 1);
	rig_lose(&rig, DISK_DOWN_LEAVING);
	rig.disk.lost_ns -= NS_PER_S;

	late = rig_offer(&rig, VIRTIO_BLK_T_OUT, 8192, 512, 0);
	rig_turn(&rig);

	CHECK_EQ(rig_status(&rig, &whole), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig_status(&rig, &part), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig_status(&rig, &late), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig_used(&rig), 3);
	CHECK(!rig.disk.lane.is_open);
	rig_stop(&rig);
}

TEST(an_outage_beyond_the_bound_may_ask_for_a_pause)
{
	rig.settings.outage = OUTAGE_PAUSE;
	rig.settings.outage_ms = 100;
	start();
	rig_down(&rig);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	front_run_timers(&rig.front, clock_now_ns() + 150 * NS_PER_MS);
	CHECK(rig_noticed(&rig, NOTICE_PAUSE_REQUEST));
	front_run_timers(&rig.front, clock_now_ns() + 250 * NS_PER_MS);

	CHECK(!rig_noticed(&rig, NOTICE_PAUSE_REQUEST));
	rig_stop(&rig);
}

TEST(each_outage_beyond_the_bound_asks_for_a_pause)
{
	rig.settings.outage = OUTAGE_PAUSE;
	rig.settings.outage_ms = 100;
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);

	for (int i = 0; i < 3; i++) {
		rig_down(&rig);
		front_run_timers(&rig.front, clock_now_ns() + 150 * NS_PER_MS);
		CHECK(rig_noticed(&rig, NOTICE_PAUSE_REQUEST));
		rig_up(&rig, false);
	}
	rig_stop(&rig);
}

/* A change of settings, and the timers behind it, as the I/O thread runs them. */
static void set_policy(enum outage_policy outage, uint32_t outage_ms,
		       uint64_t now_ns)
{
	const struct disk_settings settings = {
		.outage = outage,
		.outage_ms = outage_ms,
		.hang_ms = rig.settings.hang_ms,
	};

	disk_set(&rig.disk, &settings);
	front_run_timers(&rig.front, now_ns);
	rig_turn(&rig);
}

TEST(a_bound_set_during_an_outage_counts_from_its_beginning)
{
	struct guest_request request;
	uint64_t now_ns;

	start();
	request = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	rig_down(&rig);
	now_ns = clock_now_ns() + 150 * NS_PER_MS;
	front_run_timers(&rig.front, now_ns);
	set_policy(OUTAGE_FAIL, 3600000, now_ns);
	CHECK_EQ(rig_status(&rig, &request), RIG_NO_STATUS);
	CHECK(front_deadline_ns(&rig.front) > now_ns);
	set_policy(OUTAGE_FAIL, 100, now_ns);

	CHECK_EQ(rig_status(&rig, &request), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

TEST(hold_set_after_the_bound_has_what_comes_wait_again)
{
	struct guest_request first, second;

	rig.settings.outage = OUTAGE_FAIL;
	rig.settings.outage_ms = 100;
	start();
	first = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	rig_down(&rig);
	front_run_timers(&rig.front, clock_now_ns() + 150 * NS_PER_MS);
	CHECK_EQ(rig_status(&rig, &first), VIRTIO_BLK_S_IOERR);
	set_policy(OUTAGE_HOLD, 0, clock_now_ns() + 150 * NS_PER_MS);
	second = rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &second), RIG_NO_STATUS);
	CHECK_EQ(front_deadline_ns(&rig.front), 0);

	rig_up(&rig, false);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &second), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_policy_set_during_an_outage_may_ask_for_a_pause_again)
{
	uint64_t now_ns;

	rig.settings.outage = OUTAGE_PAUSE;
	rig.settings.outage_ms = 100;
	start();
	rig_down(&rig);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	now_ns = clock_now_ns() + 250 * NS_PER_MS;
	front_run_timers(&rig.front, now_ns);
	CHECK(rig_noticed(&rig, NOTICE_PAUSE_REQUEST));
	set_policy(OUTAGE_PAUSE, 3600000, now_ns);
	CHECK(!rig_noticed(&rig, NOTICE_PAUSE_REQUEST));
	set_policy(OUTAGE_PAUSE, 200, now_ns);

	CHECK(rig_noticed(&rig, NOTICE_PAUSE_REQUEST));
	rig_stop(&rig);
}

TEST(a_policy_told_again_in_an_outage_pauses_nobody_who_was_resumed)
{
	uint64_t now_ns;

	rig.settings.outage = OUTAGE_PAUSE;
	rig.settings.outage_ms = 100;
	start();
	rig_down(&rig);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	now_ns = clock_now_ns() + 250 * NS_PER_MS;
	front_run_timers(&rig.front, now_ns);
	CHECK(rig_noticed(&rig, NOTICE_PAUSE_REQUEST));

	set_policy(OUTAGE_PAUSE, 100, now_ns);

	CHECK(!rig_noticed(&rig, NOTICE_PAUSE_REQUEST));
	rig_stop(&rig);
}

TEST(the_longest_outage_is_counted_to_the_first_answer)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	rig_down(&rig);
	rig_up(&rig, false);
	CHECK_EQ(rig.disk.counters.outage_longest_us, 0);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);

	CHECK_EQ(rig.disk.counters.outages, 1);
	CHECK(rig.disk.counters.outage_longest_us > 0);
	rig_stop(&rig);
}

/* Silence. ----------------------------------------------------------------------- */

TEST(a_silent_service_is_reported_at_half_the_bound)
{
	uint64_t now;

	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	now = clock_now_ns();
	front_run_timers(&rig.front, now + 400 * NS_PER_MS);
	CHECK(!rig_noticed(&rig, NOTICE_SUSPECT));
	front_run_timers(&rig.front, now + 600 * NS_PER_MS);
	CHECK(rig_noticed(&rig, NOTICE_SUSPECT));
	front_run_timers(&rig.front, now + 800 * NS_PER_MS);

	CHECK(!rig_noticed(&rig, NOTICE_SUSPECT));
	rig_stop(&rig);
}

TEST(a_slow_disk_is_not_a_hang)
{
	uint64_t now;

	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	now = clock_now_ns();
	for (uint64_t i = 1; i <= 20; i++) {
		channel_beat(&rig.service);
		front_run_timers(&rig.front, now + i * 200 * NS_PER_MS);
	}

	CHECK(!rig_noticed(&rig, NOTICE_SUSPECT));
	rig_stop(&rig);
}

TEST(a_hang_time_that_is_set_counts_for_a_service_that_is_silent_already)
{
	struct disk_settings settings = { .hang_ms = HANG_MS_MAX };
	uint64_t now_ns;

	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	disk_set(&rig.disk, &settings);
	now_ns = clock_now_ns() + 2000 * NS_PER_MS;
	front_run_timers(&rig.front, now_ns);
	CHECK(!rig_noticed(&rig, NOTICE_SUSPECT));

	settings.hang_ms = 500;
	disk_set(&rig.disk, &settings);
	front_run_timers(&rig.front, now_ns + 100 * NS_PER_MS);
	CHECK(rig_noticed(&rig, NOTICE_SUSPECT));
	rig_stop(&rig);
}

TEST(an_idle_disk_wants_no_timer)
{
	start();
	CHECK_EQ(front_deadline_ns(&rig.front), 0);

	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 1, 512, 0);
	rig_turn(&rig);
	CHECK(front_deadline_ns(&rig.front) != 0);
	rig_stop(&rig);
}
