/* SPDX-License-Identifier: MIT */
#include "machine/rtc.h"

#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "machine/layout.h"

#define STATE_VERSION 1

/* Registers and their bits (data sheet, figures 12 to 16). */
enum {
	SECONDS,
	SECONDS_ALARM,
	MINUTES,
	MINUTES_ALARM,
	HOURS,
	HOURS_ALARM,
	WEEKDAY, /* 1: Sunday */
	DAY,
	MONTH,
	YEAR,
	REGISTER_A,
	REGISTER_B,
	REGISTER_C,
	REGISTER_D,
};

#define A_UPDATING 0x80
#define A_RATE     0x0f
#define A_RUNNING  0x20 /* the usual crystal */
#define B_SET      0x80
#define B_BINARY   0x04
#define B_24_HOURS 0x02
#define C_ANY      0x80
#define C_PERIODIC 0x40 /* in B: enabled */
#define C_ALARM    0x20
#define C_UPDATE   0x10
#define C_FLAGS    0x70
#define D_VALID    0x80
#define HOURS_PM   0x80
#define ALARM_ANY  0xc0 /* a field of it and above matches everything */
#define INDEX_MASK 0x7f

#define UPDATE_NS  244000ull /* before each second, data sheet table 6 */
#define DAY_S      86400
#define OFFSET_MAX 1000000000000ll

struct date {
	int64_t year;
	uint32_t month, day, weekday; /* from 1 */
	uint32_t hour, minute, second;
};

/* Days since 1970-01-01 of the civil calendar; `month` from 0 may exceed 11,
 * and any day of it will do. Years begin in March, so leap days come last. */
static int64_t days_of(int64_t year, uint32_t month, uint32_t day)
{
	int64_t era, of_era, march_month;

	year += month / 12;
	month %= 12;
	march_month = (month + 10) % 12;
	if (month < 2)
		year--;
	era = year / 400;
	of_era = year % 400;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       (153 * march_month + 2) / 5 + (int64_t)day - 1 - 719468;
}

static int64_t seconds_of(const struct date *date)
{
	return days_of(date->year, date->month - 1, date->day) * DAY_S +
	       date->hour * 3600 + date->minute * 60 + date->second;
}

/* The other way round; for times after the year 0. */
static struct date date_of(int64_t seconds)
{
	int64_t days = seconds / DAY_S - (seconds % DAY_S < 0);
	uint32_t rest = (uint32_t)(seconds - days * DAY_S);
	int64_t shifted = days + 719468;
	int64_t era = shifted / 146097;
	uint32_t of_era = (uint32_t)(shifted % 146097);
	uint32_t year =
		(of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) /
		365;
	uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint32_t march_month = (5 * of_year + 2) / 153;
	uint32_t month = march_month < 10 ? march_month + 3 : march_month - 9;

	return (struct date){
		.year = era * 400 + year + (month <= 2),
		.month = month,
		.day = of_year - (153 * march_month + 2) / 5 + 1,
		.weekday = (uint32_t)((days % 7 + 11) % 7) + 1,
		.hour = rest / 3600,
		.minute = rest / 60 % 60,
		.second = rest % 60,
	};
}

