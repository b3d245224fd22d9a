/* SPDX-License-Identifier: MIT */
#include "lib/harness.h"
#include "net/switch/credit.h"

#define MS 1000000ull

/* Bytes sent in a second by one who always has a frame. */
static uint64_t send_for_a_second(struct credit *credit, uint32_t bytes)
{
	uint64_t sent = 0;

	for (uint64_t now = 0; now < 1000 * MS;) {
		if (credit_spend(credit, bytes, now))
			sent += bytes;
		else
			now = credit_ready_ns(credit, bytes);
	}
	return sent;
}

static void check_rate(uint64_t megabits, uint32_t frame_bytes)
{
	/* A millisecond's worth every millisecond. */
	uint64_t bytes = megabits * 1000000 / 8 / 1000;
	uint64_t wanted = bytes * 1000;
	struct credit credit;
	uint64_t sent;

	credit_init(&credit, bytes, 1000, 0);
	credit.left = 0;
	sent = send_for_a_second(&credit, frame_bytes);
	CHECK(sent <= wanted);
	CHECK(sent >= wanted - wanted / 50);
}

TEST(a_sender_gets_its_rate_whatever_its_frames)
{
	for (uint64_t megabits = 10; megabits <= 1000; megabits *= 10) {
		check_rate(megabits, 64);
		check_rate(megabits, 1514);
		check_rate(megabits, 9014);
	}
}

TEST(what_was_saved_is_bounded_by_the_bucket)
{
	struct credit credit;

	credit_init(&credit, 1000, 1000, 0);
	CHECK(credit_spend(&credit, CREDIT_BUCKET_MIN, 0));
	CHECK(!credit_spend(&credit, 1, 0));
	/* A year of silence. */
	CHECK(credit_spend(&credit, CREDIT_BUCKET_MIN, 31536000000ull * MS));
	CHECK(!credit_spend(&credit, 1, 31536000000ull * MS));
}

TEST(the_longest_frame_always_fits_in_time)
{
	struct credit credit;
	uint64_t ready;

	credit_init(&credit, 10, 1000, 0);
	credit.left = 0;
	ready = credit_ready_ns(&credit, 65535);
	CHECK(!credit_spend(&credit, 65535, ready - 1));
	CHECK(credit_spend(&credit, 65535, ready));
}

TEST(without_a_limit_everything_passes)
{
	struct credit credit;

	credit_init(&credit, 0, 0, 5);
	for (int i = 0; i < 1000; i++)
		CHECK(credit_spend(&credit, 65535, 5));
}
