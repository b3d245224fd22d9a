/* SPDX-License-Identifier: MIT */
/* The common configuration as bytes. */
#include <linux/virtio_pci.h>

#include "machine/virtio_common.h"

static void save_queue(const struct virtio_pci_queue *queue,
		       struct state_writer *writer)
{
	state_put_u16(writer, queue->place.size);
	state_put_u16(writer, queue->vector);
	state_put_u8(writer, queue->is_enabled);
	state_put_u64(writer, queue->place.descriptors);
	state_put_u64(writer, queue->place.available);
	state_put_u64(writer, queue->place.used);
}

void common_save(const struct virtio_pci *device, struct state_writer *writer)
{
	state_put_u32(writer, device->feature_select[OF_DEVICE]);
	state_put_u32(writer, device->feature_select[OF_DRIVER]);
	state_put_u64(writer, device->features);
	state_put_u16(writer, device->queue_select);
	state_put_u16(writer, device->vector);
	state_put_u8(writer, device->status);
	state_put_u8(writer, (uint8_t)device->generation);
	state_put_u8(writer,
		     (uint8_t)__atomic_load_n(&device->isr, __ATOMIC_ACQUIRE));
	state_put_u8(writer, (uint8_t)__atomic_load_n(&device->is_broken,
						      __ATOMIC_ACQUIRE));
	for (uint32_t i = 0; i < device->settings.queue_count; i++)
		save_queue(&device->queues[i], writer);
}

/* As if the driver had set it up: with the same checks. */
static void restore_queue(struct virtio_pci *device, uint16_t index,
			  struct state_reader *reader)
{
	struct virtio_pci_queue *queue = &device->queues[index];

	device->queue_select = index;
	common_set_queue_size(device, state_get_u16(reader));
	common_set_queue_vector(device, state_get_u16(reader));
	queue->is_enabled = state_get_u8(reader) == 1;
	queue->place.descriptors = state_get_u64(reader);
	queue->place.available = state_get_u64(reader);
	queue->place.used = state_get_u64(reader);
}

void common_restore(struct virtio_pci *device, struct state_reader *reader)
{
	uint16_t select;
	uint8_t status, isr, is_broken;

	device->feature_select[OF_DEVICE] = state_get_u32(reader);
	device->feature_select[OF_DRIVER] = state_get_u32(reader);
	device->features = state_get_u64(reader);
	select = state_get_u16(reader);
	common_set_config_vector(device, state_get_u16(reader));
	status = state_get_u8(reader);
	device->generation = state_get_u8(reader);
	isr = state_get_u8(reader);
	is_broken = state_get_u8(reader);
	common_check_config(device);
	for (uint16_t i = 0; i < device->settings.queue_count; i++)
		restore_queue(device, i, reader);
	device->queue_select = select;
	if (state_reader_result(reader) < 0 || device->is_broken)
		state_refuse(reader);
	else if (status != 0)
		common_set_status(device, status);
	if (device->status != status)
		state_refuse(reader);
	__atomic_fetch_or(&device->isr, isr & VIRTIO_PCI_ISR_CONFIG,
			  __ATOMIC_RELEASE);
	__atomic_fetch_or(&device->is_broken, is_broken & 1, __ATOMIC_RELEASE);
}
