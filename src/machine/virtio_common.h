/* SPDX-License-Identifier: MIT */
/*
 * The common configuration of a virtio PCI function (virtio 1.2, 4.1.4.3), and
 * the effects of writing it. Private to virtio_pci.c, virtio_common.c (status
 * and queues), virtio_registers.c and virtio_state.c.
 */
#ifndef MACHINE_VIRTIO_COMMON_H
#define MACHINE_VIRTIO_COMMON_H

#include "machine/virtio_pci.h"

/* Of struct virtio_pci's feature_select. */
enum { OF_DEVICE, OF_DRIVER };

uint64_t common_read(struct virtio_pci *device, uint64_t offset,
		     uint32_t width);
void common_write(struct virtio_pci *device, uint64_t offset, uint64_t value,
		  uint32_t width);

/* Reset to the state before the first driver. */
void common_reset(struct virtio_pci *device);

/* Check whether the device's configuration has changed since the last check. */
void common_check_config(struct virtio_pci *device);

/* Have the device's owner call this function. */
void common_call(const struct virtio_pci *device, void (*work)(void *argument),
		 void *argument);

void common_save(const struct virtio_pci *device, struct state_writer *writer);
void common_restore(struct virtio_pci *device, struct state_reader *reader);

/* Set DEVICE_NEEDS_RESET and notify the driver; from any thread. */
void common_break(struct virtio_pci *device);

/* The features that the device offers. */
uint64_t common_offered(const struct virtio_pci *device);

/* Serve the queue if it is ready. The only place that decides. */
void common_start_when_ready(struct virtio_pci *device, uint32_t index);

/* Registers, as the driver reads and writes them. */
uint32_t common_get_status(struct virtio_pci *device);
void common_set_status(struct virtio_pci *device, uint32_t value);
void common_set_config_vector(struct virtio_pci *device, uint32_t value);
void common_set_queue_size(struct virtio_pci *device, uint32_t value);
void common_set_queue_vector(struct virtio_pci *device, uint32_t value);

/* A configuration change interrupt; from any thread. */
void common_interrupt(struct virtio_pci *device);

#endif
