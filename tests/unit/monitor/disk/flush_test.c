/* SPDX-License-Identifier: MIT */
/* What a guest was promised to be stable is, or it hears of it. */
#include <errno.h>

#include "base/clock.h"
#include "lib/harness.h"
#include "rig.h"

static struct rig rig;
static struct channel_request sent;

static void start(void)
{
	rig_start(&rig);
	rig_up(&rig, false);
}

static struct guest_request offer_flush(void)
{
	struct guest_request flush =
		rig_offer(&rig, VIRTIO_BLK_T_FLUSH, 0, 0, 0);

	rig_turn(&rig);
	return flush;
}

static struct guest_request offer_write(uint64_t sector)
{
	struct guest_request write =
		rig_offer(&rig, VIRTIO_BLK_T_OUT, sector, 512, 1);

	rig_turn(&rig);
	return write;
}

static void serve(int status)
{
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, status);
	rig_turn(&rig);
}

static void reset_guest(void)
{
	(void)rig_pause(&rig);
	fake_driver_reset(&rig.driver);
	rig_resume(&rig, 0);
}

static void witness(int result)
{
	disk_witnessed(&rig.disk, rig.witness_asked, result);
}

/* Who executes it. ---------------------------------------------------------- */

TEST(a_flush_is_executed_by_the_witness_and_not_by_the_service)
{
	struct guest_request flush;

	start();
	flush = offer_flush();
	CHECK(!rig_take(&rig, &sent));
	CHECK_EQ(rig.witness_asked, 1);
	CHECK_EQ(rig_status(&rig, &flush), RIG_NO_STATUS);

	witness(0);
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_OK);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig.disk.counters.flushes, 1);
	rig_stop(&rig);
}

TEST(a_flush_is_executed_after_the_writes_before_it_were_answered)
{
	struct channel_request first;
	struct guest_request flush;

	start();
	(void)offer_write(1);
	(void)offer_write(2);
	flush = offer_flush();
	(void)offer_write(3);
	CHECK(rig_take(&rig, &first));
	serve(0);
	CHECK_EQ(rig.witness_asked, 0);

	rig_answer(&rig, &first, 0);
	rig_turn(&rig);
	CHECK_EQ(rig.witness_asked, 1);
	witness(0);
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_flush_waits_for_the_replay_of_the_writes_before_it)
{
	struct guest_request flush;

	start();
	(void)offer_write(1);
	flush = offer_flush();
	rig_down(&rig);
	CHECK_EQ(rig.witness_asked, 0);
	rig_up(&rig, false);
	CHECK_EQ(rig.witness_asked, 0);

	serve(0);
	CHECK_EQ(rig.witness_asked, 1);
	witness(0);
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_flush_does_not_wait_for_a_write_that_the_host_has_no_room_for)
{
	start();
	(void)offer_write(1);
	(void)offer_flush();
	serve(-ENOSPC);

	CHECK_EQ(rig.witness_asked, 1);
	rig_stop(&rig);
}

TEST(a_flush_does_not_wait_for_the_writes_of_a_guest_before_its_reset)
{
	start();
	(void)offer_write(1);
	CHECK(rig_take(&rig, &sent));
	reset_guest();
	(void)offer_flush();
	CHECK_EQ(rig.witness_asked, 0);

	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig.witness_asked, 1);
	rig_stop(&rig);
}

