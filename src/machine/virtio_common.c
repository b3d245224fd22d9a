/* SPDX-License-Identifier: MIT */
#include "machine/virtio_common.h"

#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "base/count.h"
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

void common_look(struct virtio_pci *device)
{
	uint8_t now[VIRTIO_PCI_CONFIG_BYTES] = { 0 };

	(void)device->settings.ops->config(device->settings.device, now,
					   sizeof(now));
	if (memcmp(now, device->config, sizeof(now)) == 0)
		return;
	memcpy(device->config, now, sizeof(now));
	device->generation++;
}

static uint64_t offered(const struct virtio_pci *device)
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

/* Serve the queue if it has all it needs. The one place that decides. */
static void start_when_ready(struct virtio_pci *device, uint32_t index)
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

	if ((device->features & ~offered(device)) != 0 ||
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

static uint32_t get_status(struct virtio_pci *device)
{
	if (__atomic_load_n(&device->is_broken, __ATOMIC_ACQUIRE))
		return device->status | VIRTIO_CONFIG_S_NEEDS_RESET;
	return device->status;
}

/* A driver sets bits and never clears any (2.1.1). FEATURES_OK that does not
 * stick is the refusal; without it DRIVER_OK does not either. */
static void set_status(struct virtio_pci *device, uint32_t value)
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
		start_when_ready(device, i);
}

static bool has_agreed(const struct virtio_pci *device)
{
	return (device->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
}

/* Features. ---------------------------------------------------------------- */

enum { OF_DEVICE, OF_DRIVER };

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
	return half(offered(device), device->feature_select[OF_DEVICE]);
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

static void set_config_vector(struct virtio_pci *device, uint32_t value)
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
	common_look(device);
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

static void set_queue_size(struct virtio_pci *device, uint32_t value)
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

static void work_call(void *argument)
{
	struct work *work = argument;
	struct virtio_pci *device = work->device;
	struct virtio_pci_queue *queue = &device->queues[work->index];

	queue->place.call_fd =
		msix_event_fd(&device->function.msix, queue->vector);
	if (queue->is_served)
		device->settings.ops->queue_call(device->settings.device,
						 work->index, &queue->place);
}

/* The place of a queue that is served is the owner's to look at. */
static void set_queue_vector(struct virtio_pci *device, uint32_t value)
{
	struct virtio_pci_queue *queue = selected(device);
	struct work work = { .device = device, .index = device->queue_select };

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
	start_when_ready(device, device->queue_select);
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
	{ VIRTIO_PCI_COMMON_DFSELECT,    4, get_device_select,   set_device_select },
	{ VIRTIO_PCI_COMMON_DF,          4, get_device_features, NULL },
	{ VIRTIO_PCI_COMMON_GFSELECT,    4, get_driver_select,   set_driver_select },
	{ VIRTIO_PCI_COMMON_GF,          4, get_driver_features, set_driver_features },
	{ VIRTIO_PCI_COMMON_MSIX,        2, get_config_vector,   set_config_vector },
	{ VIRTIO_PCI_COMMON_NUMQ,        2, get_queue_count,     NULL },
	{ VIRTIO_PCI_COMMON_STATUS,      1, get_status,          set_status },
	{ VIRTIO_PCI_COMMON_CFGGENERATION, 1, get_generation,    NULL },
	{ VIRTIO_PCI_COMMON_Q_SELECT,    2, get_queue_select,    set_queue_select },
	{ VIRTIO_PCI_COMMON_Q_SIZE,      2, get_queue_size,      set_queue_size },
	{ VIRTIO_PCI_COMMON_Q_MSIX,      2, get_queue_vector,    set_queue_vector },
	{ VIRTIO_PCI_COMMON_Q_ENABLE,    2, get_queue_enable,    set_queue_enable },
	{ VIRTIO_PCI_COMMON_Q_NOFF,      2, get_queue_index,     NULL },
	{ VIRTIO_PCI_COMMON_Q_DESCLO,    4, get_descriptors_0,   set_descriptors_0 },
	{ VIRTIO_PCI_COMMON_Q_DESCHI,    4, get_descriptors_1,   set_descriptors_1 },
	{ VIRTIO_PCI_COMMON_Q_AVAILLO,   4, get_available_0,     set_available_0 },
	{ VIRTIO_PCI_COMMON_Q_AVAILHI,   4, get_available_1,     set_available_1 },
	{ VIRTIO_PCI_COMMON_Q_USEDLO,    4, get_used_0,          set_used_0 },
	{ VIRTIO_PCI_COMMON_Q_USEDHI,    4, get_used_1,          set_used_1 },
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

/* State. ------------------------------------------------------------------- */

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
	set_queue_size(device, state_get_u16(reader));
	set_queue_vector(device, state_get_u16(reader));
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
	set_config_vector(device, state_get_u16(reader));
	status = state_get_u8(reader);
	device->generation = state_get_u8(reader);
	isr = state_get_u8(reader);
	is_broken = state_get_u8(reader);
	common_look(device);
	for (uint16_t i = 0; i < device->settings.queue_count; i++)
		restore_queue(device, i, reader);
	device->queue_select = select;
	if (state_reader_result(reader) < 0 || device->is_broken)
		state_refuse(reader);
	else if (status != 0)
		set_status(device, status);
	if (device->status != status)
		state_refuse(reader);
	__atomic_fetch_or(&device->isr, isr & ISR_CONFIG, __ATOMIC_RELEASE);
	__atomic_fetch_or(&device->is_broken, is_broken & 1, __ATOMIC_RELEASE);
}
