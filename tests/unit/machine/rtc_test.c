/* SPDX-License-Identifier: MIT */
#include "machine/rtc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "lib/harness.h"
#include "machine/layout.h"

/* 2024-02-29 12:34:56 UTC, a Thursday. */
#define LEAP_DAY_S 1709210096ull

enum { A = 10, B = 11, C = 12, D = 13 };

static struct rtc rtc;
static bool is_high;
static uint64_t now;
static uint64_t deadline;
static uint32_t rearm_calls;

static void set_line(void *context, uint32_t gsi, bool level)
{
	CHECK_EQ(gsi, GSI_RTC);
	is_high = level;
}

static uint64_t tell_now(void *context)
{
	return now;
}

static void rearm(void *context, uint64_t deadline_ns)
{
	deadline = deadline_ns;
	rearm_calls++;
}

static void open_clock(uint64_t seconds)
{
	const struct line line = { .set = set_line, .gsi = GSI_RTC };
	const struct rtc_ops ops = { .now_ns = tell_now, .rearm = rearm };

	now = seconds * NS_PER_S;
	deadline = RTC_NEVER;
	rtc_init(&rtc, &line, &ops);
}

static uint8_t in(uint8_t index)
{
	rtc_write(&rtc, 0, index);
	return rtc_read(&rtc, 1);
}

static void out(uint8_t index, uint8_t value)
{
	rtc_write(&rtc, 0, index);
	rtc_write(&rtc, 1, value);
}

static void sleep_until(uint64_t at_ns)
{
	now = at_ns;
	deadline = RTC_NEVER; /* it is told of once */
	rtc_tick(&rtc);
}

TEST(the_time_is_utc_in_bcd)
{
	open_clock(LEAP_DAY_S);

	CHECK_EQ(in(0), 0x56);
	CHECK_EQ(in(2), 0x34);
	CHECK_EQ(in(4), 0x12);
	CHECK_EQ(in(6), 5);
	CHECK_EQ(in(7), 0x29);
	CHECK_EQ(in(8), 0x02);
	CHECK_EQ(in(9), 0x24);
	CHECK_EQ(in(RTC_CENTURY), 0x20);
	CHECK_EQ(in(B)&0x06, 0x02);
	CHECK_EQ(in(D), 0x80);
}

TEST(the_calendar_is_that_of_the_c_library)
{
	open_clock(0);
	out(B, 0x06);

	for (uint64_t seconds = 0; seconds < 7000000000ull;
	     seconds += 86400ull * 11 + 12347) {
		time_t as_time = (time_t)seconds;
		struct tm *tm = gmtime(&as_time);

		now = seconds * NS_PER_S;
		CHECK_EQ(in(0), tm->tm_sec);
		CHECK_EQ(in(2), tm->tm_min);
		CHECK_EQ(in(4), tm->tm_hour);
		CHECK_EQ(in(6), tm->tm_wday + 1);
		CHECK_EQ(in(7), tm->tm_mday);
		CHECK_EQ(in(8), tm->tm_mon + 1);
		CHECK_EQ(in(9), tm->tm_year % 100);
		CHECK_EQ(in(RTC_CENTURY), 19 + tm->tm_year / 100);
	}
}

TEST(any_date_that_is_set_comes_back)
{
	open_clock(LEAP_DAY_S);
	out(B, 0x06);

	for (uint64_t seconds = 0; seconds < 7000000000ull;
	     seconds += 86400ull * 17 + 54321) {
		time_t as_time = (time_t)seconds;
		struct tm *tm = gmtime(&as_time);

		out(B, 0x86);
		out(0, (uint8_t)tm->tm_sec);
		out(2, (uint8_t)tm->tm_min);
		out(4, (uint8_t)tm->tm_hour);
		out(7, (uint8_t)tm->tm_mday);
		out(8, (uint8_t)(tm->tm_mon + 1));
		out(9, (uint8_t)(tm->tm_year % 100));
		out(RTC_CENTURY, (uint8_t)(19 + tm->tm_year / 100));
		now += 5 * NS_PER_S;
		CHECK_EQ(in(0), tm->tm_sec);
		out(B, 0x06);
		CHECK_EQ((int64_t)(now / NS_PER_S) + rtc.offset_s,
			 (int64_t)seconds);
		CHECK_EQ(in(7), tm->tm_mday);
	}
}

