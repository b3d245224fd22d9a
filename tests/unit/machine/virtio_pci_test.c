/* SPDX-License-Identifier: MIT */
#include "machine/virtio_pci.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "pci_driver.h"

#define SLOT       3
#define QUEUES     2
#define QUEUE_SIZE 256
#define VERSION_1  (1ull << VIRTIO_F_VERSION_1)
#define FEATURES   (VERSION_1 | 1ull << 40 | 1ull << 5)
#define OK_BITS    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

static const struct ring_addresses somewhere = { 0x123456780, 0x1000, 0x2000 };

/* What the transport asked of its device. */
static struct {
	uint64_t features;
	int features_result;
	int start_result;
	int starts[QUEUES];
	int stops[QUEUES];
	int calls[QUEUES];
	int resets;
	struct virtio_queue_place places[QUEUES];
	uint8_t config[16];
	uint32_t written_at;
	uint32_t written_count;
	bool is_called; /* by its owner */
} device;

static struct board board;
static struct virtio_pci front;
static struct pci_driver driver;

static uint64_t features(void *self)
{
	return FEATURES;
}

static int set_features(void *self, uint64_t chosen)
{
	CHECK(device.is_called);
	device.features = chosen;
	return device.features_result;
}

static int queue_start(void *self, uint32_t index,
		       const struct virtio_queue_place *place)
{
	CHECK(device.is_called);
	CHECK_EQ(device.starts[index], device.stops[index]);
	if (device.start_result == 0)
		device.starts[index]++;
	device.places[index] = *place;
	return device.start_result;
}

static uint16_t queue_stop(void *self, uint32_t index)
{
	CHECK(device.is_called);
	CHECK_EQ(device.starts[index], ++device.stops[index]);
	return 0;
}

static void queue_call(void *self, uint32_t index,
		       const struct virtio_queue_place *place)
{
	CHECK(device.is_called);
	CHECK_EQ(device.starts[index], device.stops[index] + 1);
	device.calls[index]++;
	device.places[index] = *place;
}

static size_t config(void *self, uint8_t *space, size_t room_bytes)
{
	CHECK(room_bytes >= sizeof(device.config));
	memcpy(space, device.config, sizeof(device.config));
	return sizeof(device.config);
}

static void config_write(void *self, uint32_t offset, const uint8_t *bytes,
			 uint32_t count)
{
	CHECK(device.is_called);
	device.written_at = offset;
	device.written_count = count;
	for (uint32_t i = 0; i < count; i++)
		if (offset + i < sizeof(device.config))
			device.config[offset + i] = bytes[i];
}

static void reset(void *self)
{
	CHECK(device.is_called);
	for (int i = 0; i < QUEUES; i++)
		CHECK_EQ(device.starts[i], device.stops[i]);
	device.resets++;
}

static const struct virtio_device_ops ops = {
	.features = features,
	.set_features = set_features,
	.queue_start = queue_start,
	.queue_stop = queue_stop,
	.queue_call = queue_call,
	.config = config,
	.config_write = config_write,
	.reset = reset,
};

static void call(void *context, void (*work)(void *), void *argument)
{
	CHECK(context == &device);
	device.is_called = true;
	work(argument);
	device.is_called = false;
}

static const struct virtio_pci_settings settings = {
	.device_id = 42,
	.class_code = 0x00ff00,
	.queue_count = QUEUES,
	.queue_size = QUEUE_SIZE,
	.ops = &ops,
	.device = &device,
	.owner = { call, &device },
};

static void begin(void)
{
	memset(&device, 0, sizeof(device));
	board_start(&board);
	CHECK_EQ(virtio_pci_init(&front, &board.pci, SLOT, &settings), 0);
}

static void start(void)
{
	begin();
	pci_driver_probe(&driver, &board, SLOT);
}

static void stop(void)
{
	virtio_pci_release(&front);
	virtio_pci_release(&front);
	board_stop(&board);
}

/* A driver that went all the way, with its first queue. */
static void start_running(void)
{
	start();
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	pci_driver_queue(&driver, 0, 128, &somewhere);
	pci_driver_ready(&driver);
}

