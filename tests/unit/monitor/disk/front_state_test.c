/* SPDX-License-Identifier: MIT */
/* A partition is saved under load and goes on in another monitor. */
#include <errno.h>
#include <string.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "rig.h"

static struct rig rig;
static struct channel_request sent;
static struct state_writer writer;

static void ask_witness(void *context, uint32_t disk_index, uint64_t asked)
{
	rig.witness_asked = asked;
}

static void start(void)
{
	rig_start(&rig);
	rig_up(&rig, false);
}

static void save(void)
{
	state_writer_init(&writer);
	front_state_save(&rig.front, &writer);
	CHECK_EQ(state_writer_result(&writer), 0);
}

/* The monitor is gone; the guest's memory is as it was. */
static void end_monitor(void)
{
	(void)blk_device_ops.queue_stop(&rig.front, 0);
	guestmem_clear(&rig.front.memory);
	front_release(&rig.front);
	disk_release(&rig.disk);
}

static int begin_monitor(const uint8_t *bytes, size_t count)
{
	const struct disk_ops ops = { &rig.notices, ask_witness, &rig };
	struct state_reader reader;

	rig.witness_asked = 0;
	CHECK_EQ(disk_init(&rig.disk, &rig.settings, &ops), 0);
	CHECK_EQ(front_init_blk(&rig.front, &rig.disk), 0);
	fake_driver_map(&rig.driver, &rig.front.memory);
	state_reader_init(&reader, bytes, count);
	front_state_restore(&rig.front, &reader);
	if (state_reader_result(&reader) < 0)
		return -EBADMSG;
	CHECK_EQ(blk_device_ops.set_features(&rig.front, rig.features), 0);
	return blk_device_ops.queue_start(&rig.front, 0, &rig.queue);
}

static void move(void)
{
	front_freeze(&rig.front);
	save();
	end_monitor();
	CHECK_EQ(begin_monitor(writer.bytes, writer.used), 0);
	state_writer_release(&writer);
}

static void finish(void)
{
	rig_stop(&rig);
	state_writer_release(&writer);
	memset(&rig, 0, sizeof(rig));
}

static void serve_all(void)
{
	rig_turn(&rig);
	while (rig_take(&rig, &sent)) {
		rig_answer(&rig, &sent, 0);
		rig_turn(&rig);
	}
}

TEST(a_frozen_disk_takes_and_tells_nothing_until_it_thaws)
{
	struct guest_request read;

	start();
	read = rig_offer(&rig, VIRTIO_BLK_T_IN, 0, 512, 0x11);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	front_freeze(&rig.front);
	memset(rig.service.buffers + sent.buffer_offset, 0x77, 512);
	rig_answer(&rig, &sent, 0);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 9, 512, 0);
	rig_turn(&rig);
	CHECK(!rig_take(&rig, &sent));
	CHECK_EQ(rig_used(&rig), 0);
	CHECK_EQ(rig_status(&rig, &read), RIG_NO_STATUS);
	CHECK_EQ(*(uint8_t *)fake_driver_at(&rig.driver, read.data), 0x11);

	front_thaw(&rig.front);
	serve_all();
	CHECK_EQ(rig_used(&rig), 2);
	finish();
}

/* 6 requests, of which the service takes some and answers fewer, before or
 * after the freezing; each is answered once, to the one monitor or to the
 * other. */
static void move_at(int taken, int answered, bool is_seen)
{
	struct guest_request requests[6];
	int told;

	start();
	for (uint64_t i = 0; i < 6; i++)
		requests[i] = rig_offer(&rig, VIRTIO_BLK_T_OUT, i, 512, 0);
	rig_turn(&rig);
	if (!is_seen)
		front_freeze(&rig.front);
	for (int i = 0; i < taken; i++) {
		CHECK(rig_take(&rig, &sent));
		if (i < answered)
			rig_answer(&rig, &sent, 0);
	}
	rig_turn(&rig);
	told = rig_used(&rig);
	CHECK_EQ(told, is_seen ? answered : 0);

	move();
	rig_up(&rig, false);
	CHECK_EQ(rig_used(&rig), 0);
	front_thaw(&rig.front);
	serve_all();
	CHECK_EQ(told + rig_used(&rig), 6);
	for (uint64_t i = 0; i < 6; i++)
		CHECK_EQ(rig_status(&rig, &requests[i]), VIRTIO_BLK_S_OK);
	CHECK_EQ(rig.disk.request_count, 0);
	finish();
}