TEST(hours_of_twelve_have_an_afternoon)
{
	open_clock(LEAP_DAY_S);
	out(B, 0x00);

	CHECK_EQ(in(4), 0x92); /* noon is 12 PM */
	now += 12 * 3600 * NS_PER_S;
	CHECK_EQ(in(4), 0x12); /* midnight is 12 AM */
	now += 13 * 3600 * NS_PER_S;
	CHECK_EQ(in(4), 0x81);
	out(4, 0x12);
	out(B, 0x02);
	CHECK_EQ(in(4), 0x00);
}

TEST(time_set_without_holding_it_goes_on_from_there)
{
	open_clock(LEAP_DAY_S);

	out(4, 0x23);
	now += 60 * 60 * NS_PER_S;

	CHECK_EQ(in(4), 0x00);
	CHECK_EQ(in(2), 0x34);
	CHECK_EQ(in(7), 0x01);
	CHECK_EQ(in(8), 0x03);
}

TEST(an_update_is_announced_before_it_happens)
{
	open_clock(LEAP_DAY_S);

	CHECK_EQ(in(A)&0x80, 0);
	now += NS_PER_S - 100000;
	CHECK_EQ(in(A)&0x80, 0x80);
	out(B, 0x82);
	CHECK_EQ(in(A)&0x80, 0);
}

TEST(an_update_interrupts_once_until_it_is_read)
{
	open_clock(LEAP_DAY_S);
	out(B, 0x12);
	CHECK_EQ(deadline, (LEAP_DAY_S + 1) * NS_PER_S);

	sleep_until(deadline);

	CHECK(is_high);
	CHECK_EQ(deadline, RTC_NEVER);
	CHECK_EQ(in(C), 0xd0);
	CHECK(!is_high);
	CHECK_EQ(deadline, (LEAP_DAY_S + 2) * NS_PER_S);
	CHECK_EQ(in(C), 0);
}

TEST(an_alarm_rings_at_its_time)
{
	open_clock(LEAP_DAY_S); /* 12:34:56 */
	out(5, 0x12);
	out(3, 0x35);
	out(1, 0x10);
	out(B, 0x22);

	CHECK_EQ(deadline, (LEAP_DAY_S + 14) * NS_PER_S);
	sleep_until(deadline - 1);
	CHECK(!is_high);
	sleep_until(deadline);
	CHECK(is_high);
	CHECK_EQ(in(C), 0xf0);
	CHECK_EQ(deadline, (LEAP_DAY_S + 14 + 86400) * NS_PER_S);
}

/* Against the plain way: look at every second. */
TEST(an_alarm_with_any_fields_rings_when_a_search_says)
{
	static const uint8_t fields[][3] = {
		{ 0xff, 0xff, 0xff }, { 0xff, 0xff, 0x56 },
		{ 0xff, 0x00, 0xff }, { 0x12, 0xff, 0xff },
		{ 0x12, 0x34, 0x56 }, { 0x00, 0x00, 0x00 },
		{ 0x23, 0x59, 0x59 }, { 0xff, 0x34, 0x55 },
		{ 0x12, 0xff, 0x57 }, { 0x13, 0x34, 0xff },
		{ 0x11, 0xff, 0x00 }, { 0xff, 0x33, 0xff },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint64_t at = LEAP_DAY_S;
		struct tm tm;

		open_clock(LEAP_DAY_S);
		out(5, fields[i][0]);
		out(3, fields[i][1]);
		out(1, fields[i][2]);
		out(B, 0x22);
		do {
			time_t as_time = (time_t)++at;

			gmtime_r(&as_time, &tm);
		} while ((fields[i][0] != 0xff &&
			  tm.tm_hour != (fields[i][0] >> 4) * 10 +
						(fields[i][0] & 15)) ||
			 (fields[i][1] != 0xff &&
			  tm.tm_min != (fields[i][1] >> 4) * 10 +
					       (fields[i][1] & 15)) ||
			 (fields[i][2] != 0xff &&
			  tm.tm_sec != (fields[i][2] >> 4) * 10 +
					       (fields[i][2] & 15)));
		CHECK_EQ(deadline, at * NS_PER_S);
	}
}

TEST(an_alarm_that_cannot_be_never_rings)
{
	open_clock(LEAP_DAY_S);
	out(5, 0x25);
	out(3, 0x00);
	out(1, 0x00);

	out(B, 0x22);

	CHECK_EQ(deadline, RTC_NEVER);
	now += 90000 * NS_PER_S;
	CHECK_EQ(in(C), 0x50);
}