static uint64_t get(uint32_t at, uint32_t width)
{
	return pci_driver_get(&driver, at, width);
}

static void set(uint32_t at, uint64_t value, uint32_t width)
{
	pci_driver_set(&driver, at, value, width);
}

static bool is_broken(void)
{
	return (pci_driver_status(&driver) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0;
}

TEST(a_device_is_found_through_its_capabilities)
{
	start();
	CHECK_EQ(board_config(&board, SLOT, PCI_DEVICE_ID, 2), 0x1040 + 42);
	CHECK_EQ(board_config(&board, SLOT, PCI_REVISION_ID, 1), 1);
	CHECK_EQ(driver.common, driver.bar + VIRTIO_BAR_COMMON);
	CHECK_EQ(driver.isr, driver.bar + VIRTIO_BAR_ISR);
	CHECK_EQ(driver.config, driver.bar + VIRTIO_BAR_DEVICE);
	CHECK_EQ(driver.notify, driver.bar + VIRTIO_BAR_NOTIFY);
	CHECK_EQ(driver.stride, VIRTIO_BAR_STRIDE);
	CHECK_EQ(driver.vectors, QUEUES + 1);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	CHECK_EQ(pci_driver_offered(&driver), FEATURES);
	set(VIRTIO_PCI_COMMON_DFSELECT, 2, 4);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_DF, 4), 0);
	stop();
}

TEST(a_driver_negotiates_and_its_queue_is_served)
{
	start();
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	CHECK_EQ(device.features, FEATURES);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
	pci_driver_queue(&driver, 1, 64, &somewhere);
	CHECK_EQ(device.starts[1], 0);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_DESCHI, 4), 1);

	pci_driver_ready(&driver);
	CHECK_EQ(device.starts[0], 0);
	CHECK_EQ(device.starts[1], 1);
	CHECK_EQ(device.places[1].size, 64);
	CHECK_EQ(device.places[1].descriptors, somewhere.descriptors);
	CHECK_EQ(device.places[1].available, somewhere.available);
	CHECK_EQ(device.places[1].used, somewhere.used);
	CHECK_EQ(device.places[1].call_fd,
		 msix_event_fd(&front.function.msix, 2));
	CHECK(!is_broken());
	stop();
}

TEST(a_queue_enabled_after_driver_ok_is_served_at_once)
{
	start_running();
	pci_driver_queue(&driver, 1, 64, &somewhere);
	CHECK_EQ(device.starts[1], 1);
	stop();
}

TEST(a_doorbell_is_the_queues_eventfd)
{
	start_running();
	pci_driver_notify(&driver, 0);
	CHECK_EQ(board_count(device.places[0].kick_fd), 1);
	CHECK_EQ(board_doorbells(&board), QUEUES);
	stop();
}

TEST(doorbells_follow_the_bar)
{
	uint64_t moved;

	start_running();
	moved = driver.bar + 0x100000;
	board_set_config(&board, SLOT, PCI_BASE_ADDRESS_0, moved, 4);
	CHECK_EQ(board_doorbell(&board, driver.notify), NO_FD);
	CHECK_EQ(board_doorbell(&board, moved + VIRTIO_BAR_NOTIFY),
		 device.places[0].kick_fd);
	CHECK_EQ(board_doorbells(&board), QUEUES);
	board_set_config(&board, SLOT, PCI_COMMAND, 0, 2);
	CHECK_EQ(board_doorbells(&board), 0);
	stop();
}

TEST(a_doorbell_that_could_not_be_bound_is_rung_by_an_access)
{
	begin();
	board.refuses_doorbells = true;
	pci_driver_probe(&driver, &board, SLOT);
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	pci_driver_queue(&driver, 0, 128, &somewhere);
	pci_driver_ready(&driver);
	pci_driver_notify(&driver, 0);
	CHECK_EQ(board_count(device.places[0].kick_fd), 1);
	stop();
}

TEST(features_without_version_1_are_refused)
{
	start();
	CHECK(!pci_driver_negotiate(&driver, FEATURES & ~VERSION_1));
	pci_driver_ready(&driver);
	CHECK_EQ(pci_driver_status(&driver) & VIRTIO_CONFIG_S_DRIVER_OK, 0);
	CHECK(pci_driver_negotiate(&driver, VERSION_1));
	stop();
}

