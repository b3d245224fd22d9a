/* SPDX-License-Identifier: MIT */
/*
 * An MC146818: UTC, and a little memory of the guest's own (Motorola
 * MC146818A data sheet). The guest may set the time; that is an offset from
 * the host's, kept across reset and in a saved image, so that a partition
 * restored a week later reads the right time.
 *
 * All three interrupts (periodic, alarm, update) exist. The owner is told by
 * rearm() when to call rtc_tick(); a guest that does not answer an interrupt
 * causes no further ones, so it costs at most one wake-up per access.
 *
 * Trust      The guest writes any register at any time; a nonsensical date is
 *            carried over into the next fields, never looped over.
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
	/* rtc_tick() is due once, then, on the clock of now_ns(), and no more
	 * at the time said before; RTC_NEVER: not at all. */
	void (*rearm)(void *context, uint64_t deadline_ns);
	void *context;
};

struct rtc {
	struct line line;
	struct rtc_ops ops;
	int64_t offset_s;  /* the guest's time less the host's */
	uint64_t seen_ns;  /* until when flags have been computed */
	uint64_t armed_ns; /* as last told to rearm() */
	uint8_t index;     /* of the register at the data port */
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

/* The time of rearm() has come. Too early or too late does no harm. */
void rtc_tick(struct rtc *rtc);

void rtc_save(const struct rtc *rtc, struct state_writer *writer);
void rtc_restore(struct rtc *rtc, struct state_reader *reader);

#endif
