/* SPDX-License-Identifier: MIT */
#include "machine/power.h"

#include <stdlib.h>

#include "lib/harness.h"
#include "machine/layout.h"

static struct power power;
static struct bus bus;
static bool is_high;
static int happened[8];
static int happened_count;

static void set_line(void *context, uint32_t gsi, bool level)
{
	CHECK_EQ(gsi, GSI_EVENTS);
	is_high = level;
}

static void note(void *context, enum power_event event)
{
	happened[happened_count++ % 8] = (int)event;
}

static void open_ports(void)
{
	const struct line line = { .set = set_line, .gsi = GSI_EVENTS };
	const struct power_ops ops = { .happened = note };

	power_init(&power, &line, &ops);
	CHECK_EQ(power_attach(&power, &bus), 0);
}

static void out(uint16_t port, uint8_t value)
{
	bus_write(&bus, port, &value, 1);
}

static uint8_t in(uint16_t port)
{
	uint8_t value;

	bus_read(&bus, port, &value, 1);
	return value;
}

TEST(sleep_type_5_with_enable_switches_off)
{
	open_ports();

	out(PORT_SLEEP, SLEEP_TYPE_OFF << 2);
	out(PORT_SLEEP, 3 << 2 | 0x20);
	CHECK_EQ(happened_count, 0);
	out(PORT_SLEEP, SLEEP_TYPE_OFF << 2 | 0x20);

	CHECK_EQ(happened_count, 1);
	CHECK_EQ(happened[0], POWER_OFF);
	CHECK_EQ(in(PORT_SLEEP + 1), 0);
}

TEST(each_way_to_reset_resets)
{
	open_ports();

	out(PORT_RESET, 0);
	out(PORT_I8042, 0xd1);
	CHECK_EQ(happened_count, 0);
	out(PORT_RESET, RESET_VALUE);
	out(PORT_I8042, 0xfe);
	power_write(&power, PORT_RESET_CONTROL, 0x02);
	CHECK_EQ(happened_count, 2);
	power_write(&power, PORT_RESET_CONTROL, 0x06);

	CHECK_EQ(happened_count, 3);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(happened[i], POWER_RESET);
}

TEST(a_keyboard_controller_is_neither_busy_nor_has_data)
{
	open_ports();

	CHECK_EQ(in(PORT_I8042), 0);
	CHECK_EQ(in(PORT_I8042_DATA), 0);
}

TEST(a_panic_is_told_as_pvpanic_tells_it)
{
	open_ports();
	CHECK_EQ(in(PORT_PVPANIC), 3);

	out(PORT_PVPANIC, 1);
	out(PORT_PVPANIC, 2);
	out(PORT_PVPANIC, 4);

	CHECK_EQ(happened_count, 2);
	CHECK_EQ(happened[0], POWER_PANIC);
	CHECK_EQ(happened[1], POWER_CRASH_KERNEL);
}

TEST(a_pressed_button_is_pending_until_it_is_acknowledged)
{
	open_ports();
	CHECK_EQ(in(PORT_EVENTS), 0);

	power_press_button(&power);
	power_press_button(&power);

	CHECK(is_high);
	CHECK_EQ(in(PORT_EVENTS), EVENT_POWER_BUTTON);
	out(PORT_EVENTS, 0xfe);
	CHECK(is_high);
	out(PORT_EVENTS, EVENT_POWER_BUTTON);
	CHECK(!is_high);
	CHECK_EQ(in(PORT_EVENTS), 0);
}

TEST(a_reset_forgets_the_button)
{
	open_ports();
	power_press_button(&power);

	power_reset(&power);

	CHECK(!is_high);
	CHECK_EQ(in(PORT_EVENTS), 0);
}

TEST(a_pressed_button_survives_saving)
{
	struct state_writer writer;
	struct state_reader reader;

	open_ports();
	power_press_button(&power);
	state_writer_init(&writer);
	power_save(&power, &writer);
	power_reset(&power);

	state_reader_init(&reader, writer.bytes, writer.used);
	power_restore(&power, &reader);

	CHECK_EQ(state_reader_result(&reader), 0);
	CHECK(is_high);
	CHECK_EQ(in(PORT_EVENTS), EVENT_POWER_BUTTON);
	state_writer_release(&writer);
}

TEST(a_hostile_guest_cannot_raise_an_event_of_its_own)
{
	open_ports();
	srand(1);

	for (int i = 0; i < 100000; i++) {
		uint64_t value = (uint64_t)rand();

		bus_write(&bus, PORT_PVPANIC + (uint64_t)(rand() % 512), &value,
			  1u << (rand() % 4));
		CHECK_EQ(power.events, 0);
		CHECK(!is_high);
	}
}