TEST(features_that_the_device_refuses_are_refused)
{
	start();
	device.features_result = -EINVAL;
	CHECK(!pci_driver_negotiate(&driver, FEATURES));
	stop();
}

TEST(a_hostile_guest_cannot_choose_a_feature_that_was_not_offered)
{
	start();
	for (int bit = 0; bit < 64; bit++)
		if ((FEATURES >> bit & 1) == 0)
			CHECK(!pci_driver_negotiate(&driver,
						    VERSION_1 | 1ull << bit));
	set(VIRTIO_PCI_COMMON_GFSELECT, 2, 4);
	set(VIRTIO_PCI_COMMON_GF, ~0u, 4);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_GF, 4), 0);
	CHECK_EQ(device.features, 0);
	stop();
}

TEST(a_hostile_guest_cannot_change_features_after_they_were_accepted)
{
	start();
	CHECK(pci_driver_negotiate(&driver, VERSION_1));
	set(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	set(VIRTIO_PCI_COMMON_GF, ~0u, 4);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_GF, 4), 0);
	CHECK_EQ(device.features, VERSION_1);
	stop();
}

TEST(a_hostile_guest_cannot_start_without_having_negotiated)
{
	start();
	pci_driver_queue(&driver, 0, 128, &somewhere);
	pci_driver_set_status(&driver, OK_BITS | VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK_EQ(pci_driver_status(&driver), OK_BITS);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	CHECK_EQ(device.starts[0], 0);
	stop();
}

TEST(a_hostile_guest_cannot_take_back_a_status)
{
	start_running();
	pci_driver_set_status(&driver, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	CHECK_EQ(pci_driver_status(&driver),
		 OK_BITS | VIRTIO_CONFIG_S_FEATURES_OK |
			 VIRTIO_CONFIG_S_DRIVER_OK);
	/* Nor give itself what is the device's to say, or what is nothing. */
	pci_driver_set_status(&driver, VIRTIO_CONFIG_S_NEEDS_RESET | 0x30);
	CHECK(!is_broken());
	CHECK_EQ(pci_driver_status(&driver) & 0x30, 0);
	CHECK_EQ(device.starts[0], 1);
	stop();
}

TEST(a_hostile_guest_cannot_have_a_queue_of_impossible_size)
{
	static const uint16_t bad[] = {
		0, 3, 100, 255, 257, 512, 0x8000, 0xffff
	};

	start();
	for (uint32_t i = 0; i < ARRAY_COUNT(bad); i++) {
		CHECK(pci_driver_negotiate(&driver, FEATURES));
		set(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
		set(VIRTIO_PCI_COMMON_Q_SIZE, bad[i], 2);
		CHECK(is_broken());
		CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
		CHECK_EQ(pci_driver_interrupts(&driver, 0), 1);
	}
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	CHECK(!is_broken());
	stop();
}

TEST(a_queue_that_the_device_cannot_serve_needs_a_reset)
{
	start();
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	pci_driver_queue(&driver, 0, 128, &somewhere);
	device.start_result = -EFAULT;
	pci_driver_ready(&driver);
	CHECK(is_broken());
	CHECK_EQ(pci_driver_interrupts(&driver, 0), 1);
	CHECK_EQ(board_read(&board, driver.isr, 1), VIRTIO_PCI_ISR_CONFIG);
	CHECK_EQ(board_read(&board, driver.isr, 1), 0);

	device.start_result = 0;
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	CHECK(!is_broken());
	CHECK_EQ(device.stops[0], 0);
	stop();
}

TEST(a_hostile_guest_cannot_move_a_queue_that_is_enabled)
{
	start_running();
	pci_driver_queue(&driver, 0, 64, &(struct ring_addresses){ 1, 2, 3 });
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_USEDLO, 4), somewhere.used);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	CHECK_EQ(device.starts[0], 1);
	CHECK(!is_broken());
	stop();
}

TEST(a_hostile_guest_cannot_reach_a_queue_that_is_not_there)
{
	start();
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	for (uint32_t i = QUEUES; i < 0x10000; i += 97) {
		pci_driver_queue(&driver, (uint16_t)i, 64, &somewhere);
		for (uint32_t at = VIRTIO_PCI_COMMON_Q_SIZE; at < 0x40; at += 2)
			(void)get(at, at & 2 ? 2 : 4);
		CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
		CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_MSIX, 2),
			 VIRTIO_MSI_NO_VECTOR);
		CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
	}
	pci_driver_ready(&driver);
	CHECK_EQ(device.starts[0] + device.starts[1], 0);
	stop();
}