TEST(every_request_is_answered_once_wherever_the_partition_is_saved)
{
	for (int taken = 0; taken <= 6; taken++) {
		for (int answered = 0; answered <= taken; answered++) {
			move_at(taken, answered, false);
			move_at(taken, answered, true);
		}
	}
}

TEST(what_was_in_flight_is_replayed_in_the_order_taken)
{
	start();
	for (uint64_t i = 0; i < 4; i++)
		(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 9 - i, 512, 0);
	rig_turn(&rig);
	move();
	rig_up(&rig, false);
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 20, 512, 0);
	CHECK(!rig_take(&rig, &sent));
	front_thaw(&rig.front);
	rig_turn(&rig);
	for (uint64_t i = 0; i < 4; i++) {
		CHECK(rig_take(&rig, &sent));
		CHECK_EQ(sent.offset_bytes / 512, 9 - i);
	}
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.offset_bytes / 512, 20);
	finish();
}

TEST(what_was_done_is_told_and_not_done_again)
{
	struct guest_request write;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	front_freeze(&rig.front);
	rig_answer(&rig, &sent, -EIO);
	rig_turn(&rig);
	move();
	rig_up(&rig, false);
	front_thaw(&rig.front);
	rig_turn(&rig);
	CHECK(!rig_take(&rig, &sent));
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_IOERR);
	finish();
}

TEST(a_flush_that_was_in_flight_asks_the_witness)
{
	struct guest_request flush;

	start();
	flush = rig_offer(&rig, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	rig_turn(&rig);
	move();
	rig_up(&rig, false);
	front_thaw(&rig.front);
	serve_all();
	CHECK_EQ(rig_status(&rig, &flush), RIG_NO_STATUS);
	CHECK_EQ((long long)rig.witness_asked, 1);
	disk_witnessed(&rig.disk, 1, 0);
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_OK);
	finish();
}

TEST(an_error_found_by_saving_is_told_to_every_flush_that_follows)
{
	struct guest_request flush;

	start();
	front_freeze(&rig.front);
	disk_owe_error(&rig.disk);
	move();
	rig_up(&rig, false);
	front_thaw(&rig.front);
	flush = rig_offer(&rig, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	serve_all();
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	flush = rig_offer(&rig, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	serve_all();
	CHECK_EQ(rig_status(&rig, &flush), VIRTIO_BLK_S_IOERR);
	finish();
}

TEST(a_partition_restored_and_saved_again_before_it_runs_loses_nothing)
{
	start();
	for (uint64_t i = 0; i < 5; i++)
		(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, i, 512, 0);
	rig_turn(&rig);
	move();
	move();
	rig_up(&rig, false);
	front_thaw(&rig.front);
	serve_all();
	CHECK_EQ(rig_used(&rig), 5);
	finish();
}

TEST(a_reset_forgets_what_was_saved)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 0);
	rig_turn(&rig);
	move();
	(void)blk_device_ops.queue_stop(&rig.front, 0);
	blk_device_ops.reset(&rig.front);
	rig_up(&rig, false);
	front_thaw(&rig.front);
	rig_turn(&rig);
	CHECK(!rig_take(&rig, &sent));
	finish();
}

TEST(a_save_that_failed_leaves_a_disk_that_goes_on)
{
	start();
	for (uint64_t i = 0; i < 3; i++)
		(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, i, 512, 0);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	front_freeze(&rig.front);
	save();
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	front_thaw(&rig.front);
	serve_all();
	CHECK_EQ(rig_used(&rig), 3);
	finish();
}

TEST(a_hostile_image_cannot_name_requests_that_the_ring_does_not_have)
{
	static const uint8_t values[] = { 0, 1, 0x3f, 0x40, 0x7f, 0xff };

	start();
	for (uint64_t i = 0; i < 3; i++)
		(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, i, 512, 0);
	rig_turn(&rig);
	front_freeze(&rig.front);
	save();
	for (size_t at = 0; at < writer.used; at++) {
		uint8_t before = writer.bytes[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			end_monitor();
			writer.bytes[at] = values[i];
			if (begin_monitor(writer.bytes, writer.used) == 0) {
				front_thaw(&rig.front);
				rig_turn(&rig);
			}
		}
		writer.bytes[at] = before;
	}
	finish();
}