static uint8_t encode(const struct rtc *rtc, uint32_t value)
{
	if (rtc->bytes[REGISTER_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static uint32_t decode(const struct rtc *rtc, uint8_t byte)
{
	if (rtc->bytes[REGISTER_B] & B_BINARY)
		return byte;
	return (byte >> 4) * 10u + (byte & 15);
}

static uint8_t encode_hour(const struct rtc *rtc, uint32_t hour)
{
	if (rtc->bytes[REGISTER_B] & B_24_HOURS)
		return encode(rtc, hour);
	return encode(rtc, (hour + 11) % 12 + 1) | (hour < 12 ? 0 : HOURS_PM);
}

static uint32_t decode_hour(const struct rtc *rtc, uint8_t byte)
{
	if (rtc->bytes[REGISTER_B] & B_24_HOURS)
		return decode(rtc, byte);
	return decode(rtc, byte & (uint8_t)~HOURS_PM) % 12 +
	       (byte & HOURS_PM ? 12 : 0);
}

static bool is_set_by_guest(const struct rtc *rtc)
{
	return (rtc->bytes[REGISTER_B] & B_SET) != 0;
}

static uint64_t now_ns(const struct rtc *rtc)
{
	return rtc->ops.now_ns(rtc->ops.context);
}

static int64_t guest_seconds(const struct rtc *rtc, uint64_t at_ns)
{
	return (int64_t)(at_ns / NS_PER_S) + rtc->offset_s;
}

/* Time into registers, unless the guest holds them still. */
static void show_time(struct rtc *rtc)
{
	struct date date;

	if (is_set_by_guest(rtc))
		return;
	date = date_of(guest_seconds(rtc, now_ns(rtc)));
	rtc->bytes[SECONDS] = encode(rtc, date.second);
	rtc->bytes[MINUTES] = encode(rtc, date.minute);
	rtc->bytes[HOURS] = encode_hour(rtc, date.hour);
	rtc->bytes[WEEKDAY] = encode(rtc, date.weekday);
	rtc->bytes[DAY] = encode(rtc, date.day);
	rtc->bytes[MONTH] = encode(rtc, date.month);
	rtc->bytes[YEAR] = encode(rtc, (uint32_t)(date.year % 100));
	rtc->bytes[RTC_CENTURY] =
		encode(rtc, (uint32_t)(date.year / 100 % 100));
}

/* Registers into time. A month of 0 counts as January. */
static void take_time(struct rtc *rtc)
{
	uint32_t month = decode(rtc, rtc->bytes[MONTH]);
	struct date date = {
		.year = decode(rtc, rtc->bytes[RTC_CENTURY]) * 100ll +
			decode(rtc, rtc->bytes[YEAR]),
		.month = month == 0 ? 1 : month,
		.day = decode(rtc, rtc->bytes[DAY]),
		.hour = decode_hour(rtc, rtc->bytes[HOURS]),
		.minute = decode(rtc, rtc->bytes[MINUTES]),
		.second = decode(rtc, rtc->bytes[SECONDS]),
	};

	/* Only so that date_of() never sees a time before the year 0. */
	if (date.year < 1)
		date.year = 1;
	rtc->offset_s = seconds_of(&date) - (int64_t)(now_ns(rtc) / NS_PER_S);
}

/* The smallest value of an alarm's field from `from` on; `limit` if none. */
static uint32_t next_match(uint32_t alarm, uint32_t from, uint32_t limit)
{
	if (alarm == UINT32_MAX)
		return from;
	return alarm >= from && alarm < limit ? alarm : limit;
}

struct alarm {
	uint32_t hour, minute, second; /* UINT32_MAX: any */
};

static struct alarm read_alarm(const struct rtc *rtc)
{
	uint8_t hour = rtc->bytes[HOURS_ALARM];
	uint8_t minute = rtc->bytes[MINUTES_ALARM];
	uint8_t second = rtc->bytes[SECONDS_ALARM];

	return (struct alarm){
		.hour = hour >= ALARM_ANY ? UINT32_MAX : decode_hour(rtc, hour),
		.minute =
			minute >= ALARM_ANY ? UINT32_MAX : decode(rtc, minute),
		.second =
			second >= ALARM_ANY ? UINT32_MAX : decode(rtc, second),
	};
}

/* The first second of a day, from `from` on, at which it rings; DAY_S: none.
 * One field after the other, each carried into the one above it. */
static uint32_t next_ring_of_day(const struct alarm *alarm, uint32_t from)
{
	uint32_t hour = from / 3600, minute = from / 60 % 60;
	uint32_t second = next_match(alarm->second, from % 60, 60);
	uint32_t found;

	if (second == 60) {
		second = next_match(alarm->second, 0, 60);
		minute++;
	}
	found = next_match(alarm->minute, minute, 60);
	if (found != minute)
		second = next_match(alarm->second, 0, 60);
	minute = found;
	if (minute >= 60) {
		minute = next_match(alarm->minute, 0, 60);
		hour++;
	}
	found = next_match(alarm->hour, hour, 24);
	if (found != hour) {
		minute = next_match(alarm->minute, 0, 60);
		second = next_match(alarm->second, 0, 60);
	}
	if (found >= 24 || minute >= 60 || second >= 60)
		return DAY_S;
	return found * 3600 + minute * 60 + second;
}

/* The guest's second at which the alarm rings next, after `after`. */
static int64_t next_ring(const struct rtc *rtc, int64_t after)
{
	struct alarm alarm = read_alarm(rtc);
	int64_t from = after + 1;
	int64_t day = from / DAY_S - (from % DAY_S < 0);
	uint32_t at = next_ring_of_day(&alarm, (uint32_t)(from - day * DAY_S));

	if (at < DAY_S)
		return day * DAY_S + at;
	at = next_ring_of_day(&alarm, 0);
	return at < DAY_S ? (day + 1) * DAY_S + at : INT64_MAX;
}

/* Of the periodic interrupt; 0: none. Rates 1 and 2 repeat 8 and 9. */
static uint32_t periodic_hz(const struct rtc *rtc)
{
	uint32_t rate = rtc->bytes[REGISTER_A] & A_RATE;

	if (rate == 0)
		return 0;
	return 32768u >> ((rate < 3 ? rate + 7 : rate) - 1);
}

static uint64_t periods_until(uint64_t at_ns, uint32_t hz)
{
	return at_ns / NS_PER_S * hz + at_ns % NS_PER_S * hz / NS_PER_S;
}

static uint64_t next_period_ns(uint64_t after_ns, uint32_t hz)
{
	uint64_t next = periods_until(after_ns, hz) + 1;

	return next / hz * NS_PER_S + (next % hz * NS_PER_S + hz - 1) / hz;
}

/* Flags for what happened since they were computed last. */
static void update_flags(struct rtc *rtc)
{
	uint64_t now = now_ns(rtc), seen = rtc->seen_ns;
	uint32_t hz = periodic_hz(rtc);
	uint8_t *flags = &rtc->bytes[REGISTER_C];

	rtc->seen_ns = now;
	if (now <= seen) /* the host's clock was set back */
		return;
	if (hz != 0 && periods_until(now, hz) != periods_until(seen, hz))
		*flags |= C_PERIODIC;
	if (is_set_by_guest(rtc) || now / NS_PER_S == seen / NS_PER_S)
		return;
	*flags |= C_UPDATE;
	if (next_ring(rtc, guest_seconds(rtc, seen)) <= guest_seconds(rtc, now))
		*flags |= C_ALARM;
}

static bool is_awaited(const struct rtc *rtc, uint8_t flag)
{
	return (rtc->bytes[REGISTER_B] & flag) != 0 &&
	       (rtc->bytes[REGISTER_C] & flag) == 0;
}

static uint64_t alarm_ns(const struct rtc *rtc)
{
	int64_t at = next_ring(rtc, guest_seconds(rtc, rtc->seen_ns));

	if (at == INT64_MAX)
		return RTC_NEVER;
	return (uint64_t)(at - rtc->offset_s) * NS_PER_S;
}

/* The next interrupt. A flag that stands already brings no further one. */
static uint64_t deadline_ns(const struct rtc *rtc)
{
	uint32_t hz = periodic_hz(rtc);
	uint64_t deadline = RTC_NEVER;

	if (hz != 0 && is_awaited(rtc, C_PERIODIC))
		deadline = next_period_ns(rtc->seen_ns, hz);
	if (is_set_by_guest(rtc))
		return deadline;
	if (is_awaited(rtc, C_UPDATE))
		deadline = min_u64(deadline,
				   (rtc->seen_ns / NS_PER_S + 1) * NS_PER_S);
	if (is_awaited(rtc, C_ALARM))
		deadline = min_u64(deadline, alarm_ns(rtc));
	return deadline;
}

static void settle(struct rtc *rtc)
{
	uint8_t *flags = &rtc->bytes[REGISTER_C];
	bool is_due = (*flags & rtc->bytes[REGISTER_B] & C_FLAGS) != 0;
	uint64_t deadline = deadline_ns(rtc);

	*flags = (*flags & C_FLAGS) | (is_due ? C_ANY : 0);
	line_set(&rtc->line, is_due);
	if (deadline == rtc->armed_ns)
		return;
	rtc->armed_ns = deadline;
	rtc->ops.rearm(rtc->ops.context, deadline);
}

static bool is_time(uint8_t index)
{
	return index == RTC_CENTURY ||
	       (index <= YEAR && index != SECONDS_ALARM &&
		index != MINUTES_ALARM && index != HOURS_ALARM);
}

static bool is_updating(const struct rtc *rtc)
{
	return !is_set_by_guest(rtc) &&
	       now_ns(rtc) % NS_PER_S >= NS_PER_S - UPDATE_NS;
}

static uint8_t read_register(struct rtc *rtc)
{
	uint8_t value;

	if (is_time(rtc->index))
		show_time(rtc);
	value = rtc->bytes[rtc->index];
	if (rtc->index == REGISTER_A && is_updating(rtc))
		value |= A_UPDATING;
	if (rtc->index == REGISTER_C)
		rtc->bytes[REGISTER_C] = 0;
	return value;
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	bool was_set = is_set_by_guest(rtc);

	show_time(rtc);
	if (was_set && !(value & B_SET))
		take_time(rtc);
	rtc->bytes[REGISTER_B] = value;
}

static void write_register(struct rtc *rtc, uint8_t value)
{
	if (is_time(rtc->index)) {
		show_time(rtc);
		rtc->bytes[rtc->index] = value;
		if (!is_set_by_guest(rtc))
			take_time(rtc);
	} else if (rtc->index == REGISTER_A) {
		rtc->bytes[REGISTER_A] = value & (uint8_t)~A_UPDATING;
	} else if (rtc->index == REGISTER_B) {
		write_b(rtc, value);
	} else if (rtc->index != REGISTER_C && rtc->index != REGISTER_D) {
		rtc->bytes[rtc->index] = value;
	}
}

uint8_t rtc_read(struct rtc *rtc, uint16_t offset)
{
	uint8_t value;

	if (offset == 0)
		return 0xff; /* the index cannot be read */
	update_flags(rtc);
	settle(rtc);
	value = read_register(rtc);
	settle(rtc);
	return value;
}

void rtc_write(struct rtc *rtc, uint16_t offset, uint8_t value)
{
	if (offset == 0) {
		rtc->index = value & INDEX_MASK; /* bit 7 masks the NMI */
		return;
	}
	update_flags(rtc);
	write_register(rtc, value);
	settle(rtc);
}

void rtc_tick(struct rtc *rtc)
{
	rtc->armed_ns = RTC_NEVER;
	update_flags(rtc);
	settle(rtc);
}

static uint8_t read_byte(void *rtc, uint16_t offset)
{
	return rtc_read(rtc, offset);
}

static void write_byte(void *rtc, uint16_t offset, uint8_t value)
{
	rtc_write(rtc, offset, value);
}

int rtc_attach(struct rtc *rtc, struct bus *bus)
{
	static const struct bus_ops ops = { .read_byte = read_byte,
					    .write_byte = write_byte };
	const struct bus_range range = { .base = PORT_RTC,
					 .bytes = PORT_RTC_COUNT,
					 .ops = &ops,
					 .device = rtc };

	return bus_add(bus, &range);
}

void rtc_init(struct rtc *rtc, const struct line *line,
	      const struct rtc_ops *ops)
{
	memset(rtc, 0, sizeof(*rtc));
	rtc->line = *line;
	rtc->ops = *ops;
	rtc->armed_ns = RTC_NEVER;
	rtc->seen_ns = now_ns(rtc);
	rtc->bytes[REGISTER_A] = A_RUNNING | 6; /* 1024 Hz, as firmware does */
	rtc->bytes[REGISTER_B] = B_24_HOURS;
	rtc->bytes[REGISTER_D] = D_VALID;
}

void rtc_reset(struct rtc *rtc)
{
	/* Data sheet, "RESET": nothing else changes. */
	rtc->bytes[REGISTER_B] &= (uint8_t)~C_FLAGS;
	rtc->bytes[REGISTER_C] = 0;
	rtc->index = 0;
	settle(rtc);
}

void rtc_save(const struct rtc *rtc, struct state_writer *writer)
{
	state_begin(writer, STATE_RTC, STATE_VERSION);
	state_put_u64(writer, (uint64_t)rtc->offset_s);
	state_put_u64(writer, rtc->seen_ns);
	state_put_u8(writer, rtc->index);
	state_put(writer, rtc->bytes, sizeof(rtc->bytes));
	state_end(writer);
}

void rtc_restore(struct rtc *rtc, struct state_reader *reader)
{
	(void)state_enter(reader, STATE_RTC, STATE_VERSION);
	rtc->offset_s = (int64_t)state_get_u64(reader);
	rtc->seen_ns = state_get_u64(reader);
	rtc->index = state_get_u8(reader) & INDEX_MASK;
	state_get(reader, rtc->bytes, sizeof(rtc->bytes));
	state_leave(reader);
	if (rtc->offset_s < -OFFSET_MAX || rtc->offset_s > OFFSET_MAX) {
		rtc->offset_s = 0;
		state_refuse(reader);
	}
	rtc->seen_ns = min_u64(rtc->seen_ns, now_ns(rtc));
	update_flags(rtc);
	settle(rtc);
	line_repeat(&rtc->line);
}
