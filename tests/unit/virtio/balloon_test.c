/* SPDX-License-Identifier: MIT */
#include "virtio/balloon.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/virtio_balloon.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "small_rig.h"

#define ANY  (FAKE_GPA + 0x10000)
#define PAGE VIRTIO_BALLOON_PAGE_BYTES

enum { INFLATE, DEFLATE, COMPACT, NOTHING, REPORTING };

static struct small_rig rig;
static struct virtio_balloon balloon;
static struct {
	gpa_t gpa;
	uint64_t bytes;
} given[8192];
static uint32_t given_count;
static uint32_t changes;

static void give_back(void *context, gpa_t gpa, uint64_t bytes)
{
	CHECK(gpa >= FAKE_GPA && gpa + bytes <= FAKE_GPA + FAKE_BYTES);
	given[given_count].gpa = gpa;
	given[given_count++].bytes = bytes;
	CHECK_EQ(fallocate(rig.driver.fd,
			   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   (off_t)(gpa - FAKE_GPA), (off_t)bytes),
		 0);
}

static void changed(void *context)
{
	changes++;
}

static void open_balloon(uint32_t index, bool is_reserved)
{
	const struct virtio_balloon_handler ops = { .give_back = give_back,
						    .changed = changed };

	small_rig_open(&rig);
	virtio_balloon_init(&balloon, &rig.memory, is_reserved, &ops);
	small_rig_start(&rig, &balloon.small, &virtio_balloon_ops, index);
	CHECK_EQ(small_rig_kicks(&rig), 1); /* the first look */
}

static void open_queue(uint32_t index)
{
	open_balloon(index, false);
}

static void offer_pages(gpa_t list, const uint32_t *pages, uint32_t count)
{
	const struct fake_buffer buffer = { list, count * 4, false };

	memcpy(fake_driver_at(&rig.driver, list), pages, count * 4ull);
	(void)small_rig_offer(&rig, &buffer, 1);
}

static uint32_t page_of(gpa_t gpa)
{
	return (uint32_t)(gpa / PAGE);
}

static uint64_t resident_bytes(void)
{
	struct stat status;

	CHECK_EQ(fstat(rig.driver.fd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

TEST(neighbouring_pages_go_back_as_one_range)
{
	const uint32_t first = page_of(FAKE_GPA + (1 << 20));
	const uint32_t pages[] = { first + 2, first,     first + 1,
				   first + 9, first + 1, first + 3 };

	open_queue(INFLATE);
	memset(rig.driver.host + (1 << 20), 0xaa, 1 << 20);
	offer_pages(ANY, pages, 6);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 2);
	CHECK_EQ(given[0].gpa, FAKE_GPA + (1 << 20));
	CHECK_EQ(given[0].bytes, 4 * PAGE);
	CHECK_EQ(given[1].gpa, FAKE_GPA + (1 << 20) + 9 * PAGE);
	CHECK_EQ(given[1].bytes, PAGE);
	CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(rig.driver.host[1 << 20], 0);
	CHECK_EQ(rig.driver.host[(1 << 20) + 4 * PAGE], 0xaa);
	CHECK_EQ(balloon.given_bytes, 5 * PAGE);

	small_rig_close(&rig);
}

TEST(pages_in_any_order_are_one_range_when_they_are_neighbours)
{
	uint32_t pages[256];

	open_queue(INFLATE);
	/* 97 and 256 have no common divisor: each number comes once. */
	for (uint32_t i = 0; i < 256; i++)
		pages[i] = page_of(FAKE_GPA + (2 << 20)) + i * 97 % 256;
	offer_pages(ANY, pages, 256);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 1);
	CHECK_EQ(given[0].gpa, FAKE_GPA + (2 << 20));
	CHECK_EQ(given[0].bytes, 256 * PAGE);

	small_rig_close(&rig);
}

TEST(inflating_frees_the_hosts_memory_and_touching_takes_it_again)
{
	uint32_t pages[256];
	uint64_t before;

	open_queue(INFLATE);
	memset(rig.driver.host, 1, FAKE_BYTES);
	fake_driver_reset(&rig.driver);
	virtio_balloon_ops.reset(&balloon);
	CHECK_EQ(small_rig_start_queue(&rig, INFLATE), 0);
	before = resident_bytes();
	for (uint32_t i = 0; i < 256; i++)
		pages[i] = page_of(FAKE_GPA + (2 << 20)) + 255 - i;
	offer_pages(ANY, pages, 256);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(before - resident_bytes(), 1 << 20);
	CHECK_EQ(given_count, 1);
	memset(rig.driver.host, 2, FAKE_BYTES);
	CHECK_EQ(resident_bytes(), before);

	small_rig_close(&rig);
}

TEST(deflating_is_answered)
{
	const uint32_t page = page_of(FAKE_GPA);

	open_queue(DEFLATE);
	offer_pages(ANY, &page, 1);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 0);
	CHECK_EQ(small_rig_answer(&rig), 0);

	small_rig_close(&rig);
}

