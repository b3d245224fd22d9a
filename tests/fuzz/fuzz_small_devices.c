/* SPDX-License-Identifier: MIT */
/*
 * The first byte says what is fed with the rest: a queue of a small virtio
 * device, for which it is guest memory with a ring at its start, or the board's
 * ports, for which it is accesses of eight bytes each: port (2), write, width,
 * value (4). Whatever a guest does there must end, stay in bounds, and give
 * back nothing that is not its memory.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/scope.h"
#include "lib/fake_driver.h"
#include "machine/layout.h"
#include "machine/power.h"
#include "machine/rtc.h"
#include "machine/serial.h"
#include "virtio/balloon.h"
#include "virtio/console.h"
#include "virtio/rng.h"

#define SIZE  8
#define TURNS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { CONSOLE_IN, CONSOLE_OUT, RNG, INFLATE, REPORT, PORTS, MODES };

static struct fake_driver driver;
static struct guestmem memory;
static uint64_t moved_bytes; /* in this turn */

static void insist(int condition)
{
	if (!condition)
		abort();
}

/* Takes some, so that chains are kept half done. */
static size_t put(void *context, const uint8_t *bytes, size_t count)
{
	moved_bytes += count;
	insist(count <= VIRTIO_CONSOLE_TURN_BYTES);
	return count > 100 ? count - count / 3 : count;
}

static void ignore(void *context)
{
}

static void give_back(void *context, gpa_t gpa, uint64_t bytes)
{
	insist(bytes > 0 && bytes % 4096 == 0 && gpa % 4096 == 0);
	insist(gpa >= FAKE_GPA && bytes <= FAKE_BYTES &&
	       gpa - FAKE_GPA <= FAKE_BYTES - bytes);
	moved_bytes += bytes;
}

static int start(const struct virtio_device_ops *ops, void *device,
		 uint32_t index)
{
	const struct virtio_queue_place place = {
		.size = SIZE,
		.descriptors = driver.addresses.descriptors,
		.available = driver.addresses.available,
		.used = driver.addresses.used,
		.kick_fd = NO_FD,
		.call_fd = NO_FD,
	};

	insist(ops->set_features(device, ops->features(device)) == 0);
	return ops->queue_start(device, index, &place);
}

static void feed_console(uint32_t index)
{
	static const struct virtio_console_handler ops = { .put = put,
							   .room = ignore };
	static const uint8_t input[600];
	static struct virtio_console console;
	struct virtio_small_queue *queue = &console.small.queues[index];
	struct virtio_small_queue kept;

	virtio_console_init(&console, &memory, &ops);
	insist(start(&virtio_console_ops, &console, index) == 0);
	for (int i = 0; i < TURNS; i++) {
		virtio_console_serve(&console);
		insist(virtio_console_push(&console, input, sizeof(input)) <=
		       sizeof(input));
	}
	kept = *queue;
	virtio_console_ops.reset(&console);
	queue->is_kept = kept.has_chain;
	queue->kept_head = kept.chain.head;
	queue->done_bytes = kept.done_bytes;
	if (start(&virtio_console_ops, &console, index) == 0)
		virtio_console_serve(&console);
}

static void feed_rng(void)
{
	static struct virtio_rng rng;

	virtio_rng_init(&rng, &memory);
	insist(start(&virtio_rng_ops, &rng, 0) == 0);
	for (int i = 0; i < TURNS; i++)
		virtio_rng_serve(&rng);
}

static void feed_balloon(uint32_t index)
{
	static const struct virtio_balloon_handler ops = {
		.give_back = give_back,
		.changed = ignore,
	};
	static struct virtio_balloon balloon;

	virtio_balloon_init(&balloon, &memory, false, &ops);
	insist(start(&virtio_balloon_ops, &balloon, index) == 0);
	for (int i = 0; i < TURNS; i++) {
		moved_bytes = 0;
		virtio_balloon_serve(&balloon);
		/* A run of pages may be as long as the memory. */
		insist(moved_bytes <= VIRTIO_BALLOON_TURN_BYTES + FAKE_BYTES ||
		       index == 0);
	}
}

/* The board's ports. ------------------------------------------------------- */

static uint64_t now_ns;

static uint64_t tell_now(void *context)
{
	return now_ns;
}

static bool put_byte(void *context, uint8_t byte)
{
	return (byte & 7) != 0;
}

static void set_line(void *context, uint32_t gsi, bool is_high)
{
	insist(gsi == GSI_SERIAL || gsi == GSI_RTC || gsi == GSI_EVENTS);
}

static void rearm(void *context, uint64_t deadline_ns)
{
}

static void happened(void *context, enum power_event event)
{
	insist(event <= POWER_CRASH_KERNEL);
}

static struct serial serial;
static struct rtc rtc;
static struct power power;

static void make_board(struct bus *ports)
{
	static const struct serial_ops line = { .put = put_byte,
						.room = ignore };
	static const struct rtc_ops clock = { .now_ns = tell_now,
					      .rearm = rearm };
	static const struct power_ops ends = { .happened = happened };
	struct line pin = { .set = set_line, .gsi = GSI_SERIAL };

	now_ns = 1700000000 * NS_PER_S;
	serial_init(&serial, &pin, &line);
	pin.gsi = GSI_RTC;
	rtc_init(&rtc, &pin, &clock);
	pin.gsi = GSI_EVENTS;
	power_init(&power, &pin, &ends);
	insist(serial_attach(&serial, ports) == 0 &&
	       rtc_attach(&rtc, ports) == 0 &&
	       power_attach(&power, ports) == 0);
}

static void touch(struct bus *ports, const uint8_t *record)
{
	uint16_t port = (uint16_t)(record[0] | record[1] << 8);
	uint32_t width = 1u << (record[3] & 3);
	uint8_t value[8] = { 0 };

	memcpy(value, record + 4, 4);
	if (record[2] & 1)
		bus_write(ports, port, value, width);
	else
		bus_read(ports, port, value, width);
	if (record[2] & 2)
		insist(serial_push(&serial, record, 8) <= 8);
	if (record[2] & 4)
		serial_send(&serial);
	if (record[2] & 8)
		power_press_button(&power);
	now_ns += (uint64_t)record[2] << (record[3] >> 3);
	if (record[2] & 16)
		rtc_tick(&rtc);
	insist(serial.input.count <= SERIAL_FIFO_BYTES &&
	       serial.output.count <= SERIAL_FIFO_BYTES);
}

static void feed_ports(const uint8_t *data, size_t bytes)
{
	struct bus ports = { 0 };

	make_board(&ports);
	for (; bytes >= 8; data += 8, bytes -= 8)
		touch(&ports, data);
}

static void feed(int mode, const uint8_t *data, size_t bytes)
{
	switch (mode) {
	case CONSOLE_IN:
		feed_console(0);
		break;
	case CONSOLE_OUT:
		feed_console(1);
		break;
	case RNG:
		feed_rng();
		break;
	case INFLATE:
		feed_balloon(0);
		break;
	case REPORT:
		feed_balloon(2);
		break;
	default:
		feed_ports(data, bytes);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 1 || bytes > 1 << 16)
		return 0;
	if (!driver.host) {
		fake_driver_open(&driver, SIZE);
		fake_driver_map(&driver, &memory);
	}
	memset(driver.host, 0, 1 << 16);
	memcpy(driver.host, data + 1, bytes - 1);
	feed(data[0] % MODES, data + 1, bytes - 1);
	return 0;
}
