/* SPDX-License-Identifier: MIT */
/*
 * The common configuration of a virtio PCI function (virtio 1.2, 4.1.4.3), and
 * what writing it does. Private to virtio_pci.c and virtio_common.c.
 */
#ifndef MACHINE_VIRTIO_COMMON_H
#define MACHINE_VIRTIO_COMMON_H

#include "machine/virtio_pci.h"

uint64_t common_read(struct virtio_pci *device, uint64_t offset,
		     uint32_t width);
void common_write(struct virtio_pci *device, uint64_t offset, uint64_t value,
		  uint32_t width);

/* Everything as before the first driver. */
void common_reset(struct virtio_pci *device);

/* See whether the device's configuration changed since it was last seen. */
void common_look(struct virtio_pci *device);

/* Have this done by the device's owner. */
void common_call(const struct virtio_pci *device, void (*work)(void *argument),
		 void *argument);

void common_save(const struct virtio_pci *device, struct state_writer *writer);
void common_restore(struct virtio_pci *device, struct state_reader *reader);

/* Tell the driver that the device needs a reset; from any thread. */
void common_break(struct virtio_pci *device);

/* A configuration change interrupt; from any thread. */
void common_interrupt(struct virtio_pci *device);

#endif
