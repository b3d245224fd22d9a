/* SPDX-License-Identifier: MIT */
/*
 * The input is what a guest does to a board with every device of ours: accesses
 * to ports, configuration spaces and BARs, and bytes written to its memory.
 * Whatever it does, nothing is bound twice, a line is told only changes, what
 * is saved can be restored, and a reset leaves nothing bound; nor does a saved
 * state that was changed do harm.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/count.h"
#include "machine/power.h"
#include "machine/rtc.h"
#include "machine/serial.h"
#include "machine/small_state.h"
#include "machine/virtio_pci.h"
#include "monitor/disk/disk.h"
#include "virtio/balloon.h"
#include "virtio/console.h"
#include "virtio/rng.h"

#define MEMORY_BYTES (1u << 16)
#define DOORBELLS    128
#define STEPS_MOST   4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct {
	struct bus ports;
	struct bus memory;
	struct pci pci;
	struct serial serial;
	struct rtc rtc;
	struct power power;
	struct guestmem ram;
	uint8_t *bytes; /* of it */
	struct disk disk;
	struct front front;
	struct virtio_console console;
	struct virtio_rng rng;
	struct virtio_balloon balloon;
	struct virtio_pci functions[4];
	bool is_high[GSI_MSI];
	int irqs[GSI_COUNT];
	uint64_t doorbells[DOORBELLS];
} board;

static void insist(bool condition)
{
	if (!condition)
		abort();
}

/* Outside. ------------------------------------------------------------------ */

static void set_line(void *context, uint32_t gsi, bool level)
{
	insist(gsi < GSI_MSI);
	board.is_high[gsi] = level;
}

static int route_msi(void *context, uint32_t gsi, uint64_t address,
		     uint32_t data)
{
	insist(gsi >= GSI_MSI && gsi < GSI_COUNT);
	return (data & 0xff) == 0xfe ? -1 : 0;
}

static int bind_irq(void *context, uint32_t gsi, int event_fd, bool on)
{
	insist(gsi >= GSI_MSI && gsi < GSI_COUNT);
	insist(board.irqs[gsi] == (on ? 0 : event_fd));
	board.irqs[gsi] = on ? event_fd : 0;
	return 0;
}

static int bind_doorbell(void *context, uint64_t gpa, int event_fd, bool on)
{
	int free_place = -1;

	insist(gpa >= LAYOUT_PCI_BASE && gpa < LAYOUT_ECAM_BASE);
	for (int i = 0; i < DOORBELLS; i++) {
		if (board.doorbells[i] == 0)
			free_place = i;
		if (board.doorbells[i] != gpa)
			continue;
		insist(!on);
		board.doorbells[i] = 0;
		return 0;
	}
	insist(on && free_place >= 0);
	board.doorbells[free_place] = gpa;
	return 0;
}

static const struct machine_ops board_ops = {
	.set_line = set_line,
	.route_msi = route_msi,
	.bind_irq = bind_irq,
	.bind_doorbell = bind_doorbell,
};

static bool put(void *context, uint8_t byte)
{
	return byte != 0xff;
}

static size_t put_bytes(void *context, const uint8_t *bytes, size_t count)
{
	return count / 2;
}

static void nothing(void *context)
{
}

static uint64_t now_ns(void *context)
{
	return 1700000000ull * 1000000000;
}

static void rearm(void *context, uint64_t deadline_ns)
{
}

static void happened(void *context, enum power_event event)
{
}

static void ask_witness(void *context, uint32_t disk_index, uint64_t asked)
{
}

static void give_back(void *context, gpa_t gpa, uint64_t bytes)
{
	insist(guestmem_check(&board.ram, gpa, bytes) == 0);
}

/* Building. ----------------------------------------------------------------- */

static void make_memory(void)
{
	const struct guestmem_place place = { .bytes = MEMORY_BYTES };
	int fd = memfd_create("guest", MFD_CLOEXEC);

	insist(fd >= 0 && ftruncate(fd, MEMORY_BYTES) == 0);
	guestmem_init(&board.ram);
	insist(guestmem_add(&board.ram, &place, fd) == 0);
	guestmem_init(&board.front.memory);
	insist(guestmem_add(&board.front.memory, &place, fd) == 0);
	insist(close(fd) == 0);
	board.bytes = guestmem_at(&board.ram, 0, MEMORY_BYTES);
}

