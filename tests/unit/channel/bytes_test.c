/* SPDX-License-Identifier: MIT */
#include "channel/bytes.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "resealed.h"

#define SIZE BYTES_OUTPUT_MIN

/* Where the shared words lie (bytes.c), for a peer that scribbles. */
enum { OUTPUT_INTENT = 64, OUTPUT_END = 128, INPUT_END = 320, TAKEN = 384 };

static struct bytes monitor, service;
static char text[3 * SIZE];
static size_t count;
static uint64_t lost;

static void open_pair(void)
{
	SCOPED(close_fd) int memfd = NO_FD;

	CHECK_EQ(bytes_create(SIZE, &memfd), 0);
	CHECK_EQ(bytes_open(&monitor, memfd), 0);
	CHECK_EQ(bytes_open(&service, memfd), 0);
}

static void close_pair(void)
{
	bytes_close(&monitor);
	bytes_close(&service);
}

static uint64_t *shared_word(int offset)
{
	return (uint64_t *)(void *)((char *)service.shared + offset);
}

TEST(output_is_read_in_order_across_the_end_of_the_ring)
{
	uint64_t position = 0;

	open_pair();
	for (int round = 0; round < 1000; round++) {
		(void)bytes_write_output(&monitor, "0123456789abc", 13);
		CHECK_EQ(bytes_read_output(&service, &position, text,
					   sizeof(text), &count, &lost),
			 0);
		CHECK_EQ(count, 13);
		CHECK(memcmp(text, "0123456789abc", 13) == 0);
	}
	CHECK_EQ(position, 13000);
	CHECK_EQ(bytes_output_begin(&service), 13000 - SIZE);
	close_pair();
}

TEST(a_slow_reader_is_told_how_much_it_lost)
{
	uint64_t position = 0;

	open_pair();
	memset(text, 'a', sizeof(text));
	(void)bytes_write_output(&monitor, text, SIZE);
	(void)bytes_write_output(&monitor, "bcd", 3);

	CHECK_EQ(bytes_read_output(&service, &position, text, sizeof(text),
				   &count, &lost),
		 0);

	CHECK_EQ(lost, 3);
	CHECK_EQ(count, SIZE);
	CHECK(memcmp(text + SIZE - 3, "bcd", 3) == 0);
	close_pair();
}

TEST(more_than_the_ring_at_once_keeps_the_last_bytes)
{
	uint64_t position = 0;

	open_pair();
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = 'z';
	(void)bytes_write_output(&monitor, text, sizeof(text));

	CHECK_EQ(bytes_read_output(&service, &position, text, sizeof(text),
				   &count, &lost),
		 0);

	CHECK_EQ(lost, 2 * SIZE);
	CHECK_EQ(count, SIZE);
	CHECK_EQ(text[SIZE - 1], 'z');
	close_pair();
}

TEST(a_read_overtaken_by_the_writer_gives_no_torn_bytes)
{
	uint64_t position = 0;

	open_pair();
	(void)bytes_write_output(&monitor, "old", 3);
	*shared_word(OUTPUT_INTENT) = SIZE + 2; /* caught while overwriting */

	CHECK_EQ(bytes_read_output(&service, &position, text, sizeof(text),
				   &count, &lost),
		 0);

	CHECK_EQ(lost, 2);
	CHECK_EQ(count, 1);
	CHECK_EQ(text[0], 'd');
	close_pair();
}

TEST(the_service_is_woken_only_when_it_sleeps)
{
	uint64_t position = 0;

	open_pair();
	CHECK(bytes_prepare_output_sleep(&service, 0));
	CHECK(bytes_write_output(&monitor, "a", 1));
	CHECK(!bytes_write_output(&monitor, "b", 1));
	CHECK(!bytes_prepare_output_sleep(&service, 0));
	CHECK_EQ(
		bytes_read_output(&service, &position, text, 10, &count, &lost),
		0);
	CHECK(bytes_prepare_output_sleep(&service, position));
	close_pair();
}

TEST(input_is_bounded_and_arrives)
{
	static char typed[2 * BYTES_INPUT_BYTES];
	bool wake;

	open_pair();
	for (size_t i = 0; i < sizeof(typed); i++)
		typed[i] = (char)(i % 251);
	CHECK(bytes_prepare_input_sleep(&monitor));
	CHECK_EQ(bytes_write_input(&service, typed, sizeof(typed), &count,
				   &wake),
		 0);
	CHECK_EQ(count, BYTES_INPUT_BYTES);
	CHECK(wake);
	CHECK_EQ(bytes_write_input(&service, "x", 1, &count, &wake), 0);
	CHECK_EQ(count, 0);

	CHECK_EQ(bytes_read_input(&monitor, text, 100, &count), 0);
	CHECK_EQ(count, 100);
	CHECK_EQ(memcmp(text, typed, 100), 0);
	CHECK_EQ(bytes_write_input(&service, "x", 1, &count, &wake), 0);
	CHECK_EQ(count, 1);
	CHECK(!wake);

	/* The rest, and across the end of the ring what came last. */
	CHECK_EQ(bytes_read_input(&monitor, text, sizeof(text), &count), 0);
	CHECK_EQ(count, BYTES_INPUT_BYTES - 99);
	CHECK_EQ(memcmp(text, typed + 100, count - 1), 0);
	CHECK_EQ(text[count - 1], 'x');
	close_pair();
}

