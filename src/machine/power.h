/* SPDX-License-Identifier: MIT */
/*
 * Power off, reset, panic notification and the power button: the sleep
 * registers of hardware-reduced ACPI (6.4, 4.8.3.7), its reset register
 * (4.8.3.6), the registers behind the generic event device (5.6.9), the legacy
 * ways to reset (keyboard controller, port 0xcf9), and a pvpanic like QEMU's.
 *
 * Trust      The guest may write anything; values without a meaning are
 *            ignored.
 * Threads    The caller holds the board's lock; happened() is called with it
 *            held on a vCPU's exit path, so it must only take note.
 */
#ifndef MACHINE_POWER_H
#define MACHINE_POWER_H

#include <stdint.h>

#include "machine/bus.h"
#include "machine/line.h"
#include "machine/state.h"

/* Within one of PCI's ports, which passes it on. */
#define PORT_RESET_CONTROL 0xcf9

enum power_event {
	POWER_OFF,
	POWER_RESET,
	POWER_PANIC,        /* the guest stays as it is */
	POWER_CRASH_KERNEL, /* panicked, and a kernel of its own takes over */
};

struct power_ops {
	void (*happened)(void *context, enum power_event event);
	void *context;
};

#define POWER_PORT_COUNT 6

/* One range of ports, for the bus. */
struct power_port {
	struct power *power;
	uint16_t base;
};

struct power {
	struct line line;
	struct power_ops ops;
	uint8_t events; /* pending; the line is high while any is */
	struct power_port ports[POWER_PORT_COUNT];
};

void power_init(struct power *power, const struct line *line,
		const struct power_ops *ops);
int power_attach(struct power *power, struct bus *bus);
void power_reset(struct power *power);

/* Press the button; no effect while a press is still pending. */
void power_press_button(struct power *power);

/* By port number: the ports that power_attach() claims, and
 * PORT_RESET_CONTROL. */
void power_write(struct power *power, uint16_t port, uint8_t value);

void power_save(const struct power *power, struct state_writer *writer);
void power_restore(struct power *power, struct state_reader *reader);

#endif
