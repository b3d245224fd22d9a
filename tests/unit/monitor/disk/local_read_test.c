/* SPDX-License-Identifier: MIT */
/* Reads that the monitor answers from the host's page cache. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "rig.h"

#define FILE_BYTES (3ull << 20)
#define CACHED     0x5c

static struct rig rig;
static struct channel_request sent;
static int file;

/* The kernel, played: what it says of the next reads, and how often it was
 * asked. */
static struct {
	int error;
	size_t most;
	int asked;
} kernel;

ssize_t preadv2(int fd, const struct iovec *pieces, int count, off_t offset,
		int flags)
{
	ssize_t got;

	kernel.asked++;
	CHECK_EQ(fd, file);
	if (kernel.error) {
		errno = kernel.error;
		return -1;
	}
	got = preadv(fd, pieces, count, offset);
	return got > (ssize_t)kernel.most ? (ssize_t)kernel.most : got;
}

static void start_down(void)
{
	static uint8_t content[FILE_BYTES];

	kernel.error = 0;
	kernel.most = FILE_BYTES;
	kernel.asked = 0;
	memset(content, CACHED, sizeof(content));
	file = memfd_create("disk", MFD_CLOEXEC);
	CHECK(file >= 0);
	CHECK_EQ(write(file, content, sizeof(content)), sizeof(content));
	rig_start(&rig);
	local_reads_open(&rig.disk.local, file);
}

static void start(void)
{
	start_down();
	rig_up(&rig, false);
}

static void stop(void)
{
	rig_stop(&rig);
	close_fd(&file);
}

static struct guest_request read_sector(uint64_t sector, uint32_t bytes)
{
	struct guest_request read =
		rig_offer(&rig, VIRTIO_BLK_T_IN, sector, bytes, 0);

	rig_turn(&rig);
	return read;
}

static void expect_local(uint64_t sector, uint32_t bytes)
{
	uint64_t before = rig.disk.counters.local_reads;
	struct guest_request read = read_sector(sector, bytes);
	const uint8_t *data = fake_driver_at(&rig.driver, read.data);

	CHECK(!rig_take(&rig, &sent));
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig.disk.counters.local_reads, before + 1);
	for (uint32_t i = 0; i < bytes; i++)
		CHECK_EQ(data[i], CACHED);
}

static void expect_service(uint64_t sector, uint32_t bytes)
{
	struct guest_request read = read_sector(sector, bytes);

	CHECK_EQ(rig_status(&rig, &read), RIG_NO_STATUS);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.op, DISK_READ);
	CHECK_EQ(sent.offset_bytes / 512, sector);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	CHECK_EQ(rig_used(&rig), 1);
}

TEST(a_read_of_what_is_cached_takes_no_service_and_is_counted)
{
	start();
	expect_local(8, 4096);
	expect_local(0, 1u << 20);

	CHECK_EQ(rig.disk.counters.reads, 2);
	CHECK_EQ(rig.disk.counters.read_bytes, 4096 + (1u << 20));
	stop();
}

TEST(a_read_of_what_is_not_cached_is_the_services)
{
	start();
	kernel.error = EAGAIN;
	expect_service(8, 4096);
	kernel.error = 0;
	expect_local(8, 4096);
	stop();
}

TEST(a_read_of_which_only_a_part_is_cached_is_the_services)
{
	start();
	kernel.most = 4096;
	expect_service(0, 8192);
	stop();
}

TEST(a_read_beyond_the_end_of_the_file_is_the_services)
{
	start();
	expect_service(FILE_BYTES / 512, 512);
	stop();
}

TEST(an_error_of_the_host_is_the_services_to_tell)
{
	start();
	kernel.error = EIO;
	expect_service(0, 512);
	stop();
}

TEST(a_file_without_such_reads_is_not_asked_again)
{
	start();
	kernel.error = EOPNOTSUPP;
	expect_service(0, 512);
	expect_service(0, 512);
	CHECK_EQ(kernel.asked, 1);
	stop();
}

TEST(reads_in_vain_are_tried_less_and_less)
{
	start();
	kernel.error = EAGAIN;
	for (int i = 0; i < 200; i++)
		expect_service(0, 512);
	CHECK(kernel.asked > 3);
	CHECK(kernel.asked < 12);
	kernel.error = 0;
	for (int i = 0; i < 64 && rig.disk.counters.local_reads == 0; i++) {
		(void)read_sector(0, 512);
		if (rig_take(&rig, &sent))
			rig_answer(&rig, &sent, 0);
		rig_turn(&rig);
		(void)rig_used(&rig);
	}
	expect_local(0, 512);
	stop();
}