TEST(a_hostile_guest_cannot_name_a_vector_that_is_not_there)
{
	start_running();
	for (uint32_t i = QUEUES + 1; i < 0x10000; i += 31) {
		set(VIRTIO_PCI_COMMON_MSIX, i, 2);
		CHECK_EQ(get(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
		set(VIRTIO_PCI_COMMON_Q_MSIX, i, 2);
		CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_MSIX, 2),
			 VIRTIO_MSI_NO_VECTOR);
	}
	CHECK_EQ(device.places[0].call_fd, NO_FD);
	virtio_pci_transport(&front).config_changed(&front);
	for (uint16_t i = 0; i <= QUEUES; i++)
		CHECK_EQ(pci_driver_interrupts(&driver, i), 0);
	stop();
}

TEST(a_vector_changed_under_a_served_queue_is_told_to_the_device)
{
	start_running();
	set(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	CHECK_EQ(device.calls[0], 1);
	CHECK_EQ(device.places[0].call_fd,
		 msix_event_fd(&front.function.msix, 2));
	stop();
}

TEST(a_hostile_guest_cannot_ring_what_is_not_there)
{
	begin();
	board.refuses_doorbells = true;
	pci_driver_probe(&driver, &board, SLOT);
	for (uint32_t at = 0; at < 0x1000; at++)
		for (uint32_t width = 1; width <= 8; width *= 2)
			board_write(&board, driver.notify + at, ~0ull, width);
	CHECK_EQ(device.starts[0], 0);
	/* Before it is enabled a doorbell counts, and nobody looks. */
	CHECK(board_count(front.queues[0].kick_fd) > 0);
	stop();
}

TEST(a_reset_stops_what_is_served)
{
	start_running();
	pci_driver_set_status(&driver, 0);
	CHECK_EQ(device.stops[0], 1);
	CHECK_EQ(pci_driver_status(&driver), 0);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_GF, 4), 0);
	stop();
}

TEST(a_hostile_guest_cannot_wear_a_device_out_with_resets)
{
	start();
	for (int i = 0; i < 5000; i++) {
		CHECK(pci_driver_negotiate(&driver, FEATURES));
		pci_driver_queue(&driver, 0, 128, &somewhere);
		pci_driver_ready(&driver);
	}
	CHECK_EQ(device.starts[0], 5000);
	CHECK_EQ(device.stops[0], 4999);
	stop();
}

TEST(a_machine_reset_resets_the_device)
{
	start_running();
	pci_reset(&board.pci);
	CHECK_EQ(device.stops[0], 1);
	CHECK_EQ(board_doorbells(&board) + board_irqs(&board), 0);
	pci_driver_probe(&driver, &board, SLOT);
	CHECK_EQ(pci_driver_status(&driver), 0);
	stop();
}

TEST(a_devices_configuration_is_read_in_any_width)
{
	start();
	for (size_t i = 0; i < sizeof(device.config); i++)
		device.config[i] = (uint8_t)i;
	CHECK_EQ(board_read(&board, driver.config + 1, 1), 1);
	CHECK_EQ(board_read(&board, driver.config + 2, 2), 0x0302);
	CHECK_EQ(board_read(&board, driver.config + 8, 8), 0x0f0e0d0c0b0a0908);
	CHECK_EQ(board_read(&board, driver.config + 15, 4), 0x0f);
	CHECK_EQ(board_read(&board, driver.config + 0xffc, 4), 0);
	stop();
}

