/* SPDX-License-Identifier: MIT */
/* The registers of the common configuration, a function or two each. */
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "base/count.h"
#include "machine/virtio_common.h"

static bool has_agreed(const struct virtio_pci *device)
{
	return (device->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
}

/* Features. ---------------------------------------------------------------- */

static uint32_t get_device_select(struct virtio_pci *device)
{
	return device->feature_select[OF_DEVICE];
}

static void set_device_select(struct virtio_pci *device, uint32_t value)
{
	device->feature_select[OF_DEVICE] = value;
}

static uint32_t get_driver_select(struct virtio_pci *device)
{
	return device->feature_select[OF_DRIVER];
}

static void set_driver_select(struct virtio_pci *device, uint32_t value)
{
	device->feature_select[OF_DRIVER] = value;
}

static uint32_t half(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static uint32_t get_device_features(struct virtio_pci *device)
{
	return half(common_offered(device), device->feature_select[OF_DEVICE]);
}

static uint32_t get_driver_features(struct virtio_pci *device)
{
	return half(device->features, device->feature_select[OF_DRIVER]);
}

static void set_driver_features(struct virtio_pci *device, uint32_t value)
{
	uint32_t select = device->feature_select[OF_DRIVER];

	if (has_agreed(device) || select >= 2)
		return;
	device->features &= ~(0xffffffffull << (32 * select));
	device->features |= (uint64_t)value << (32 * select);
}

/* Vectors. ----------------------------------------------------------------- */

static uint16_t possible_vector(const struct virtio_pci *device, uint32_t value)
{
	return value < device->function.msix.count ? (uint16_t)value
						   : VIRTIO_MSI_NO_VECTOR;
}

static uint32_t get_config_vector(struct virtio_pci *device)
{
	return device->vector;
}

void common_set_config_vector(struct virtio_pci *device, uint32_t value)
{
	__atomic_store_n(&device->vector, possible_vector(device, value),
			 __ATOMIC_RELEASE);
}

static uint32_t get_queue_count(struct virtio_pci *device)
{
	return device->settings.queue_count;
}

static uint32_t get_generation(struct virtio_pci *device)
{
	common_check_config(device);
	return device->generation;
}

/* The selected queue. ------------------------------------------------------ */

static uint32_t get_queue_select(struct virtio_pci *device)
{
	return device->queue_select;
}

static void set_queue_select(struct virtio_pci *device, uint32_t value)
{
	device->queue_select = (uint16_t)value;
}

static struct virtio_pci_queue *selected(struct virtio_pci *device)
{
	return device->queue_select < device->settings.queue_count
		       ? &device->queues[device->queue_select]
		       : NULL;
}

/* The selected queue, unless its place is fixed by now (4.1.4.3.2). */
static struct virtio_pci_queue *changeable(struct virtio_pci *device)
{
	struct virtio_pci_queue *queue = selected(device);

	return queue && !queue->is_enabled ? queue : NULL;
}

static uint32_t get_queue_size(struct virtio_pci *device)
{
	const struct virtio_pci_queue *queue = selected(device);

	return queue ? queue->place.size : 0;
}

void common_set_queue_size(struct virtio_pci *device, uint32_t value)
{
	struct virtio_pci_queue *queue = changeable(device);

	if (!queue)
		return;
	if (value == 0 || value > device->settings.queue_size ||
	    (value & (value - 1)) != 0)
		common_break(device);
	else
		queue->place.size = (uint16_t)value;
}

static uint32_t get_queue_vector(struct virtio_pci *device)
{
	const struct virtio_pci_queue *queue = selected(device);

	return queue ? queue->vector : VIRTIO_MSI_NO_VECTOR;
}

struct vector_work {
	struct virtio_pci *device;
	uint32_t index;
};

static void work_call(void *argument)
{
	struct vector_work *work = argument;
	struct virtio_pci *device = work->device;
	struct virtio_pci_queue *queue = &device->queues[work->index];

	queue->place.call_fd =
		msix_event_fd(&device->function.msix, queue->vector);
	if (queue->is_served)
		device->settings.ops->queue_call(device->settings.device,
						 work->index, &queue->place);
}

/* The place of a queue that is served is the owner's to look at. */
void common_set_queue_vector(struct virtio_pci *device, uint32_t value)
{
	struct virtio_pci_queue *queue = selected(device);
	struct vector_work work = { device, device->queue_select };

	if (!queue)
		return;
	queue->vector = possible_vector(device, value);
	if (queue->is_served)
		common_call(device, work_call, &work);
	else
		work_call(&work);
}

static uint32_t get_queue_enable(struct virtio_pci *device)
{
	const struct virtio_pci_queue *queue = selected(device);

	return queue && queue->is_enabled;
}

static void set_queue_enable(struct virtio_pci *device, uint32_t value)
{
	struct virtio_pci_queue *queue = changeable(device);

	if (!queue || value != 1 || !has_agreed(device))
		return;
	queue->is_enabled = true;
	common_start_when_ready(device, device->queue_select);
}

/* Where the driver is to write for the queue, in strides. */
static uint32_t get_queue_index(struct virtio_pci *device)
{
	return selected(device) ? device->queue_select : 0;
}

static uint32_t get_address(struct virtio_pci *device, size_t which, bool high)
{
	const struct virtio_pci_queue *queue = selected(device);
	uint64_t address;

	if (!queue)
		return 0;
	memcpy(&address, (const uint8_t *)&queue->place + which,
	       sizeof(address));
	return (uint32_t)(high ? address >> 32 : address);
}

static void set_address(struct virtio_pci *device, size_t which, bool high,
			uint32_t value)
{
	struct virtio_pci_queue *queue = changeable(device);
	uint8_t *at;

	if (!queue)
		return;
	at = (uint8_t *)&queue->place + which + (high ? 4 : 0);
	memcpy(at, &value, sizeof(value));
}

#define ADDRESS_REGISTER(name, high)                                           \
	static uint32_t get_##name##_##high(struct virtio_pci *device)         \
	{                                                                      \
		return get_address(device,                                     \
				   offsetof(struct virtio_queue_place, name),  \
				   high);                                      \
	}                                                                      \
	static void set_##name##_##high(struct virtio_pci *device,             \
					uint32_t value)                        \
	{                                                                      \
		set_address(device, offsetof(struct virtio_queue_place, name), \
			    high, value);                                      \
	}

ADDRESS_REGISTER(descriptors, 0)
ADDRESS_REGISTER(descriptors, 1)
ADDRESS_REGISTER(available, 0)
ADDRESS_REGISTER(available, 1)
ADDRESS_REGISTER(used, 0)
ADDRESS_REGISTER(used, 1)

/* The registers. ----------------------------------------------------------- */

struct common_register {
	uint8_t offset;
	uint8_t width;
	uint32_t (*get)(struct virtio_pci *device);
	void (*set)(struct virtio_pci *device, uint32_t value);
};

/* clang-format off */
static const struct common_register registers[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT,    4, get_device_select,       set_device_select },
	{ VIRTIO_PCI_COMMON_DF,          4, get_device_features,     NULL },
	{ VIRTIO_PCI_COMMON_GFSELECT,    4, get_driver_select,       set_driver_select },
	{ VIRTIO_PCI_COMMON_GF,          4, get_driver_features,     set_driver_features },
	{ VIRTIO_PCI_COMMON_MSIX,        2, get_config_vector,       common_set_config_vector },
	{ VIRTIO_PCI_COMMON_NUMQ,        2, get_queue_count,         NULL },
	{ VIRTIO_PCI_COMMON_STATUS,      1, common_get_status,       common_set_status },
	{ VIRTIO_PCI_COMMON_CFGGENERATION, 1, get_generation,          NULL },
	{ VIRTIO_PCI_COMMON_Q_SELECT,    2, get_queue_select,        set_queue_select },
	{ VIRTIO_PCI_COMMON_Q_SIZE,      2, get_queue_size,          common_set_queue_size },
	{ VIRTIO_PCI_COMMON_Q_MSIX,      2, get_queue_vector,        common_set_queue_vector },
	{ VIRTIO_PCI_COMMON_Q_ENABLE,    2, get_queue_enable,        set_queue_enable },
	{ VIRTIO_PCI_COMMON_Q_NOFF,      2, get_queue_index,         NULL },
	{ VIRTIO_PCI_COMMON_Q_DESCLO,    4, get_descriptors_0,       set_descriptors_0 },
	{ VIRTIO_PCI_COMMON_Q_DESCHI,    4, get_descriptors_1,       set_descriptors_1 },
	{ VIRTIO_PCI_COMMON_Q_AVAILLO,   4, get_available_0,         set_available_0 },
	{ VIRTIO_PCI_COMMON_Q_AVAILHI,   4, get_available_1,         set_available_1 },
	{ VIRTIO_PCI_COMMON_Q_USEDLO,    4, get_used_0,              set_used_0 },
	{ VIRTIO_PCI_COMMON_Q_USEDHI,    4, get_used_1,              set_used_1 },
};
/* clang-format on */

