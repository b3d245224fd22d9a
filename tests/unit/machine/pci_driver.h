/* SPDX-License-Identifier: MIT */
/*
 * The driver of a virtio PCI device (virtio 1.2, 4.1), by registers alone: it
 * finds everything through configuration space and knows nothing else.
 */
#ifndef TESTS_UNIT_MACHINE_PCI_DRIVER_H
#define TESTS_UNIT_MACHINE_PCI_DRIVER_H

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "board.h"
#include "virtio/ring.h"

#define DRIVER_BAR     (LAYOUT_PCI_BASE + 0x8000000ull)
#define DRIVER_ADDRESS 0xfee00000ull /* of its interrupts */

struct pci_driver {
	struct board *board;
	uint32_t slot;
	uint64_t bar;
	/* Guest-physical addresses of the parts. */
	uint64_t common;
	uint64_t isr;
	uint64_t config;
	uint64_t notify;
	uint64_t table;
	uint32_t stride;
	uint32_t window; /* of the access capability, in the space */
	uint32_t msix;   /* capability */
	uint32_t vectors;
};

/* Find it, place its BAR, decode, enable MSI-X with every vector open. */
void pci_driver_probe(struct pci_driver *driver, struct board *board,
		      uint32_t slot);

uint64_t pci_driver_get(struct pci_driver *driver, uint32_t at, uint32_t width);
void pci_driver_set(struct pci_driver *driver, uint32_t at, uint64_t value,
		    uint32_t width);

uint64_t pci_driver_offered(struct pci_driver *driver);
uint8_t pci_driver_status(struct pci_driver *driver);
void pci_driver_set_status(struct pci_driver *driver, uint8_t status);

/* Reset, acknowledge, choose these features; true if they were accepted. */
bool pci_driver_negotiate(struct pci_driver *driver, uint64_t features);

/* Place and enable a queue; its vector is its index plus one. */
void pci_driver_queue(struct pci_driver *driver, uint16_t index, uint16_t size,
		      const struct ring_addresses *addresses);
void pci_driver_ready(struct pci_driver *driver);

/* Ring a doorbell as the processor does: into the eventfd that is bound
 * there, else by an access. */
void pci_driver_notify(struct pci_driver *driver, uint16_t index);

/* Take the interrupts that a vector got. */
uint64_t pci_driver_interrupts(struct pci_driver *driver, uint16_t vector);

#endif
