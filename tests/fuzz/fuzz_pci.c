/* SPDX-License-Identifier: MIT */
/*
 * The input is changes to the saved state of a bus with two functions that are
 * being driven, and then writes to their configuration spaces: whatever they
 * are, what is read-only stays, BARs are decoded in the window and nowhere
 * else, and never over each other.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "machine/virtio_pci.h"

#define FRONTS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct bus ports;
static struct bus memory;
static struct pci pci;
static struct virtio_pci functions[FRONTS];
static uint8_t before[FRONTS][PCI_CONFIG_BYTES];
static struct state_writer saved;

static void insist(bool condition)
{
	if (!condition)
		abort();
}

static void set_line(void *context, uint32_t gsi, bool level)
{
}

static int route_msi(void *context, uint32_t gsi, uint64_t address,
		     uint32_t data)
{
	return 0;
}

static int bind_irq(void *context, uint32_t gsi, int event_fd, bool on)
{
	return 0;
}

static int bind_doorbell(void *context, uint64_t gpa, int event_fd, bool on)
{
	return 0;
}

static const struct machine_ops board_ops = {
	set_line, route_msi, bind_irq, bind_doorbell, NULL,
};

static uint64_t features(void *device)
{
	return 0xffull | 1ull << 32;
}

static int set_features(void *device, uint64_t chosen)
{
	insist((chosen & ~features(NULL)) == 0);
	return 0;
}

static int queue_start(void *device, uint32_t index,
		       const struct virtio_queue_place *place)
{
	insist(index < 2 && place->size >= 1 && place->size <= 64 &&
	       (place->size & (place->size - 1)) == 0);
	return 0;
}

static uint16_t queue_stop(void *device, uint32_t index)
{
	return 0;
}

static void queue_call(void *device, uint32_t index,
		       const struct virtio_queue_place *place)
{
}

static size_t config(void *device, uint8_t *space, size_t room_bytes)
{
	return 0;
}

static void reset(void *device)
{
}

static const struct virtio_device_ops ops = {
	.features = features,
	.set_features = set_features,
	.queue_start = queue_start,
	.queue_stop = queue_stop,
	.queue_call = queue_call,
	.config = config,
	.reset = reset,
};

static void set_config(uint32_t slot, uint32_t at, uint32_t value,
		       uint32_t width)
{
	bus_write(&memory, LAYOUT_ECAM_BASE + (slot << 15) + at, &value, width);
}

static void set_common(uint32_t slot, uint32_t at, uint32_t value,
		       uint32_t width)
{
	bus_write(&memory, functions[slot - 1].function.decoded + at, &value,
		  width);
}

static void drive(uint32_t slot)
{
	const uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE |
			       VIRTIO_CONFIG_S_DRIVER |
			       VIRTIO_CONFIG_S_FEATURES_OK;

	set_config(slot, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	set_config(slot,
		   functions[slot - 1].function.msix_capability +
			   PCI_MSIX_FLAGS,
		   PCI_MSIX_FLAGS_ENABLE, 2);
	set_common(slot, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set_common(slot, VIRTIO_PCI_COMMON_GF, 1, 4);
	set_common(slot, VIRTIO_PCI_COMMON_STATUS, status, 1);
	set_common(slot, VIRTIO_PCI_COMMON_Q_SIZE, 32, 2);
	set_common(slot, VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	set_common(slot, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	set_common(slot, VIRTIO_PCI_COMMON_STATUS,
		   status | VIRTIO_CONFIG_S_DRIVER_OK, 1);
	insist(functions[slot - 1].queues[0].is_served);
}

static void build(void)
{
	const struct virtio_pci_settings settings = {
		.device_id = 1,
		.queue_count = 2,
		.queue_size = 64,
		.ops = &ops,
	};

	insist(pci_init(&pci, &ports, &memory, &board_ops) == 0);
	for (uint8_t i = 0; i < FRONTS; i++) {
		insist(virtio_pci_init(&functions[i], &pci, 1 + i, &settings) ==
		       0);
		memcpy(before[i], functions[i].function.space,
		       PCI_CONFIG_BYTES);
	}
	for (uint32_t i = 0; i < FRONTS; i++)
		drive(1 + i);
	state_writer_init(&saved);
	pci_save(&pci, &saved);
	insist(state_writer_result(&saved) == 0);
}

static void check(void)
{
	uint64_t first = functions[0].function.decoded;
	uint64_t second = functions[1].function.decoded;

	for (uint32_t i = 0; i < FRONTS; i++) {
		const struct pci_function *function = &functions[i].function;

		for (uint32_t j = 0; j < PCI_CONFIG_BYTES; j++)
			insist(((function->space[j] ^ before[i][j]) &
				~function->writable[j]) == 0);
		insist(function->decoded == 0 ||
		       (function->decoded >= LAYOUT_PCI_BASE &&
			function->decoded + VIRTIO_BAR_BYTES <=
				LAYOUT_ECAM_BASE));
	}
	insist(first == 0 || second == 0 ||
	       first + VIRTIO_BAR_BYTES <= second ||
	       second + VIRTIO_BAR_BYTES <= first);
}

/* A count of changes, each an offset and what to flip there. */
static size_t restore_changed(const uint8_t *data, size_t bytes)
{
	static uint8_t state[8192];
	struct state_reader reader;
	size_t at = 1;

	insist(saved.used <= sizeof(state));
	memcpy(state, saved.bytes, saved.used);
	for (uint32_t i = 0; bytes > 0 && i < data[0] && at + 3 <= bytes; i++) {
		state[(data[at] | data[at + 1] << 8) % saved.used] ^=
			data[at + 2];
		at += 3;
	}
	state_reader_init(&reader, state, saved.used);
	pci_restore(&pci, &reader);
	insist(at > 1 || state_reader_result(&reader) == 0);
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static bool is_built;
	size_t at;

	if (!is_built)
		build();
	is_built = true;
	pci_reset(&pci);
	at = restore_changed(data, bytes);
	check();
	/* Slot, offset, width and word. */
	for (; at + 7 <= bytes; at += 7) {
		uint32_t word;

		memcpy(&word, data + at + 3, sizeof(word));
		set_config(data[at] % 4u, data[at + 1], word,
			   1u << data[at + 2] % 3);
		check();
	}
	return 0;
}
