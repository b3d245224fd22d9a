/* SPDX-License-Identifier: MIT */
/*
 * An MC146818: UTC and a little non-volatile memory (Motorola MC146818A data
 * sheet). The guest may set the time, which is kept as an offset from the
 * host's, across reset and in a saved image, so that a partition restored a
 * week later reads the right time.
 *
 * All three interrupts (periodic, alarm, update) are implemented. rearm() tells
 * the owner when to call rtc_tick(); a guest that does not acknowledge an
 * interrupt causes no further ones, so it costs at most one wake-up per access.
 *
 * Trust      The guest may write any register at any time; date fields that are
 *            out of range carry into the next ones, without a loop.
 * Threads    The caller holds the board's lock.
 */
#ifndef MACHINE_RTC_H
#define MACHINE_RTC_H

#include <stdint.h>

#include "machine/bus.h"
#include "machine/line.h"
#include "machine/state.h"

#define RTC_BYTES   128
#define RTC_NEVER   UINT64_MAX
#define RTC_CENTURY 0x32 /* for the FADT */

struct rtc_ops {
	/* Nanoseconds of CLOCK_REALTIME. */
	uint64_t (*now_ns)(void *context);
	/* rtc_tick() is due once at this time on the clock of now_ns(), instead
	 * of at the time set before; RTC_NEVER: not at all. */
	void (*rearm)(void *context, uint64_t deadline_ns);
	void *context;
};

struct rtc {
	struct line line;
	struct rtc_ops ops;
	int64_t offset_s;  /* the guest's time less the host's */
	uint64_t seen_ns;  /* flags have been computed up to then */
	uint64_t armed_ns; /* as last passed to rearm() */
	uint8_t index;     /* of the register selected for the data port */
	uint8_t bytes[RTC_BYTES];
};

void rtc_init(struct rtc *rtc, const struct line *line,
	      const struct rtc_ops *ops);
int rtc_attach(struct rtc *rtc, struct bus *bus);

/* Interrupts off; time and memory stay, as with a battery. */
void rtc_reset(struct rtc *rtc);

/* Ports, by offset: 0 index, 1 data. */
uint8_t rtc_read(struct rtc *rtc, uint16_t offset);
void rtc_write(struct rtc *rtc, uint16_t offset, uint8_t value);

/* The deadline of rearm() has passed. Calling it early or late does no harm. */
void rtc_tick(struct rtc *rtc);

void rtc_save(const struct rtc *rtc, struct state_writer *writer);
void rtc_restore(struct rtc *rtc, struct state_reader *reader);

#endif