static const struct common_register *register_at(uint64_t offset,
						 uint32_t width)
{
	for (size_t i = 0; i < ARRAY_COUNT(registers); i++)
		if (registers[i].offset == offset &&
		    registers[i].width == width)
			return &registers[i];
	return NULL;
}

static uint64_t read_register(struct virtio_pci *device, uint64_t offset,
			      uint32_t width)
{
	const struct common_register *found = register_at(offset, width);

	return found ? found->get(device) : 0;
}

static void write_register(struct virtio_pci *device, uint64_t offset,
			   uint32_t value, uint32_t width)
{
	const struct common_register *found = register_at(offset, width);

	if (found && found->set)
		found->set(device, value);
}

/* A driver may take a 64-bit field in one go (4.1.3.1). */
uint64_t common_read(struct virtio_pci *device, uint64_t offset, uint32_t width)
{
	if (width != 8)
		return read_register(device, offset, width);
	return read_register(device, offset, 4) |
	       read_register(device, offset + 4, 4) << 32;
}

void common_write(struct virtio_pci *device, uint64_t offset, uint64_t value,
		  uint32_t width)
{
	if (width != 8) {
		write_register(device, offset, (uint32_t)value, width);
		return;
	}
	write_register(device, offset, (uint32_t)value, 4);
	write_register(device, offset + 4, (uint32_t)(value >> 32), 4);
}