static void report(uint32_t index)
{
	const struct fake_buffer buffers[] = {
		{ FAKE_GPA + (1 << 20), 1 << 20, true },
		{ FAKE_GPA + (3 << 20), 8192, true },
	};

	open_queue(index);
	(void)small_rig_offer(&rig, buffers, 2);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 2);
	CHECK_EQ(given[0].bytes, 1 << 20);
	CHECK_EQ(given[1].gpa, FAKE_GPA + (3 << 20));
	CHECK_EQ(given[1].bytes, 8192);
	CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_answer(&rig), -1);

	small_rig_close(&rig);
}

TEST(free_pages_reported_as_linux_numbers_queues_go_back)
{
	report(COMPACT);
}

TEST(free_pages_reported_as_the_specification_numbers_queues_go_back)
{
	report(REPORTING);
}

TEST(memory_that_is_reserved_stays)
{
	const uint64_t reporting = 1ull << VIRTIO_BALLOON_F_REPORTING;
	uint32_t pages[600];

	for (uint32_t i = 0; i < 600; i++)
		pages[i] = page_of(FAKE_GPA) + 512 + i;
	open_balloon(INFLATE, true);
	CHECK((virtio_balloon_ops.features(&balloon) & reporting) == 0);
	offer_pages(ANY, pages, 600);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 0);
	CHECK_EQ(small_rig_answer(&rig), 0);
	small_rig_close(&rig);

	open_queue(INFLATE);
	CHECK((virtio_balloon_ops.features(&balloon) & reporting) != 0);
	small_rig_close(&rig);
}

TEST(only_whole_pages_of_the_host_go_back)
{
	const struct fake_buffer buffers[] = {
		{ FAKE_GPA + (2 << 20) + 1, PAGE, true },
		{ FAKE_GPA + PAGE - 1, 2 * PAGE, true },
	};

	open_queue(REPORTING);
	(void)small_rig_offer(&rig, buffers, 2);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 1);
	CHECK_EQ(given[0].gpa, FAKE_GPA + PAGE);
	CHECK_EQ(given[0].bytes, PAGE);
	CHECK_EQ(virtio_balloon_refused(&balloon), 0);

	small_rig_close(&rig);
}

