/* SPDX-License-Identifier: MIT */
#include "machine/power.h"

#include "base/count.h"
#include "machine/layout.h"

#define STATE_VERSION 1

/* ACPI 6.4, table 4.22. */
#define SLEEP_ENABLE     0x20
#define SLEEP_TYPE(byte) ((byte) >> 2 & 7)

#define I8042_RESET       0xfe /* pulse output line 0 */
#define RESET_CONTROL_CPU 0x04 /* of port 0xcf9: reset now */

/* As in QEMU's docs/specs/pvpanic. */
#define PANICKED     0x01
#define CRASH_LOADED 0x02

static void tell(const struct power *power, enum power_event event)
{
	power->ops.happened(power->ops.context, event);
}

static void write_panic(const struct power *power, uint8_t value)
{
	if (value & PANICKED)
		tell(power, POWER_PANIC);
	else if (value & CRASH_LOADED)
		tell(power, POWER_CRASH_KERNEL);
}

static void write_sleep(const struct power *power, uint8_t value)
{
	if ((value & SLEEP_ENABLE) && SLEEP_TYPE(value) == SLEEP_TYPE_OFF)
		tell(power, POWER_OFF);
}

static void acknowledge(struct power *power, uint8_t events)
{
	power->events &= (uint8_t)~events;
	line_set(&power->line, power->events != 0);
}

/*
 * The keyboard controller is there for its reset alone: it never has data and
 * never is busy, so that nobody waits for it.
 */
static uint8_t power_read(const struct power *power, uint16_t port)
{
	switch (port) {
	case PORT_EVENTS:
		return power->events;
	case PORT_PVPANIC:
		return PANICKED | CRASH_LOADED;
	default:
		return 0;
	}
}

void power_write(struct power *power, uint16_t port, uint8_t value)
{
	switch (port) {
	case PORT_SLEEP:
		write_sleep(power, value);
		break;
	case PORT_EVENTS:
		acknowledge(power, value);
		break;
	case PORT_RESET:
		if (value == RESET_VALUE)
			tell(power, POWER_RESET);
		break;
	case PORT_I8042:
		if (value == I8042_RESET)
			tell(power, POWER_RESET);
		break;
	case PORT_RESET_CONTROL:
		if (value & RESET_CONTROL_CPU)
			tell(power, POWER_RESET);
		break;
	case PORT_PVPANIC:
		write_panic(power, value);
		break;
	default:
		break;
	}
}

void power_press_button(struct power *power)
{
	power->events |= EVENT_POWER_BUTTON;
	line_set(&power->line, true);
}

static uint8_t read_byte(void *device, uint16_t offset)
{
	const struct power_port *port = device;

	return power_read(port->power, port->base + offset);
}

static void write_byte(void *device, uint16_t offset, uint8_t value)
{
	const struct power_port *port = device;

	power_write(port->power, port->base + offset, value);
}

int power_attach(struct power *power, struct bus *bus)
{
	static const struct bus_ops ops = { .read_byte = read_byte,
					    .write_byte = write_byte };
	static const struct {
		uint16_t base;
		uint16_t count;
	} places[POWER_PORT_COUNT] = {
		{ PORT_SLEEP, 2 }, { PORT_EVENTS, 1 },     { PORT_RESET, 1 },
		{ PORT_I8042, 1 }, { PORT_I8042_DATA, 1 }, { PORT_PVPANIC, 1 },
	};
	int r = 0;

	for (uint32_t i = 0; i < ARRAY_COUNT(places) && r == 0; i++) {
		const struct bus_range range = { .base = places[i].base,
						 .bytes = places[i].count,
						 .ops = &ops,
						 .device = &power->ports[i] };

		power->ports[i].power = power;
		power->ports[i].base = places[i].base;
		r = bus_add(bus, &range);
	}
	return r;
}

void power_init(struct power *power, const struct line *line,
		const struct power_ops *ops)
{
	*power = (struct power){ .line = *line, .ops = *ops };
}

void power_reset(struct power *power)
{
	acknowledge(power, 0xff);
}

void power_save(const struct power *power, struct state_writer *writer)
{
	state_begin(writer, STATE_ACPI, STATE_VERSION);
	state_put_u8(writer, power->events);
	state_end(writer);
}

void power_restore(struct power *power, struct state_reader *reader)
{
	(void)state_enter(reader, STATE_ACPI, STATE_VERSION);
	power->events = state_get_u8(reader) & EVENT_POWER_BUTTON;
	state_leave(reader);
	power->line.is_high = power->events != 0;
	line_repeat(&power->line);
}