TEST(a_change_of_the_configuration_changes_the_generation)
{
	uint64_t generation;

	start_running();
	generation = get(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	(void)board_read(&board, driver.config, 8);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	device.config[3]++;
	(void)board_read(&board, driver.config, 8);
	CHECK(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1) != generation);
	CHECK_EQ(pci_driver_interrupts(&driver, 0), 0);
	virtio_pci_transport(&front).config_changed(&front);
	CHECK_EQ(pci_driver_interrupts(&driver, 0), 1);
	CHECK_EQ(board_read(&board, driver.isr, 1), VIRTIO_PCI_ISR_CONFIG);
	stop();
}

TEST(a_driver_writes_the_devices_configuration)
{
	start_running();
	board_write(&board, driver.config + 4, 0xa1b2c3d4, 4);
	CHECK_EQ(device.written_at, 4);
	CHECK_EQ(device.written_count, 4);
	CHECK_EQ(device.config[4], 0xd4);
	CHECK_EQ(board_read(&board, driver.config + 4, 4), 0xa1b2c3d4);
	stop();
}

TEST(a_device_that_says_so_needs_a_reset)
{
	start_running();
	virtio_pci_transport(&front).needs_reset(&front);
	CHECK(is_broken());
	CHECK_EQ(pci_driver_interrupts(&driver, 0), 1);
	pci_driver_set_status(&driver, 0);
	CHECK(!is_broken());
	stop();
}

/* Through the window in configuration space (4.1.4.9). */
static void aim(uint32_t bar, uint32_t offset, uint32_t length)
{
	board_set_config(&board, SLOT, driver.window + 4, bar, 1);
	board_set_config(&board, SLOT, driver.window + 8, offset, 4);
	board_set_config(&board, SLOT, driver.window + 12, length, 4);
}

static uint64_t read_window(uint32_t length)
{
	return board_config(&board, SLOT, driver.window + 16, length);
}

TEST(registers_are_reached_through_configuration_space_too)
{
	start_running();
	board_set_config(&board, SLOT, PCI_COMMAND, 0, 2);
	aim(0, VIRTIO_BAR_COMMON + VIRTIO_PCI_COMMON_NUMQ, 2);
	CHECK_EQ(read_window(2), QUEUES);
	aim(0, VIRTIO_BAR_COMMON + VIRTIO_PCI_COMMON_STATUS, 1);
	CHECK_EQ(read_window(1) & VIRTIO_CONFIG_S_DRIVER_OK,
		 VIRTIO_CONFIG_S_DRIVER_OK);
	board_set_config(&board, SLOT, driver.window + 16, 0, 1);
	CHECK_EQ(device.stops[0], 1);

	(void)board_count(front.queues[1].kick_fd);
	aim(0, VIRTIO_BAR_NOTIFY + VIRTIO_BAR_STRIDE, 2);
	board_set_config(&board, SLOT, driver.window + 16, 1, 2);
	CHECK_EQ(board_count(front.queues[1].kick_fd), 1);
	stop();
}

TEST(a_hostile_guest_cannot_look_elsewhere_through_the_window)
{
	static const struct {
		uint32_t bar, offset, length;
	} bad[] = {
		{ 1, VIRTIO_PCI_COMMON_NUMQ, 2 },
		{ 0, VIRTIO_BAR_BYTES, 4 },
		{ 0, 0xfffffffc, 4 },
		{ 0, VIRTIO_BAR_BYTES - 2, 4 },
		{ 0, 1, 2 },
		{ 0, 0, 3 },
		{ 0, 0, 0 },
		{ 0, 0, 8 },
		{ 0, 0, 0xffffffff },
	};

	start_running();
	for (uint32_t i = 0; i < ARRAY_COUNT(bad); i++) {
		aim(bad[i].bar, bad[i].offset, bad[i].length);
		board_set_config(&board, SLOT, driver.window + 16, 0x5a5a5a5a,
				 4);
		CHECK_EQ(read_window(4), 0x5a5a5a5a);
	}
	CHECK_EQ(device.stops[0], 0);
	stop();
}

