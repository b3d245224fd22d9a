/* SPDX-License-Identifier: MIT */
#include "pci_driver.h"

#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/scope.h"
#include "lib/harness.h"

#define STATUS_FRESH (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

static uint64_t config(struct pci_driver *driver, uint32_t at, uint32_t width)
{
	return board_config(driver->board, driver->slot, at, width);
}

static void set_config(struct pci_driver *driver, uint32_t at, uint64_t value,
		       uint32_t width)
{
	board_set_config(driver->board, driver->slot, at, value, width);
}

static void find_part(struct pci_driver *driver, uint32_t at)
{
	uint64_t offset = driver->bar + config(driver, at + 8, 4);

	switch (config(driver, at + 3, 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		driver->common = offset;
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		driver->isr = offset;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		driver->config = offset;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		driver->notify = offset;
		driver->stride = (uint32_t)config(driver, at + 16, 4);
		break;
	case VIRTIO_PCI_CAP_PCI_CFG:
		driver->window = at;
		break;
	default:
		CHECK(false);
	}
}

static void find_msix(struct pci_driver *driver, uint32_t at)
{
	driver->msix = at;
	driver->vectors =
		(uint32_t)(config(driver, at + PCI_MSIX_FLAGS, 2) & 0x7ff) + 1;
	driver->table = driver->bar + config(driver, at + PCI_MSIX_TABLE, 4);
}

static void find_capabilities(struct pci_driver *driver)
{
	uint32_t at = (uint32_t)config(driver, PCI_CAPABILITY_LIST, 1);
	int count = 0;

	for (; at != 0; at = (uint32_t)config(driver, at + 1, 1)) {
		if (config(driver, at, 1) == PCI_CAP_ID_VNDR)
			find_part(driver, at);
		else
			find_msix(driver, at);
		CHECK(++count < 48);
	}
}

static void open_vector(struct pci_driver *driver, uint32_t vector)
{
	uint64_t at = driver->table + (uint64_t)vector * PCI_MSIX_ENTRY_SIZE;

	board_write(driver->board, at, DRIVER_ADDRESS, 8);
	board_write(driver->board, at + 8, vector, 4);
	board_write(driver->board, at + 12, 0, 4);
}

void pci_driver_probe(struct pci_driver *driver, struct board *board,
		      uint32_t slot)
{
	memset(driver, 0, sizeof(*driver));
	driver->board = board;
	driver->slot = slot;
	driver->bar = DRIVER_BAR + slot * 0x10000ULL;
	CHECK_EQ(config(driver, PCI_VENDOR_ID, 2), 0x1af4);
	find_capabilities(driver);
	set_config(driver, PCI_COMMAND, 0, 2);
	set_config(driver, PCI_BASE_ADDRESS_0, driver->bar, 4);
	set_config(driver, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		   2);
	for (uint32_t i = 0; i < driver->vectors; i++)
		open_vector(driver, i);
	set_config(driver, driver->msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE,
		   2);
}

uint64_t pci_driver_get(struct pci_driver *driver, uint32_t at, uint32_t width)
{
	return board_read(driver->board, driver->common + at, width);
}

void pci_driver_set(struct pci_driver *driver, uint32_t at, uint64_t value,
		    uint32_t width)
{
	board_write(driver->board, driver->common + at, value, width);
}

uint64_t pci_driver_offered(struct pci_driver *driver)
{
	uint64_t features;

	pci_driver_set(driver, VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	features = pci_driver_get(driver, VIRTIO_PCI_COMMON_DF, 4);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	return features | pci_driver_get(driver, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

uint8_t pci_driver_status(struct pci_driver *driver)
{
	return (uint8_t)pci_driver_get(driver, VIRTIO_PCI_COMMON_STATUS, 1);
}

void pci_driver_set_status(struct pci_driver *driver, uint8_t status)
{
	pci_driver_set(driver, VIRTIO_PCI_COMMON_STATUS, status, 1);
}

static void choose(struct pci_driver *driver, uint64_t features)
{
	for (uint32_t i = 0; i < 2; i++) {
		pci_driver_set(driver, VIRTIO_PCI_COMMON_GFSELECT, i, 4);
		pci_driver_set(driver, VIRTIO_PCI_COMMON_GF,
			       (uint32_t)(features >> (32 * i)), 4);
	}
}

bool pci_driver_negotiate(struct pci_driver *driver, uint64_t features)
{
	pci_driver_set_status(driver, 0);
	CHECK_EQ(pci_driver_status(driver), 0);
	pci_driver_set_status(driver, STATUS_FRESH);
	choose(driver, features);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_MSIX, 0, 2);
	CHECK_EQ(pci_driver_get(driver, VIRTIO_PCI_COMMON_MSIX, 2), 0);
	pci_driver_set_status(driver,
			      STATUS_FRESH | VIRTIO_CONFIG_S_FEATURES_OK);
	return (pci_driver_status(driver) & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
}

void pci_driver_queue(struct pci_driver *driver, uint16_t index, uint16_t size,
		      const struct ring_addresses *addresses)
{
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_MSIX, index + 1u, 2);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_DESCLO,
		       addresses->descriptors, 8);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_AVAILLO,
		       (uint32_t)addresses->available, 4);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_AVAILHI,
		       addresses->available >> 32, 4);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_USEDLO,
		       (uint32_t)addresses->used, 4);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_USEDHI,
		       addresses->used >> 32, 4);
	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

void pci_driver_ready(struct pci_driver *driver)
{
	pci_driver_set_status(driver, STATUS_FRESH |
					      VIRTIO_CONFIG_S_FEATURES_OK |
					      VIRTIO_CONFIG_S_DRIVER_OK);
}

void pci_driver_notify(struct pci_driver *driver, uint16_t index)
{
	static const uint64_t one = 1;
	uint64_t at;
	int event_fd;

	pci_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
	at = driver->notify +
	     driver->stride *
		     pci_driver_get(driver, VIRTIO_PCI_COMMON_Q_NOFF, 2);
	event_fd = board_doorbell(driver->board, at);
	if (event_fd == NO_FD)
		board_write(driver->board, at, index, 2);
	else
		CHECK_EQ(write(event_fd, &one, sizeof(one)), sizeof(one));
}

uint64_t pci_driver_interrupts(struct pci_driver *driver, uint16_t vector)
{
	const struct board *board = driver->board;

	for (uint32_t gsi = GSI_MSI; gsi < GSI_COUNT; gsi++)
		if (board->addresses[gsi] == DRIVER_ADDRESS &&
		    board->data[gsi] == vector &&
		    board->pci.slots[driver->slot]->msix.gsi + vector == gsi &&
		    board_irq(board, gsi) != NO_FD)
			return board_count(board_irq(board, gsi));
	return 0;
}
