/* SPDX-License-Identifier: MIT */
#include "machine/serial.h"

#include <linux/serial_reg.h>
#include <string.h>

#include "machine/layout.h"

#define STATE_VERSION 1

/* linux/serial_reg.h has the bits; these are what it leaves out. */
#define IIR_FIFO_ENABLED 0xc0
#define IIR_TIMEOUT      0x0c
#define FCR_KEPT         (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK)
#define IER_USED         0x0f
#define MCR_USED         0x1f
#define LSR_IDLE         (UART_LSR_THRE | UART_LSR_TEMT)
/* The cable: carrier, and a peer that is ready and lets us send. */
#define MSR_CONNECTED (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

static bool has_fifos(const struct serial *serial)
{
	return (serial->fifo_control & UART_FCR_ENABLE_FIFO) != 0;
}

static bool is_looped(const struct serial *serial)
{
	return (serial->modem_control & UART_MCR_LOOP) != 0;
}

static uint8_t capacity(const struct serial *serial)
{
	return has_fifos(serial) ? SERIAL_FIFO_BYTES : 1;
}

static uint8_t fifo_take(struct serial_fifo *fifo)
{
	uint8_t byte = fifo->bytes[0];

	if (fifo->count == 0)
		return 0;
	fifo->count--;
	memmove(fifo->bytes, fifo->bytes + 1, fifo->count);
	return byte;
}

static uint8_t trigger_level(const struct serial *serial)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return levels[serial->fifo_control >> 6];
}

/*
 * The interrupt to name, by priority (data sheet, table IV). No time passes
 * here, so input short of the trigger level has timed out already.
 */