TEST(the_death_of_a_service_takes_no_flush_with_it)
{
	struct guest_request flush;

	start();
	flush = offer_flush();
	rig_down(&rig);
	witness(-EIO);

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

TEST(flushes_that_wait_together_share_a_turn_of_the_witness)
{
	struct guest_request first, second;

	start();
	(void)offer_write(1);
	first = offer_flush();
	second = offer_flush();
	serve(0);
	CHECK_EQ(rig.witness_asked, 1);
	witness(0);

	CHECK_EQ(rig_status(&rig, &first), VIRTIO_BLK_S_OK);
	CHECK_EQ(rig_status(&rig, &second), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_witness_answers_only_those_who_asked_before_it_began)
{
	struct guest_request flush;

	start();
	(void)offer_flush();
	flush = offer_flush();
	CHECK_EQ(rig.witness_asked, 2);
	disk_witnessed(&rig.disk, 1, 0);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &flush), RIG_NO_STATUS);

	disk_witnessed(&rig.disk, 2, 0);
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_flush_executed_during_a_pause_is_told_afterwards)
{
	struct guest_request flush;
	uint16_t base;

	start();
	flush = offer_flush();
	base = rig_pause(&rig);
	witness(0);
	CHECK_EQ(rig_status(&rig, &flush), RIG_NO_STATUS);

	rig_resume(&rig, base);
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(an_outage_whose_first_answer_is_a_flush_ends_with_it)
{
	start();
	rig_down(&rig);
	(void)offer_flush();
	rig_up(&rig, false);
	CHECK_EQ(rig.disk.counters.outage_longest_us, 0);
	witness(0);

	CHECK(rig.disk.counters.outage_longest_us > 0);
	rig_stop(&rig);
}

/* Without FLUSH. ------------------------------------------------------------- */

static void start_without_flush(void)
{
	rig.features = 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	start();
}

TEST(without_flush_negotiated_a_write_is_answered_when_it_is_stable)
{
	struct guest_request write;

	start_without_flush();
	write = offer_write(0);
	serve(0);
	CHECK_EQ(rig_status(&rig, &write), RIG_NO_STATUS);
	CHECK_EQ(rig.witness_asked, 1);
	witness(0);

	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(without_flush_negotiated_writes_become_stable_beside_each_other)
{
	struct channel_request first;

	start_without_flush();
	(void)offer_write(0);
	(void)offer_write(9);
	CHECK(rig_take(&rig, &first));
	serve(0);

	CHECK_EQ(rig.witness_asked, 1);
	rig_stop(&rig);
}

TEST(without_flush_negotiated_a_write_that_was_lost_fails)
{
	struct guest_request write;

	start_without_flush();
	write = offer_write(0);
	serve(0);
	rig_down(&rig);
	witness(-EIO);

	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

/* Errors last. --------------------------------------------------------------- */

/* A FLUSH that fails. */
static void lose_data(void)
{
	struct guest_request flush = offer_flush();

	witness(-EIO);
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
}

TEST(a_flush_that_failed_fails_again_however_often_it_is_tried)
{
	struct guest_request flush;

	start();
	lose_data();
	CHECK(rig_noticed(&rig, NOTICE_EVENT));
	for (int i = 0; i < 3; i++) {
		flush = offer_flush();
		CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	}

	CHECK_EQ(rig.witness_asked, 1);
	CHECK(!rig_noticed(&rig, NOTICE_EVENT));
	rig_stop(&rig);
}

TEST(a_flush_that_found_no_room_fails_and_is_not_tried_again)
{
	struct guest_request flush;

	start();
	flush = offer_flush();
	witness(-ENOSPC);

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

TEST(all_flushes_that_overlap_one_that_failed_fail)
{
	struct guest_request began, asked, waits;

	start();
	began = offer_flush();
	asked = offer_flush();
	(void)offer_write(1);
	waits = offer_flush();
	disk_witnessed(&rig.disk, 1, -EIO);

	CHECK_EQ(rig_status(&rig, &began), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig_status(&rig, &asked), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig_status(&rig, &waits), VIRTIO_BLK_S_IOERR);
	disk_witnessed(&rig.disk, 2, 0);
	CHECK_EQ(rig_used(&rig), 3);
	rig_stop(&rig);
}

TEST(a_flush_that_failed_fails_again_with_the_next_service)
{
	struct guest_request flush;

	start();
	lose_data();
	rig_down(&rig);
	rig_up(&rig, false);
	flush = offer_flush();

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

TEST(a_flush_that_failed_fails_again_after_a_pause)
{
	struct guest_request flush;

	start();
	lose_data();
	rig_resume(&rig, rig_pause(&rig));
	flush = offer_flush();

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

TEST(a_reset_ends_what_the_guest_was_told_of)
{
	struct guest_request flush;

	start();
	lose_data();
	reset_guest();
	flush = offer_flush();
	CHECK_EQ(rig.witness_asked, 2);
	witness(0);

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(a_device_reset_ends_what_the_guest_was_told_of)
{
	struct guest_request flush;

	start();
	lose_data();
	(void)rig_pause(&rig);
	blk_device_ops.reset(&rig.front);
	CHECK_EQ(blk_device_ops.set_features(&rig.front, rig.features), 0);
	fake_driver_reset(&rig.driver);
	rig_resume(&rig, 0);
	flush = offer_flush();
	witness(0);

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_OK);
	rig_stop(&rig);
}

TEST(an_error_that_a_reset_overtook_reaches_the_next_flush)
{
	struct guest_request flush;

	start();
	(void)offer_flush();
	reset_guest();
	witness(-EIO);
	CHECK_EQ(rig_used(&rig), 0);
	flush = offer_flush();

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

TEST(an_error_that_nobody_was_told_of_outlives_every_reset)
{
	struct guest_request flush;

	start();
	(void)offer_flush();
	reset_guest();
	witness(-EIO);
	(void)offer_write(1);
	serve(0);
	CHECK_EQ(rig_used(&rig), 1);
	reset_guest();
	flush = offer_flush();

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}

TEST(an_error_kept_during_a_pause_that_a_reset_ended_reaches_the_next_flush)
{
	struct guest_request flush;

	start();
	(void)offer_flush();
	(void)rig_pause(&rig);
	witness(-EIO);
	fake_driver_reset(&rig.driver);
	rig_resume(&rig, 0);
	CHECK_EQ(rig_used(&rig), 0);
	flush = offer_flush();

	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	rig_stop(&rig);
}