TEST(a_hostile_guest_cannot_confuse_the_transport_with_odd_accesses)
{
	static const uint32_t widths[] = { 1, 2, 3, 4, 5, 8 };

	start();
	for (uint32_t at = 0; at < VIRTIO_BAR_BYTES; at++)
		for (uint32_t i = 0; i < ARRAY_COUNT(widths); i++) {
			(void)board_read(&board, driver.bar + at, widths[i]);
			board_write(&board, driver.bar + at, 0x0101010101010101,
				    widths[i]);
		}
	CHECK_EQ(device.starts[0] + device.starts[1], 0);
	pci_driver_set_status(&driver, 0);
	CHECK(pci_driver_negotiate(&driver, FEATURES));
	stop();
}

static struct state_writer saved;

static void save(void)
{
	state_writer_init(&saved);
	pci_save(&board.pci, &saved);
	CHECK_EQ(state_writer_result(&saved), 0);
	stop();
}

static int restore(void)
{
	struct state_reader reader;

	begin();
	state_reader_init(&reader, saved.bytes, saved.used);
	pci_restore(&board.pci, &reader);
	return state_reader_result(&reader);
}

TEST(a_running_device_is_restored_and_served_again)
{
	start_running();
	virtio_pci_transport(&front).config_changed(&front);
	save();

	CHECK_EQ(restore(), 0);
	CHECK_EQ(device.starts[0], 1);
	CHECK_EQ(device.starts[1], 0);
	CHECK_EQ(device.features, FEATURES);
	CHECK_EQ(device.places[0].size, 128);
	CHECK_EQ(device.places[0].used, somewhere.used);
	CHECK_EQ(device.places[0].call_fd,
		 msix_event_fd(&front.function.msix, 1));
	CHECK_EQ(board_doorbell(&board, driver.notify),
		 device.places[0].kick_fd);
	CHECK_EQ(pci_driver_status(&driver),
		 OK_BITS | VIRTIO_CONFIG_S_FEATURES_OK |
			 VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK_EQ(get(VIRTIO_PCI_COMMON_MSIX, 2), 0);
	CHECK_EQ(board_read(&board, driver.isr, 1), VIRTIO_PCI_ISR_CONFIG);
	stop();
	state_writer_release(&saved);
}

TEST(a_device_that_nobody_drives_is_restored)
{
	begin();
	save();
	CHECK_EQ(restore(), 0);
	CHECK_EQ(device.starts[0], 0);
	stop();
	state_writer_release(&saved);
}

TEST(a_hostile_image_cannot_bring_features_that_were_not_offered)
{
	start_running();
	front.features |= 1ull << 50;
	save();
	CHECK_EQ(restore(), -EBADMSG);
	CHECK_EQ(device.starts[0], 0);
	stop();
	state_writer_release(&saved);
}

TEST(a_hostile_image_cannot_bring_a_queue_of_impossible_size)
{
	start_running();
	front.queues[0].place.size = 3;
	save();
	CHECK_EQ(restore(), -EBADMSG);
	CHECK_EQ(device.starts[0], 0);
	stop();
	state_writer_release(&saved);
}

TEST(a_hostile_image_cannot_harm_with_any_bit)
{
	start_running();
	save();
	for (size_t i = 0; i < saved.used; i++) {
		saved.bytes[i] ^= 0xff;
		(void)restore();
		stop();
		saved.bytes[i] ^= 0xff;
	}
	state_writer_release(&saved);
}

TEST(settings_that_no_device_can_have_are_refused)
{
	struct virtio_pci_settings bad = settings;

	memset(&device, 0, sizeof(device));
	board_start(&board);
	bad.queue_count = 0;
	CHECK_EQ(virtio_pci_init(&front, &board.pci, SLOT, &bad), -EINVAL);
	bad.queue_count = VIRTIO_PCI_QUEUE_MAX + 1;
	CHECK_EQ(virtio_pci_init(&front, &board.pci, SLOT, &bad), -EINVAL);
	bad = settings;
	bad.queue_size = 100;
	CHECK_EQ(virtio_pci_init(&front, &board.pci, SLOT, &bad), -EINVAL);
	CHECK_EQ(virtio_pci_init(&front, &board.pci, SLOT_HOST, &settings),
		 -EBUSY);
	board_stop(&board);
}