TEST(a_write_never_reaches_the_file_but_through_the_service)
{
	struct guest_request write;

	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 1);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(rig_status(&rig, &write), RIG_NO_STATUS);
	CHECK_EQ(kernel.asked, 0);
	stop();
}

/* -- what may still change -- */

TEST(a_read_waits_for_an_unanswered_change_of_its_sectors)
{
	struct channel_request read;

	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 8, 4096, 1);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	(void)read_sector(12, 512);
	CHECK(rig_take(&rig, &read));
	CHECK_EQ(read.op, DISK_READ);
	CHECK_EQ(kernel.asked, 0);

	rig_answer(&rig, &sent, 0);
	rig_answer(&rig, &read, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 2);
	expect_local(12, 512);
	stop();
}

TEST(a_read_beside_an_unanswered_change_does_not_wait)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 4096, 1);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	expect_local(2 * OVERLAP_BUCKET_BYTES / 512, 4096);
	stop();
}

TEST(nothing_is_read_before_the_first_service_is_there)
{
	struct guest_request read;

	start_down();
	read = read_sector(0, 512);
	CHECK_EQ(kernel.asked, 0);
	CHECK_EQ(rig_status(&rig, &read), RIG_NO_STATUS);
	rig_up(&rig, false);
	CHECK(rig_take(&rig, &sent));
	stop();
}

static void leave_a_write_of_an_earlier_life(void)
{
	start();
	(void)rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 1);
	rig_turn(&rig);
	CHECK(rig_take(&rig, &sent));
	(void)rig_pause(&rig);
	fake_driver_reset(&rig.driver);
	rig_resume(&rig, 0);
}

/* What of a reset guest is with the service may land at any moment (I4). */
TEST(nothing_is_read_while_a_write_of_an_earlier_life_may_land)
{
	struct guest_request read;

	leave_a_write_of_an_earlier_life();
	read = read_sector(0, 512);
	CHECK_EQ(kernel.asked, 0);

	rig_down(&rig);
	CHECK_EQ(kernel.asked, 0);
	CHECK_EQ(rig_status(&rig, &read), RIG_NO_STATUS);
	rig_up(&rig, false);
	CHECK(rig_take(&rig, &sent));
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	CHECK_EQ(rig_used(&rig), 1);
	expect_local(0, 512);
	stop();
}

TEST(a_service_that_leaves_may_still_land_a_write_of_an_earlier_life)
{
	leave_a_write_of_an_earlier_life();
	rig_lose(&rig, DISK_DOWN_LEAVING);
	(void)read_sector(0, 512);
	CHECK_EQ(kernel.asked, 0);

	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	expect_local(8, 512);
	stop();
}

/* -- outages -- */

TEST(what_is_cached_is_read_during_an_outage)
{
	start();
	rig_down(&rig);
	expect_local(8, 4096);
	CHECK_EQ(rig.disk.counters.outages, 1);
	stop();
}

TEST(what_is_not_cached_waits_for_the_end_of_the_outage)
{
	struct guest_request read;

	start();
	rig_down(&rig);
	kernel.error = EAGAIN;
	read = read_sector(8, 4096);
	CHECK_EQ(rig_status(&rig, &read), RIG_NO_STATUS);
	CHECK(front_prepare_sleep(&rig.front));
	kernel.error = 0;
	expect_local(16, 4096);

	rig_up(&rig, false);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.offset_bytes / 512, 8);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	stop();
}

/* Nobody else would look before the next service comes. */
TEST(a_read_that_comes_just_before_sleep_in_an_outage_is_not_slept_over)
{
	struct guest_request read;

	start();
	rig_down(&rig);
	read = rig_offer(&rig, VIRTIO_BLK_T_IN, 8, 4096, 0);

	CHECK(!front_prepare_sleep(&rig.front));

	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	CHECK(front_prepare_sleep(&rig.front));
	stop();
}

TEST(every_read_is_tried_during_an_outage)
{
	start();
	kernel.error = EAGAIN;
	for (int i = 0; i < 20; i++)
		expect_service(0, 512);
	rig_down(&rig);
	kernel.error = 0;
	expect_local(0, 512);
	stop();
}

TEST(a_write_that_waits_for_a_service_is_waited_for_by_reads)
{
	struct guest_request write, read;

	start();
	rig_down(&rig);
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 1);
	read = read_sector(0, 512);
	CHECK_EQ(rig_status(&rig, &read), RIG_NO_STATUS);
	rig_up(&rig, false);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.op, DISK_WRITE);
	rig_answer(&rig, &sent, 0);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.op, DISK_READ);
	rig_answer(&rig, &sent, 0);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_OK);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	stop();
}

