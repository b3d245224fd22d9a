/* SPDX-License-Identifier: MIT */
#include "machine/virtio_common.h"

#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "base/scope.h"

#define ISR_CONFIG VIRTIO_PCI_ISR_CONFIG

#define STATUS_MASK                                                \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |    \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK | \
	 VIRTIO_CONFIG_S_FAILED)

/* Work for the device's owner; one of these at a time, on a stack. */
struct work {
	struct virtio_pci *device;
	uint32_t index;
	int result;
};

void common_call(const struct virtio_pci *device, void (*work)(void *argument),
		 void *argument)
{
	const struct virtio_owner *owner = &device->settings.owner;

	if (owner->call)
		owner->call(owner->context, work, argument);
	else
		work(argument);
}

void common_interrupt(struct virtio_pci *device)
{
	(void)__atomic_fetch_or(&device->isr, ISR_CONFIG, __ATOMIC_RELEASE);
	msix_fire(&device->function.msix,
		  __atomic_load_n(&device->vector, __ATOMIC_ACQUIRE));
}

void common_break(struct virtio_pci *device)
{
	__atomic_store_n(&device->is_broken, 1, __ATOMIC_RELEASE);
	common_interrupt(device);
}

void common_check_config(struct virtio_pci *device)
{
	uint8_t now[VIRTIO_PCI_CONFIG_BYTES] = { 0 };

	(void)device->settings.ops->config(device->settings.device, now,
					   sizeof(now));
	if (memcmp(now, device->config, sizeof(now)) == 0)
		return;
	memcpy(device->config, now, sizeof(now));
	device->generation++;
}

uint64_t common_offered(const struct virtio_pci *device)
{
	return device->settings.ops->features(device->settings.device);
}

/* Status and queues. ------------------------------------------------------ */

static void work_start(void *argument)
{
	struct work *work = argument;
	const struct virtio_pci *device = work->device;

	work->result = device->settings.ops->queue_start(
		device->settings.device, work->index,
		&device->queues[work->index].place);
}

void common_start_when_ready(struct virtio_pci *device, uint32_t index)
{
	struct virtio_pci_queue *queue = &device->queues[index];
	struct work work = { .device = device, .index = index };

	if (queue->is_served || !queue->is_enabled ||
	    (device->status & VIRTIO_CONFIG_S_DRIVER_OK) == 0)
		return;
	common_call(device, work_start, &work);
	queue->is_served = work.result == 0;
	if (!queue->is_served)
		common_break(device);
}

static void work_features(void *argument)
{
	struct work *work = argument;
	const struct virtio_pci *device = work->device;

	work->result = device->settings.ops->set_features(
		device->settings.device, device->features);
}

/* True if the device can live with what the driver chose. */
static bool agree(struct virtio_pci *device)
{
	struct work work = { .device = device };

	if ((device->features & ~common_offered(device)) != 0 ||
	    (device->features >> VIRTIO_F_VERSION_1 & 1) == 0)
		return false;
	common_call(device, work_features, &work);
	return work.result == 0;
}

static void work_reset(void *argument)
{
	struct virtio_pci *device = argument;
	const struct virtio_device_ops *ops = device->settings.ops;

	for (uint32_t i = 0; i < device->settings.queue_count; i++)
		if (device->queues[i].is_served)
			(void)ops->queue_stop(device->settings.device, i);
	ops->reset(device->settings.device);
}

static void reset_queue(struct virtio_pci *device,
			struct virtio_pci_queue *queue)
{
	queue->vector = VIRTIO_MSI_NO_VECTOR;
	queue->is_enabled = queue->is_served = false;
	queue->place = (struct virtio_queue_place){
		.size = device->settings.queue_size,
		.kick_fd = queue->kick_fd,
		.call_fd = NO_FD,
	};
}

void common_reset(struct virtio_pci *device)
{
	common_call(device, work_reset, device);
	memset(device->feature_select, 0, sizeof(device->feature_select));
	device->features = 0;
	device->queue_select = 0;
	device->status = 0;
	__atomic_store_n(&device->vector, VIRTIO_MSI_NO_VECTOR,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&device->isr, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&device->is_broken, 0, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < device->settings.queue_count; i++)
		reset_queue(device, &device->queues[i]);
}

uint32_t common_get_status(struct virtio_pci *device)
{
	if (__atomic_load_n(&device->is_broken, __ATOMIC_ACQUIRE))
		return device->status | VIRTIO_CONFIG_S_NEEDS_RESET;
	return device->status;
}

/* A driver sets bits and never clears any (2.1.1). FEATURES_OK that does not
 * stick is the refusal; without it DRIVER_OK does not either. */
void common_set_status(struct virtio_pci *device, uint32_t value)
{
	uint32_t added = value & STATUS_MASK & ~(uint32_t)device->status;

	if ((value & 0xff) == 0) {
		common_reset(device);
		return;
	}
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) != 0 && !agree(device))
		added &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	if (((device->status | added) & VIRTIO_CONFIG_S_FEATURES_OK) == 0)
		added &= ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK;
	device->status |= (uint8_t)added;
	if ((added & VIRTIO_CONFIG_S_DRIVER_OK) == 0)
		return;
	for (uint32_t i = 0; i < device->settings.queue_count; i++)
		common_start_when_ready(device, i);
}