TEST(a_periodic_interrupt_comes_at_its_rate)
{
	open_clock(LEAP_DAY_S);
	out(A, 0x26); /* 1024 Hz */
	out(B, 0x42);

	for (int i = 1; i <= 1024; i++) {
		CHECK_EQ(deadline,
			 LEAP_DAY_S * NS_PER_S +
				 ((uint64_t)i * NS_PER_S + 1023) / 1024);
		sleep_until(deadline);
		CHECK(is_high);
		CHECK(in(C)&0x40);
		CHECK(!is_high);
	}
}

TEST(a_hostile_guest_cannot_have_us_woken_without_answering)
{
	open_clock(LEAP_DAY_S);
	out(A, 0x23); /* 8192 Hz */
	out(B, 0x72);

	for (int i = 0; i < 100000 && deadline != RTC_NEVER; i++)
		sleep_until(deadline);

	/* Update and periodic fired, and the alarm at midnight (00:00:00). */
	CHECK_EQ(deadline, RTC_NEVER);
	CHECK(rearm_calls < 10);
}

TEST(memory_is_kept_and_status_is_not_for_writing)
{
	open_clock(LEAP_DAY_S);

	out(0x0e, 0x5a);
	out(0xff, 0xa5); /* bit 7 is not of the index */
	out(D, 0);
	out(C, 0xff);

	CHECK_EQ(in(0x0e), 0x5a);
	CHECK_EQ(in(0x7f), 0xa5);
	CHECK_EQ(in(D), 0x80);
	CHECK_EQ(in(C), 0);
	CHECK_EQ(rtc_read(&rtc, 0), 0xff);
}

TEST(a_reset_keeps_time_and_memory_and_stops_interrupts)
{
	open_clock(LEAP_DAY_S);
	out(4, 0x23);
	out(0x40, 7);
	out(B, 0x12);
	sleep_until(deadline);
	CHECK(is_high);

	rtc_reset(&rtc);

	CHECK(!is_high);
	CHECK_EQ(deadline, RTC_NEVER);
	CHECK_EQ(in(4), 0x23);
	CHECK_EQ(in(0x40), 7);
}

TEST(a_clock_restored_a_week_later_is_right)
{
	struct state_writer writer;
	struct state_reader reader;

	open_clock(LEAP_DAY_S);
	out(4, 0x13); /* an hour ahead */
	out(B, 0x12);
	state_writer_init(&writer);
	rtc_save(&rtc, &writer);

	open_clock(LEAP_DAY_S + 7 * 86400);
	state_reader_init(&reader, writer.bytes, writer.used);
	rtc_restore(&rtc, &reader);

	CHECK_EQ(state_reader_result(&reader), 0);
	CHECK_EQ(in(4), 0x13);
	CHECK_EQ(in(7), 0x07);
	CHECK(is_high); /* seconds have passed */
	state_writer_release(&writer);
}

static void restore_offset(int64_t offset_s)
{
	struct state_writer writer;
	struct state_reader reader;

	open_clock(LEAP_DAY_S);
	rtc.offset_s = offset_s;
	state_writer_init(&writer);
	rtc_save(&rtc, &writer);
	open_clock(LEAP_DAY_S);

	state_reader_init(&reader, writer.bytes, writer.used);
	rtc_restore(&rtc, &reader);

	CHECK_EQ(state_reader_result(&reader), -EBADMSG);
	CHECK_EQ(in(4), 0x12);
	state_writer_release(&writer);
}

TEST(a_hostile_image_cannot_bring_a_time_beyond_the_calendar)
{
	restore_offset(INT64_MIN);
	restore_offset(INT64_MAX);
}

TEST(a_host_clock_set_back_does_no_harm)
{
	open_clock(LEAP_DAY_S);
	out(B, 0x72);

	sleep_until((LEAP_DAY_S - 1000) * NS_PER_S);

	CHECK(!is_high);
	CHECK_EQ(in(4), 0x12);
	sleep_until(deadline);
	CHECK(is_high);
}

TEST(a_hostile_guest_cannot_confuse_the_clock_by_any_access)
{
	struct bus bus = { 0 };
	uint8_t bytes[8];

	open_clock(LEAP_DAY_S);
	CHECK_EQ(rtc_attach(&rtc, &bus), 0);
	srand(1);

	for (int i = 0; i < 300000; i++) {
		uint32_t width = 1u << (rand() % 2);

		bytes[0] = (uint8_t)(rand() % 16);
		bytes[1] = (uint8_t)rand();
		bus_write(&bus, PORT_RTC, bytes, width);
		bus_read(&bus, PORT_RTC + 1, bytes, 1);
		now += (uint64_t)rand() << (rand() % 16);
		if (now >= deadline)
			rtc_tick(&rtc);
		CHECK(deadline > now || now == rtc.seen_ns || is_high);
	}
}
