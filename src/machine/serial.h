/* SPDX-License-Identifier: MIT */
/*
 * A 16550A, the guest's console in early boot and in a crash (National
 * Semiconductor PC16550D data sheet, 8.0). Timing is not emulated: a byte is
 * sent as soon as it is written, whatever the divisor.
 *
 * Output goes to put(), which may have no room. The byte then stays in the
 * transmitter, as the line status shows until serial_send(), and the guest
 * waits as it would for a slow line: no processor is ever blocked. The owner
 * pushes input as far as there is room.
 *
 * Trust      The guest may write any register at any time. A byte written to a
 *            full transmitter is lost, as on real hardware.
 * Threads    The caller holds the board's lock. put() and room() are called
 *            with it held.
 */
#ifndef MACHINE_SERIAL_H
#define MACHINE_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine/bus.h"
#include "machine/line.h"
#include "machine/state.h"

#define SERIAL_FIFO_BYTES 16

struct serial_ops {
	/* Send one byte; false: no room, serial_send() will be called. */
	bool (*put)(void *context, uint8_t byte);
	/* The guest has taken all input: more may be pushed. */
	void (*room)(void *context);
	void *context;
};

struct serial_fifo {
	uint8_t bytes[SERIAL_FIFO_BYTES];
	uint8_t count;
};

struct serial {
	struct line line;
	struct serial_ops ops;
	struct serial_fifo input;
	struct serial_fifo output;
	uint16_t divisor;
	uint8_t interrupt_enable;
	uint8_t fifo_control;
	uint8_t line_control;
	uint8_t modem_control;
	uint8_t modem_changes; /* delta bits of the modem status */
	uint8_t scratch;
	bool has_overrun;
	bool is_empty_pending; /* the transmitter-empty interrupt is due */
};

void serial_init(struct serial *serial, const struct line *line,
		 const struct serial_ops *ops);
int serial_attach(struct serial *serial, struct bus *bus);

/* The state after a reset; pending input and output are dropped. */
void serial_reset(struct serial *serial);

/* Registers, by offset from the base, 0 to 7. */
uint8_t serial_read(struct serial *serial, uint16_t offset);
void serial_write(struct serial *serial, uint16_t offset, uint8_t value);

/* Receive; returns how many bytes were taken. */
size_t serial_push(struct serial *serial, const uint8_t *bytes, size_t count);

/* put() has room again. */
void serial_send(struct serial *serial);

void serial_save(const struct serial *serial, struct state_writer *writer);
void serial_restore(struct serial *serial, struct state_reader *reader);

#endif
