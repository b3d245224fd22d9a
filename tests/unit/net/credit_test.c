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

/* 1000 Mbit/s, given for every ten milliseconds. */
TEST(a_periods_credit_comes_evenly)
{
	const uint64_t a_millisecond = 125000;
	struct credit credit;
	uint64_t sent = 0, now = 0;

	credit_init(&credit, 10 * a_millisecond, 10000, 0);
	credit.left = 0;
	for (uint64_t end = MS; end <= 100 * MS; end += MS) {
		while (now < end) {
			if (credit_spend(&credit, 1514, now))
				sent += 1514;
			else
				now = credit_ready_ns(&credit, 1514);
		}
		CHECK(sent <= end / MS * a_millisecond + a_millisecond / 2);
		CHECK(sent + a_millisecond / 2 >= end / MS * a_millisecond);
	}
}

TEST(who_waits_for_credit_is_not_woken_for_each_frame)
{
	struct credit credit;
	uint64_t wakes = 0;

	credit_init(&credit, 1250000, 10000, 0);
	credit.left = 0;
	for (uint64_t now = 0; now < 100 * MS; wakes++) {
		while (credit_spend(&credit, 64, now))
			;
		now = credit_ready_ns(&credit, 64);
	}
	CHECK(wakes <= 100 * MS / CREDIT_GRAIN_NS + 1);
}

TEST(looking_often_takes_no_credit_away)
{
	struct credit credit;
	uint64_t sent = 0;

	credit_init(&credit, 12500, 10000, 0);
	credit.left = 0;
	for (uint64_t now = 0; now < 1000 * MS; now += 333)
		if (credit_spend(&credit, 64, now))
			sent += 64;
	CHECK(sent <= 1250000);
	CHECK(sent >= 1250000 - 1250000 / 100);
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
