/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI (virtio 1.2, 4.1), modern only: a PCI function as the
 * transport of a struct virtio_device_ops. BAR 0 contains, a page or more each,
 * the common configuration, ISR, device configuration, notifications, and the
 * MSI-X table and pending bits.
 *
 * A queue is served from DRIVER_OK or queue_enable, whichever comes last, until
 * a reset. Its doorbell is an eventfd bound to its notification address while
 * the BAR is decoded; where that could not be bound, an ordinary write counts
 * in the same eventfd. Its call descriptor is the eventfd of its MSI-X vector.
 *
 * A driver that sets an impossible queue size or ring addresses that the device
 * cannot serve gets DEVICE_NEEDS_RESET, as it does when the device itself
 * fails; that queue is not served until a reset.
 *
 * Trust      Everything written is a hostile guest's: features that were not
 *            offered and impossible sizes, addresses and vectors are refused as
 *            4.1.4 says; writes out of sequence are ignored.
 * Threads    The board lock is held, except for the functions of
 *            virtio_pci_transport(). The device is called through its owner's
 *            `call`.
 * Errors     0 or a negative errno.
 */
#ifndef MACHINE_VIRTIO_PCI_H
#define MACHINE_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/pci.h"
#include "virtio/device.h"

#define VIRTIO_PCI_QUEUE_MAX 16
#define VIRTIO_PCI_CONFIG_BYTES \
	256 /* the device-specific part; the rest is 0 */

/* BAR 0. */
#define VIRTIO_BAR_COMMON         0x0000u
#define VIRTIO_BAR_ISR            0x1000u
#define VIRTIO_BAR_DEVICE         0x2000u
#define VIRTIO_BAR_NOTIFY         0x3000u
#define VIRTIO_BAR_MSIX_TABLE     0x4000u
#define VIRTIO_BAR_MSIX_PENDING   0x6000u
#define VIRTIO_BAR_BYTES          0x8000u
#define VIRTIO_BAR_STRIDE         4u
#define VIRTIO_PCI_QUEUE_SIZE_MAX 1024u

/* Have `work` done on the thread that owns the device, and wait for it. */
struct virtio_owner {
	void (*call)(void *context, void (*work)(void *argument),
		     void *argument);
	void *context;
};

/* Everything is borrowed. */
struct virtio_pci_settings {
	uint16_t device_id;  /* VIRTIO_ID_... */
	uint32_t class_code; /* 24 bits */
	uint16_t queue_count;
	uint16_t queue_size; /* most that a driver can have; power of two */
	const struct virtio_device_ops *ops;
	void *device;
	struct virtio_owner owner; /* call NULL: called directly */
};

struct virtio_pci_queue {
	struct virtio_queue_place place;
	int kick_fd; /* owned */
	uint16_t vector;
	bool is_enabled;
	bool is_served;
	bool has_doorbell; /* bound */
};

struct virtio_pci {
	struct pci_function function;
	struct virtio_pci_settings settings;
	/* Of the common configuration. */
	uint32_t feature_select[2]; /* device's, driver's */
	uint64_t features;          /* chosen by the driver */
	uint16_t queue_select;
	uint8_t status;  /* without NEEDS_RESET */
	uint8_t access;  /* offset of the configuration access capability */
	uint16_t vector; /* of configuration changes; atomic */
	/* The device's configuration as last seen, and how often it was found
	 * changed. */
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES];
	uint32_t generation;
	uint64_t doorbells; /* where the BAR was when they were bound; or 0 */
	/* Written by any thread; atomic. */
	uint32_t isr;
	uint32_t is_broken;
	struct virtio_pci_queue queues[VIRTIO_PCI_QUEUE_MAX];
};

/*
 * Put the device into a slot. On failure nothing is allocated.
 *
 * -EINVAL  impossible settings
 * other    as pci_add() and eventfd()
 */
int virtio_pci_init(struct virtio_pci *device, struct pci *pci, uint8_t slot,
		    const struct virtio_pci_settings *settings);

/* Stop the queues, reset the device, leave the bus. Safe twice, and on a zeroed
 * one. */
void virtio_pci_release(struct virtio_pci *device);

/* For the device: its way to reach the driver. */
struct virtio_transport virtio_pci_transport(struct virtio_pci *device);

#endif