TEST(a_successor_of_the_service_goes_on_where_it_ended)
{
	SCOPED(close_fd) int memfd = NO_FD;
	bool wake;

	CHECK_EQ(bytes_create(SIZE, &memfd), 0);
	CHECK_EQ(bytes_open(&monitor, memfd), 0);
	CHECK_EQ(bytes_open(&service, memfd), 0);
	(void)bytes_write_output(&monitor, "hello", 5);
	bytes_set_logged(&service, 3);
	CHECK_EQ(bytes_write_input(&service, "in", 2, &count, &wake), 0);

	bytes_close(&service);
	CHECK_EQ(bytes_open(&service, memfd), 0);
	CHECK_EQ(bytes_write_input(&service, "put", 3, &count, &wake), 0);

	CHECK_EQ(bytes_logged(&service), 3);
	CHECK_EQ(bytes_output_end(&service), 5);
	CHECK_EQ(bytes_read_input(&monitor, text, 10, &count), 0);
	CHECK(count == 5 && memcmp(text, "input", 5) == 0);
	close_pair();
}

TEST(a_hostile_service_cannot_make_the_monitor_read_beyond_the_input)
{
	open_pair();

	*shared_word(INPUT_END) = BYTES_INPUT_BYTES + 1;
	CHECK_EQ(bytes_read_input(&monitor, text, sizeof(text), &count),
		 -EBADMSG);
	*shared_word(INPUT_END) = UINT64_MAX;
	CHECK_EQ(bytes_read_input(&monitor, text, sizeof(text), &count),
		 -EBADMSG);
	close_pair();
}

TEST(a_hostile_service_cannot_move_the_output)
{
	uint64_t position = 0;

	open_pair();
	(void)bytes_write_output(&monitor, "abc", 3);

	*shared_word(OUTPUT_END) = 1ull << 60;
	*shared_word(OUTPUT_INTENT) = 7;
	(void)bytes_write_output(&monitor, "def", 3);

	CHECK_EQ(bytes_read_output(&service, &position, text, sizeof(text),
				   &count, &lost),
		 0);
	CHECK(count == 6 && memcmp(text, "abcdef", 6) == 0);
	close_pair();
}

TEST(a_hostile_monitor_cannot_take_more_input_than_there_is)
{
	bool wake;

	open_pair();

	*shared_word(TAKEN) = 5;

	CHECK_EQ(bytes_write_input(&service, "x", 1, &count, &wake), -EBADMSG);
	close_pair();
}

TEST(a_hostile_monitor_cannot_take_output_back)
{
	uint64_t position = 0;

	open_pair();
	(void)bytes_write_output(&monitor, "abc", 3);
	CHECK_EQ(
		bytes_read_output(&service, &position, text, 10, &count, &lost),
		0);

	*shared_word(OUTPUT_END) = 2;

	CHECK_EQ(
		bytes_read_output(&service, &position, text, 10, &count, &lost),
		-EBADMSG);
	close_pair();
}

TEST(a_hostile_monitor_cannot_make_a_read_run_on)
{
	uint64_t position = 0;

	open_pair();
	*shared_word(OUTPUT_END) = UINT64_MAX;
	*shared_word(OUTPUT_INTENT) = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(bytes_read_output(&service, &position, text,
					   sizeof(text), &count, &lost),
			 0);
		CHECK(count <= SIZE);
	}
	CHECK_EQ(position, UINT64_MAX);
	close_pair();
}

TEST(a_hostile_peer_cannot_pass_console_memory_of_its_own_making)
{
	SCOPED(close_fd) int memfd = memfd_create("x", MFD_ALLOW_SEALING);
	SCOPED(close_fd) int good = NO_FD;
	struct bytes bytes;
	uint64_t huge = 1ull << 40;

	CHECK_EQ(ftruncate(memfd, 3 * 4096), 0);
	CHECK_EQ(bytes_open(&bytes, memfd), -EBADMSG);
	CHECK_EQ(bytes_create(SIZE, &good), 0);
	CHECK_EQ(pwrite(good, &huge, sizeof(huge), 8), sizeof(huge));
	CHECK_EQ(bytes_open(&bytes, good), -EBADMSG);
	CHECK_EQ(bytes_create(SIZE + 1, &memfd), -EINVAL);
}

static int open_without_seal(int left_out)
{
	SCOPED(close_fd) int memfd = NO_FD;
	struct bytes bytes = { 0 };
	int result;

	CHECK_EQ(bytes_create(SIZE, &memfd), 0);
	memfd = resealed_without(memfd, left_out);
	result = bytes_open(&bytes, memfd);
	if (result == 0)
		bytes_close(&bytes);
	return result;
}

TEST(a_hostile_peer_cannot_pass_console_memory_that_it_could_cut_short)
{
	CHECK_EQ(open_without_seal(-1), 0);
	for (int i = 0; i < SEAL_COUNT; i++)
		CHECK_EQ(open_without_seal(i), -EBADMSG);
}