static uint8_t pending_interrupt(const struct serial *serial)
{
	uint8_t enabled = serial->interrupt_enable;

	if ((enabled & UART_IER_RLSI) && serial->has_overrun)
		return UART_IIR_RLSI;
	if ((enabled & UART_IER_RDI) && serial->input.count > 0)
		return has_fifos(serial) && serial->input.count <
						    trigger_level(serial)
			       ? IIR_TIMEOUT
			       : UART_IIR_RDI;
	if ((enabled & UART_IER_THRI) && serial->is_empty_pending)
		return UART_IIR_THRI;
	if ((enabled & UART_IER_MSI) && serial->modem_changes != 0)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

static void update_line(struct serial *serial)
{
	line_set(&serial->line, pending_interrupt(serial) != UART_IIR_NO_INT);
}

/* The upper half of the modem status. In loopback the outputs come back. */
static uint8_t modem_lines(const struct serial *serial)
{
	uint8_t out = serial->modem_control;

	if (!is_looped(serial))
		return MSR_CONNECTED;
	return (uint8_t)((out & UART_MCR_RTS ? UART_MSR_CTS : 0) |
			 (out & UART_MCR_DTR ? UART_MSR_DSR : 0) |
			 (out & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
			 (out & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
}

static void set_modem_control(struct serial *serial, uint8_t value)
{
	uint8_t before = modem_lines(serial);
	bool was_looped = is_looped(serial);
	uint8_t changed;

	serial->modem_control = value & MCR_USED;
	changed = before ^ modem_lines(serial);
	/* Ring tells of its end only (8.6.5, TERI). */
	if ((changed & UART_MSR_RI) && !(before & UART_MSR_RI))
		changed &= (uint8_t)~UART_MSR_RI;
	serial->modem_changes |= changed >> 4;
	if (was_looped && !is_looped(serial) && serial->input.count == 0)
		serial->ops.room(serial->ops.context);
}

static void receive(struct serial *serial, uint8_t byte)
{
	/* A line restored may hold more than one without FIFOs takes. */
	if (serial->input.count >= capacity(serial)) {
		serial->has_overrun = true;
		return;
	}
	serial->input.bytes[serial->input.count++] = byte;
}

static uint8_t take_input(struct serial *serial)
{
	bool had_any = serial->input.count > 0;
	uint8_t byte = fifo_take(&serial->input);

	if (had_any && serial->input.count == 0 && !is_looped(serial))
		serial->ops.room(serial->ops.context);
	return byte;
}

static void transmit(struct serial *serial, uint8_t byte)
{
	serial->is_empty_pending = false;
	if (is_looped(serial)) {
		receive(serial, byte);
		serial->is_empty_pending = true;
		return;
	}
	if (serial->output.count < capacity(serial))
		serial->output.bytes[serial->output.count++] = byte;
	serial_send(serial);
}

static void set_fifo_control(struct serial *serial, uint8_t value)
{
	bool is_switched =
		((value ^ serial->fifo_control) & UART_FCR_ENABLE_FIFO) != 0;

	serial->fifo_control = value & FCR_KEPT;
	if (is_switched || (value & UART_FCR_CLEAR_XMIT)) {
		serial->is_empty_pending |= serial->output.count > 0;
		serial->output.count = 0;
	}
	if ((is_switched || (value & UART_FCR_CLEAR_RCVR)) &&
	    serial->input.count > 0) {
		serial->input.count = 0;
		serial->ops.room(serial->ops.context);
	}
}

/* Asking for the interrupt while there is nothing to send raises it. */
static void set_interrupt_enable(struct serial *serial, uint8_t value)
{
	uint8_t added = value & (uint8_t)~serial->interrupt_enable;

	serial->interrupt_enable = value & IER_USED;
	if ((added & UART_IER_THRI) && serial->output.count == 0)
		serial->is_empty_pending = true;
}

static uint8_t read_interrupt(struct serial *serial)
{
	uint8_t pending = pending_interrupt(serial);

	if (pending == UART_IIR_THRI)
		serial->is_empty_pending = false;
	return pending | (has_fifos(serial) ? IIR_FIFO_ENABLED : 0);
}

static uint8_t read_line_status(struct serial *serial)
{
	uint8_t status = serial->output.count == 0 ? LSR_IDLE : 0;

	if (serial->input.count > 0)
		status |= UART_LSR_DR;
	if (serial->has_overrun)
		status |= UART_LSR_OE;
	serial->has_overrun = false;
	return status;
}

static uint8_t read_modem_status(struct serial *serial)
{
	uint8_t status = modem_lines(serial) | serial->modem_changes;

	serial->modem_changes = 0;
	return status;
}

static uint8_t read_divisor(const struct serial *serial, uint16_t offset)
{
	return (uint8_t)(serial->divisor >> (offset == UART_DLM ? 8 : 0));
}

static void write_divisor(struct serial *serial, uint16_t offset, uint8_t value)
{
	if (offset == UART_DLM)
		serial->divisor =
			(uint16_t)(value << 8) | (serial->divisor & 0xff);
	else
		serial->divisor = (serial->divisor & 0xff00) | value;
}

static bool names_divisor(const struct serial *serial, uint16_t offset)
{
	return (serial->line_control & UART_LCR_DLAB) != 0 &&
	       (offset == UART_DLL || offset == UART_DLM);
}

static uint8_t read_register(struct serial *serial, uint16_t offset)
{
	if (names_divisor(serial, offset))
		return read_divisor(serial, offset);
	switch (offset) {
	case UART_RX:
		return take_input(serial);
	case UART_IER:
		return serial->interrupt_enable;
	case UART_IIR:
		return read_interrupt(serial);
	case UART_LCR:
		return serial->line_control;
	case UART_MCR:
		return serial->modem_control;
	case UART_LSR:
		return read_line_status(serial);
	case UART_MSR:
		return read_modem_status(serial);
	case UART_SCR:
		return serial->scratch;
	default:
		return 0xff;
	}
}

static void write_register(struct serial *serial, uint16_t offset,
			   uint8_t value)
{
	if (names_divisor(serial, offset)) {
		write_divisor(serial, offset, value);
		return;
	}
	switch (offset) {
	case UART_TX:
		transmit(serial, value);
		break;
	case UART_IER:
		set_interrupt_enable(serial, value);
		break;
	case UART_FCR:
		set_fifo_control(serial, value);
		break;
	case UART_LCR:
		serial->line_control = value;
		break;
	case UART_MCR:
		set_modem_control(serial, value);
		break;
	case UART_SCR:
		serial->scratch = value;
		break;
	default:
		break; /* the status registers are not for writing */
	}
}

uint8_t serial_read(struct serial *serial, uint16_t offset)
{
	uint8_t value = read_register(serial, offset);

	update_line(serial);
	return value;
}

void serial_write(struct serial *serial, uint16_t offset, uint8_t value)
{
	write_register(serial, offset, value);
	update_line(serial);
}

size_t serial_push(struct serial *serial, const uint8_t *bytes, size_t count)
{
	size_t taken = 0;

	if (is_looped(serial))
		return 0;
	while (taken < count && serial->input.count < capacity(serial))
		receive(serial, bytes[taken++]);
	update_line(serial);
	return taken;
}

void serial_send(struct serial *serial)
{
	uint8_t sent = 0;

	while (sent < serial->output.count &&
	       serial->ops.put(serial->ops.context, serial->output.bytes[sent]))
		sent++;
	serial->output.count -= sent;
	memmove(serial->output.bytes, serial->output.bytes + sent,
		serial->output.count);
	if (sent > 0 && serial->output.count == 0)
		serial->is_empty_pending = true;
	update_line(serial);
}

static uint8_t read_byte(void *serial, uint16_t offset)
{
	return serial_read(serial, offset);
}

static void write_byte(void *serial, uint16_t offset, uint8_t value)
{
	serial_write(serial, offset, value);
}

int serial_attach(struct serial *serial, struct bus *bus)
{
	static const struct bus_ops ops = { .read_byte = read_byte,
					    .write_byte = write_byte };
	const struct bus_range range = { .base = PORT_SERIAL,
					 .bytes = PORT_SERIAL_COUNT,
					 .ops = &ops,
					 .device = serial };

	return bus_add(bus, &range);
}

void serial_init(struct serial *serial, const struct line *line,
		 const struct serial_ops *ops)
{
	memset(serial, 0, sizeof(*serial));
	serial->line = *line;
	serial->ops = *ops;
	serial_reset(serial);
}

void serial_reset(struct serial *serial)
{
	struct line line = serial->line;
	struct serial_ops ops = serial->ops;

	memset(serial, 0, sizeof(*serial));
	serial->line = line;
	serial->ops = ops;
	serial->divisor = 12; /* 9600 baud, as firmware leaves it */
	update_line(serial);
}

static void save_fifo(const struct serial_fifo *fifo,
		      struct state_writer *writer)
{
	state_put_u8(writer, fifo->count);
	state_put(writer, fifo->bytes, sizeof(fifo->bytes));
}

static void restore_fifo(struct serial_fifo *fifo, struct state_reader *reader)
{
	fifo->count = state_get_u8(reader);
	state_get(reader, fifo->bytes, sizeof(fifo->bytes));
	if (fifo->count <= SERIAL_FIFO_BYTES)
		return;
	fifo->count = 0;
	state_refuse(reader);
}

void serial_save(const struct serial *serial, struct state_writer *writer)
{
	state_begin(writer, STATE_SERIAL, STATE_VERSION);
	save_fifo(&serial->input, writer);
	save_fifo(&serial->output, writer);
	state_put_u16(writer, serial->divisor);
	state_put_u8(writer, serial->interrupt_enable);
	state_put_u8(writer, serial->fifo_control);
	state_put_u8(writer, serial->line_control);
	state_put_u8(writer, serial->modem_control);
	state_put_u8(writer, serial->modem_changes);
	state_put_u8(writer, serial->scratch);
	state_put_u8(writer, serial->has_overrun);
	state_put_u8(writer, serial->is_empty_pending);
	state_end(writer);
}

void serial_restore(struct serial *serial, struct state_reader *reader)
{
	(void)state_enter(reader, STATE_SERIAL, STATE_VERSION);
	restore_fifo(&serial->input, reader);
	restore_fifo(&serial->output, reader);
	serial->divisor = state_get_u16(reader);
	serial->interrupt_enable = state_get_u8(reader) & IER_USED;
	serial->fifo_control = state_get_u8(reader) & FCR_KEPT;
	serial->line_control = state_get_u8(reader);
	serial->modem_control = state_get_u8(reader) & MCR_USED;
	serial->modem_changes = state_get_u8(reader) & 0x0f;
	serial->scratch = state_get_u8(reader);
	serial->has_overrun = state_get_u8(reader) != 0;
	serial->is_empty_pending = state_get_u8(reader) != 0;
	state_leave(reader);
	serial->line.is_high = pending_interrupt(serial) != UART_IIR_NO_INT;
	line_repeat(&serial->line);
}