static void add_ports(void)
{
	const struct serial_ops wire = { put, nothing, NULL };
	const struct rtc_ops clock = { now_ns, rearm, NULL };
	const struct power_ops switches = { happened, NULL };
	const struct line pins[] = {
		{ .set = set_line, .gsi = GSI_SERIAL },
		{ .set = set_line, .gsi = GSI_RTC },
		{ .set = set_line, .gsi = GSI_EVENTS },
	};

	serial_init(&board.serial, &pins[0], &wire);
	rtc_init(&board.rtc, &pins[1], &clock);
	power_init(&board.power, &pins[2], &switches);
	insist(serial_attach(&board.serial, &board.ports) == 0);
	insist(rtc_attach(&board.rtc, &board.ports) == 0);
	insist(power_attach(&board.power, &board.ports) == 0);
}

static void add(uint32_t index, uint8_t slot, uint16_t id, uint16_t queues,
		const struct virtio_device_ops *ops, void *device)
{
	const struct virtio_pci_settings settings = {
		.device_id = id,
		.queue_count = queues,
		.queue_size = VIRTIO_SMALL_QUEUE_SIZE,
		.ops = ops,
		.device = device,
	};

	insist(virtio_pci_init(&board.functions[index], &board.pci, slot,
			       &settings) == 0);
}

static void connect(struct virtio_small *small, uint32_t index)
{
	const struct virtio_transport transport =
		virtio_pci_transport(&board.functions[index]);

	virtio_small_connect(small, &transport);
}

static void add_disk(void)
{
	const struct monitor_disk settings = {
		.size_bytes = 1 << 20,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.hang_ms = 1000,
		.queue_count = 2,
	};
	static struct notices notices;
	const struct disk_ops to = { &notices, ask_witness, NULL };

	insist(notices_open(&notices) == 0);
	insist(disk_init(&board.disk, &settings, &to) == 0);
	insist(front_init_blk(&board.front, &board.disk) == 0);
}

static void build(void)
{
	const struct virtio_console_handler wire = { put_bytes, nothing, NULL };
	const struct virtio_balloon_handler host = { give_back, nothing, NULL };

	add_disk();
	make_memory();
	insist(pci_init(&board.pci, &board.ports, &board.memory, &board_ops) ==
	       0);
	add_ports();
	virtio_console_init(&board.console, &board.ram, &wire);
	virtio_rng_init(&board.rng, &board.ram);
	virtio_balloon_init(&board.balloon, &board.ram, false, &host);
	add(0, SLOT_DISK, 2, 2, &blk_device_ops, &board.front);
	add(1, SLOT_CONSOLE, 3, VIRTIO_CONSOLE_QUEUES, &virtio_console_ops,
	    &board.console);
	add(2, SLOT_RNG, 4, VIRTIO_RNG_QUEUES, &virtio_rng_ops, &board.rng);
	add(3, SLOT_BALLOON, 5, VIRTIO_BALLOON_QUEUES, &virtio_balloon_ops,
	    &board.balloon);
	board.front.transport = virtio_pci_transport(&board.functions[0]);
	connect(&board.console.small, 1);
	connect(&board.rng.small, 2);
	connect(&board.balloon.small, 3);
}

static void reset(void)
{
	pci_reset(&board.pci);
	serial_reset(&board.serial);
	rtc_reset(&board.rtc);
	power_reset(&board.power);
	for (uint32_t i = 0; i < GSI_COUNT; i++)
		insist(board.irqs[i] == 0);
	for (uint32_t i = 0; i < DOORBELLS; i++)
		insist(board.doorbells[i] == 0);
	for (uint32_t i = 0; i < 4; i++)
		insist(board.functions[i].status == 0);
}

/* Playing. ------------------------------------------------------------------ */

static void serve(void)
{
	for (int i = 0; i < 8 && front_turn(&board.front); i++)
		;
	(void)front_prepare_sleep(&board.front);
	virtio_console_serve(&board.console);
	(void)virtio_console_push(&board.console, (const uint8_t *)"input", 5);
	virtio_rng_serve(&board.rng);
	virtio_balloon_serve(&board.balloon);
	serial_send(&board.serial);
	(void)serial_push(&board.serial, (const uint8_t *)"input", 5);
	rtc_tick(&board.rtc);
	power_press_button(&board.power);
}

struct input {
	const uint8_t *bytes;
	size_t count;
};

static uint64_t take(struct input *input, size_t count)
{
	uint64_t value = 0;

	if (count > input->count)
		count = input->count;
	memcpy(&value, input->bytes, count);
	input->bytes += count;
	input->count -= count;
	return value;
}