static void fail_a_write_in_an_outage(void)
{
	struct guest_request write;

	rig.settings.outage = OUTAGE_FAIL;
	rig.settings.outage_ms = 1;
	start();
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 1);
	rig_turn(&rig);
	rig_down(&rig);
	disk_run_timers(&rig.disk, clock_now_ns() + NS_PER_S);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig_used(&rig), 1);
}

/* The guest was told of its end, but the kernel may not be at the end. */
TEST(nothing_is_read_while_a_write_that_was_failed_may_land)
{
	struct guest_request read;

	fail_a_write_in_an_outage();
	read = read_sector(0, 512);
	CHECK_EQ(kernel.asked, 0);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(rig_used(&rig), 1);

	rig_up(&rig, false);
	expect_local(0, 512);
	stop();
}

TEST(what_is_cached_is_read_in_an_outage_in_which_all_else_fails)
{
	struct guest_request write;

	rig.settings.outage = OUTAGE_FAIL;
	rig.settings.outage_ms = 1;
	start();
	rig_down(&rig);
	rig.disk.lost_ns -= NS_PER_S;
	expect_local(0, 512);
	write = rig_offer(&rig, VIRTIO_BLK_T_OUT, 0, 512, 1);
	rig_turn(&rig);
	CHECK_EQ(rig_status(&rig, &write), VIRTIO_BLK_S_IOERR);
	stop();
}

/* -- guests -- */

TEST(a_paused_guests_memory_is_not_written)
{
	struct guest_request read;
	uint16_t base;

	start();
	base = rig_pause(&rig);
	read = read_sector(0, 512);
	CHECK_EQ(kernel.asked, 0);
	CHECK_EQ(rig_status(&rig, &read), RIG_NO_STATUS);
	rig_resume(&rig, base);
	CHECK_EQ(rig_status(&rig, &read), VIRTIO_BLK_S_OK);
	stop();
}

TEST(a_frozen_guests_memory_is_not_written)
{
	struct ring_segment segment = { .bytes = 512 };
	const struct work work = { .bytes = 512,
				   .data_bytes = 512,
				   .segments = &segment,
				   .segment_count = 1,
				   .class = REQUEST_READ,
				   .direction = REQUEST_DATA_IN };

	start();
	segment.gpa = fake_driver_alloc(&rig.driver, 512);
	front_freeze(&rig.front);
	CHECK(!local_read(&rig.disk, &rig.front.queues[0], &work));
	CHECK_EQ(kernel.asked, 0);
	front_thaw(&rig.front);
	CHECK(local_read(&rig.disk, &rig.front.queues[0], &work));
	stop();
}

static void offer_pieces(uint16_t count, uint32_t bytes, gpa_t *ret_last)
{
	struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_IN };
	struct fake_buffer buffers[LOCAL_READ_PIECES + 4];
	gpa_t gpa = fake_driver_alloc(&rig.driver, sizeof(header));

	memcpy(fake_driver_at(&rig.driver, gpa), &header, sizeof(header));
	buffers[0] = (struct fake_buffer){ gpa, sizeof(header), false };
	for (uint16_t i = 1; i <= count; i++) {
		*ret_last = fake_driver_alloc(&rig.driver, bytes);
		buffers[i] = (struct fake_buffer){ *ret_last, bytes, true };
	}
	gpa = fake_driver_alloc(&rig.driver, 1);
	buffers[count + 1] = (struct fake_buffer){ gpa, 1, true };
	fake_driver_offer(&rig.driver,
			  fake_driver_indirect(&rig.driver, buffers,
					       (uint16_t)(count + 2)));
	rig_turn(&rig);
}

TEST(many_pieces_are_read_at_once)
{
	gpa_t last;

	start();
	offer_pieces(LOCAL_READ_PIECES, 512, &last);
	CHECK_EQ(rig_used(&rig), 1);
	CHECK_EQ(kernel.asked, 1);
	CHECK_EQ(*(uint8_t *)fake_driver_at(&rig.driver, last + 511), CACHED);
	stop();
}

TEST(a_hostile_guest_cannot_have_more_copied_at_once_than_a_bound)
{
	start();
	(void)read_sector(0, LOCAL_READ_BYTES_MAX + 512);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.op, DISK_READ);
	CHECK_EQ(kernel.asked, 0);
	stop();
}

TEST(a_hostile_guest_cannot_name_more_pieces_than_there_is_room_for)
{
	gpa_t last;

	start();
	offer_pieces(LOCAL_READ_PIECES + 1, 512, &last);
	CHECK_EQ(kernel.asked, 0);
	CHECK(rig_take(&rig, &sent));
	CHECK_EQ(sent.op, DISK_READ);
	stop();
}