TEST(the_target_is_told_and_the_actual_size_is_taken)
{
	struct virtio_balloon_config config;
	uint32_t actual = 0x1234;

	open_queue(INFLATE);

	virtio_balloon_set_target(&balloon, 64 << 20);
	CHECK_EQ(rig.config_changes, 1);
	CHECK_EQ(virtio_balloon_ops.config(&balloon, (uint8_t *)&config,
					   sizeof(config)),
		 sizeof(config));
	CHECK_EQ(config.num_pages, (64 << 20) / PAGE);
	CHECK_EQ(config.actual, 0);
	virtio_balloon_ops.config_write(&balloon, 4, (uint8_t *)&actual, 4);

	CHECK_EQ(changes, 1);
	CHECK_EQ(virtio_balloon_held_bytes(&balloon), 0x1234 * PAGE);
	virtio_balloon_ops.reset(&balloon);
	CHECK_EQ(virtio_balloon_held_bytes(&balloon), 0);
	CHECK_EQ(virtio_balloon_ops.config(&balloon, (uint8_t *)&config,
					   sizeof(config)),
		 sizeof(config));
	CHECK_EQ(config.num_pages, (64 << 20) / PAGE);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_write_beyond_its_part_of_the_configuration)
{
	uint8_t ones[16];

	memset(ones, 0xff, sizeof(ones));
	open_queue(INFLATE);
	virtio_balloon_set_target(&balloon, PAGE);

	virtio_balloon_ops.config_write(&balloon, 0, ones, 4);
	virtio_balloon_ops.config_write(&balloon, 8, ones, 8);
	virtio_balloon_ops.config_write(&balloon, UINT32_MAX, ones, 8);
	CHECK_EQ(balloon.target_pages, 1);
	CHECK_EQ(balloon.actual_pages, 0);
	virtio_balloon_ops.config_write(&balloon, 6, ones, 8);

	CHECK_EQ(balloon.actual_pages, 0xffff0000);
	CHECK_EQ(balloon.target_pages, 1);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_give_back_what_is_not_memory)
{
	const uint32_t pages[] = { 0, UINT32_MAX, page_of(FAKE_GPA) - 1,
				   page_of(FAKE_GPA + FAKE_BYTES) };

	open_queue(INFLATE);
	offer_pages(ANY, pages, 4);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 0);
	CHECK_EQ(virtio_balloon_refused(&balloon), 4);
	CHECK_EQ(small_rig_answer(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_report_what_is_not_memory)
{
	const struct fake_buffer buffers[] = {
		{ 0, PAGE, true },
		{ FAKE_GPA + FAKE_BYTES - PAGE, 2 * PAGE, true },
		{ UINT64_MAX - PAGE, PAGE, true },
	};

	open_queue(REPORTING);
	(void)small_rig_offer(&rig, buffers, 3);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 0);
	CHECK_EQ(virtio_balloon_refused(&balloon), 3);
	CHECK_EQ(small_rig_answer(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_harm_more_than_itself_by_giving_back_its_ring)
{
	const uint32_t pages[] = { page_of(FAKE_GPA), page_of(ANY) };

	open_queue(INFLATE);
	offer_pages(ANY, pages, 2);

	virtio_balloon_serve(&balloon);
	/* Ring and list read as zeros: the available index went back. */
	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 2);
	CHECK_EQ(rig.resets_wanted, 1);
	CHECK_EQ(small_rig_kicks(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_keep_us_with_one_endless_list)
{
	const uint32_t first = page_of(FAKE_GPA + (1 << 20));
	uint32_t *list;
	const struct fake_buffer buffer = { FAKE_GPA + (2 << 20), 1 << 20,
					    false };
	int turns = 0;

	open_queue(INFLATE);
	list = fake_driver_at(&rig.driver, buffer.gpa);
	for (uint32_t i = 0; i < 1 << 18; i++)
		list[i] = first + i % 128 * 2;
	(void)small_rig_offer(&rig, &buffer, 1);

	do {
		given_count = 0;
		virtio_balloon_serve(&balloon);
		CHECK(given_count <= VIRTIO_BALLOON_TURN_PAGES);
		turns++;
	} while (small_rig_kicks(&rig) > 0);

	CHECK_EQ(turns, (1 << 18) / VIRTIO_BALLOON_TURN_PAGES + 1);
	CHECK_EQ(small_rig_answer(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_keep_us_with_one_endless_report)
{
	struct fake_buffer buffers[SMALL_RING];
	uint64_t done = 0;
	int turns = 0;

	open_queue(REPORTING);
	for (int i = 0; i < SMALL_RING; i++)
		buffers[i] = (struct fake_buffer){ FAKE_GPA + (1 << 20),
						   3 << 20, true };
	(void)small_rig_offer(&rig, buffers, SMALL_RING);

	do {
		virtio_balloon_serve(&balloon);
		CHECK(balloon.given_bytes - done <=
		      VIRTIO_BALLOON_TURN_BYTES + (3 << 20));
		done = balloon.given_bytes;
		turns++;
	} while (small_rig_kicks(&rig) > 0);

	CHECK(turns >= 3);
	CHECK_EQ(done, SMALL_RING * (3ull << 20));

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_use_a_list_that_is_cut_or_not_memory)
{
	const struct fake_buffer buffers[] = {
		{ ANY, 3, false },
		{ 0, 64, false },
		{ ANY, 64, true },
		{ FAKE_GPA + FAKE_BYTES - 4, 8, false },
	};

	open_queue(INFLATE);
	for (int i = 0; i < 4; i++)
		(void)small_rig_offer(&rig, &buffers[i], 1);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(small_rig_answer(&rig), 0);
	CHECK_EQ(small_rig_kicks(&rig), 0);

	small_rig_close(&rig);
}

TEST(a_hostile_guest_cannot_report_on_a_queue_that_is_for_nothing)
{
	const struct fake_buffer buffer = { FAKE_GPA, PAGE, true };

	open_queue(NOTHING);
	(void)small_rig_offer(&rig, &buffer, 1);

	virtio_balloon_serve(&balloon);

	CHECK_EQ(given_count, 0);
	CHECK_EQ(small_rig_answer(&rig), -1);

	small_rig_close(&rig);
}