static void save_all(struct state_writer *writer)
{
	front_freeze(&board.front);
	state_writer_init(writer);
	front_state_save(&board.front, writer);
	serial_save(&board.serial, writer);
	rtc_save(&board.rtc, writer);
	power_save(&board.power, writer);
	virtio_console_save(&board.console, writer);
	virtio_rng_save(&board.rng, writer);
	virtio_balloon_save(&board.balloon, writer);
	pci_save(&board.pci, writer);
	insist(state_writer_result(writer) == 0);
}

static void restore_all(struct state_reader *reader)
{
	front_state_restore(&board.front, reader);
	serial_restore(&board.serial, reader);
	rtc_restore(&board.rtc, reader);
	power_restore(&board.power, reader);
	virtio_console_restore(&board.console, reader);
	virtio_rng_restore(&board.rng, reader);
	virtio_balloon_restore(&board.balloon, reader);
	pci_restore(&board.pci, reader);
}

/* Somebody changed the image, and made its checksums fit. */
static void damage(struct input *input, const struct state_writer *writer)
{
	uint64_t count = take(input, 1) % 16;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = take(input, 2) % writer->used;

		writer->bytes[at] ^= (uint8_t)take(input, 1);
	}
}

static void save_and_restore(struct input *input, bool is_damaged)
{
	struct state_writer writer;
	struct state_reader reader;

	save_all(&writer);
	if (is_damaged)
		damage(input, &writer);
	reset();
	state_reader_init(&reader, writer.bytes, writer.used);
	restore_all(&reader);
	insist(is_damaged || state_reader_result(&reader) == 0);
	/* A machine that was not restored is not run; another may be. */
	if (state_reader_result(&reader) < 0)
		reset();
	front_thaw(&board.front);
	state_writer_release(&writer);
}

enum action {
	PORT,
	CONFIG,
	BAR,
	ANYWHERE,
	MEMORY,
	SERVE,
	SAVE,
	RESET,
};

static uint64_t take_address(struct input *input, enum action action)
{
	static const uint16_t ports[] = {
		PORT_SERIAL,      PORT_RTC,      PORT_I8042_DATA, PORT_I8042,
		PORT_PCI_ADDRESS, PORT_PCI_DATA, PORT_SLEEP,      PORT_EVENTS,
		PORT_RESET,       PORT_PVPANIC,
	};
	uint64_t which, offset;

	if (action == ANYWHERE)
		return take(input, 8);
	which = take(input, 1);
	offset = take(input, 2);
	if (action == PORT)
		return ports[which % ARRAY_COUNT(ports)] + offset % 9;
	if (action == CONFIG)
		return LAYOUT_ECAM_BASE + ((which % 32) << 15) +
		       (offset & 0x1fff);
	return board.functions[which % 4].function.decoded + offset % 0x8008;
}

static void access_bus(struct input *input, enum action action, uint8_t how)
{
	static const uint32_t widths[] = { 1, 2, 4, 8, 1, 2, 4, 3 };
	const struct bus *bus = action == PORT ? &board.ports : &board.memory;
	uint32_t width = widths[how >> 3 & 7];
	uint64_t address = take_address(input, action);
	uint64_t value = 0;

	if (how & 0x40) {
		bus_read(bus, address, &value, width);
		return;
	}
	value = take(input, width);
	bus_write(bus, address, &value, width);
}

static void write_memory(struct input *input)
{
	uint64_t at = take(input, 2);
	uint64_t count = take(input, 1);

	for (uint64_t i = 0; i < count; i++)
		board.bytes[(at + i) % MEMORY_BYTES] = (uint8_t)take(input, 1);
}

static void step(struct input *input)
{
	uint8_t how = (uint8_t)take(input, 1);
	enum action action = how & 7;

	switch (action) {
	case PORT:
	case CONFIG:
	case BAR:
	case ANYWHERE:
		access_bus(input, action, how);
		break;
	case MEMORY:
		write_memory(input);
		break;
	case SERVE:
		serve();
		break;
	case SAVE:
		save_and_restore(input, (how & 0x80) != 0);
		break;
	case RESET:
		reset();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static bool is_built;
	struct input input = { data, bytes };

	if (!is_built)
		build();
	is_built = true;
	memset(board.bytes, 0, MEMORY_BYTES);
	for (int i = 0; i < STEPS_MOST && input.count > 0; i++)
		step(&input);
	reset();
	insist(blk_device_ops.features(&board.front) != 0);
	insist(board.disk.request_count == 0);
	return 0;
}
