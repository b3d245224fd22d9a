/* SPDX-License-Identifier: MIT */
#include "machine/virtio_pci.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "base/event.h"
#include "base/scope.h"
#include "machine/virtio_common.h"

#define VENDOR          0x1af4
#define DEVICE_MODERN   0x1040 /* and the virtio device's own number */
#define SUBSYSTEM       0x1100
#define REVISION_MODERN 1

/* BAR 0. ------------------------------------------------------------------- */

static uint64_t read_isr(struct virtio_pci *device, uint64_t offset)
{
	return offset == 0
		       ? __atomic_exchange_n(&device->isr, 0, __ATOMIC_ACQ_REL)
		       : 0;
}

static uint64_t read_config(struct virtio_pci *device, uint64_t offset,
			    uint32_t width)
{
	uint64_t value = 0;

	common_check_config(device);
	if (offset <= sizeof(device->config) - width)
		memcpy(&value, device->config + offset, width);
	return value;
}

struct config_write {
	struct virtio_pci *device;
	uint32_t offset;
	uint8_t bytes[sizeof(uint64_t)];
	uint32_t count;
};

static void work_config_write(void *argument)
{
	const struct config_write *write = argument;
	const struct virtio_pci_settings *settings = &write->device->settings;

	settings->ops->config_write(settings->device, write->offset,
				    write->bytes, write->count);
}

static void write_config(struct virtio_pci *device, uint64_t offset,
			 uint64_t value, uint32_t width)
{
	struct config_write work = { .device = device,
				     .offset = (uint32_t)offset,
				     .count = width };

	if (!device->settings.ops->config_write)
		return;
	memcpy(work.bytes, &value, width);
	common_call(device, work_config_write, &work);
}

/* A doorbell that could not be bound, or that is rung through configuration
 * space. Nobody looks at one whose queue is not served. */
static void ring_doorbell(struct virtio_pci *device, uint64_t offset)
{
	uint64_t index = offset / VIRTIO_BAR_STRIDE;

	if (index >= device->settings.queue_count ||
	    offset % VIRTIO_BAR_STRIDE != 0)
		return;
	event_signal(device->queues[index].kick_fd);
}

#define PAGE_MASK 0xfffu

static uint64_t read_bar(void *context, uint64_t offset, uint32_t width)
{
	struct virtio_pci *device = context;
	uint64_t at = offset & PAGE_MASK;

	switch (offset & ~(uint64_t)PAGE_MASK) {
	case VIRTIO_BAR_COMMON:
		return common_read(device, at, width);
	case VIRTIO_BAR_ISR:
		return read_isr(device, at);
	case VIRTIO_BAR_DEVICE:
		return read_config(device, at, width);
	case VIRTIO_BAR_MSIX_TABLE:
		return msix_table_read(&device->function.msix, at, width);
	case VIRTIO_BAR_MSIX_PENDING:
		return msix_pending_read(&device->function.msix, at, width);
	default:
		return 0;
	}
}

static void write_bar(void *context, uint64_t offset, uint64_t value,
		      uint32_t width)
{
	struct virtio_pci *device = context;
	uint64_t at = offset & PAGE_MASK;

	switch (offset & ~(uint64_t)PAGE_MASK) {
	case VIRTIO_BAR_COMMON:
		common_write(device, at, value, width);
		break;
	case VIRTIO_BAR_DEVICE:
		write_config(device, at, value, width);
		break;
	case VIRTIO_BAR_NOTIFY:
		ring_doorbell(device, at);
		break;
	case VIRTIO_BAR_MSIX_TABLE:
		msix_table_write(&device->function.msix, at, value, width);
		break;
	default:
		break;
	}
}

/* Doorbells. --------------------------------------------------------------- */

static bool bind_doorbell(const struct virtio_pci *device, uint32_t index,
			  bool on)
{
	const struct machine_ops *ops = device->function.pci->ops;
	uint64_t gpa = device->doorbells + VIRTIO_BAR_NOTIFY +
		       (uint64_t)index * VIRTIO_BAR_STRIDE;

	return ops->bind_doorbell(ops->context, gpa,
				  device->queues[index].kick_fd, on) == 0;
}

static void decoded(void *context, uint64_t base)
{
	struct virtio_pci *device = context;

	for (uint32_t i = 0; i < device->settings.queue_count; i++) {
		if (device->queues[i].has_doorbell)
			(void)bind_doorbell(device, i, false);
		device->queues[i].has_doorbell = false;
	}
	device->doorbells = base;
	if (base == 0)
		return;
	for (uint32_t i = 0; i < device->settings.queue_count; i++)
		device->queues[i].has_doorbell = bind_doorbell(device, i, true);
}

/* The window into BAR 0 in configuration space (4.1.4.9). ------------------ */

struct window {
	uint32_t offset;
	uint32_t width;
	uint8_t *data;
};

/* False unless an access to these bytes is one through the window. */
static bool window_at(struct virtio_pci *device, uint32_t offset,
		      uint32_t width, struct window *ret_window)
{
	uint8_t *space = device->function.space + device->access;
	uint32_t data = device->access + sizeof(struct virtio_pci_cap);
	struct virtio_pci_cap cap;

	if (offset >= data + sizeof(uint32_t) || offset + width <= data)
		return false;
	memcpy(&cap, space, sizeof(cap));
	*ret_window =
		(struct window){ cap.offset, cap.length, space + sizeof(cap) };
	return cap.bar == 0 &&
	       (cap.length == 1 || cap.length == 2 || cap.length == 4) &&
	       cap.offset % cap.length == 0 && cap.offset < VIRTIO_BAR_BYTES;
}

static void window_read(void *context, uint32_t offset, uint32_t width)
{
	struct virtio_pci *device = context;
	struct window window;
	uint64_t value;

	if (!window_at(device, offset, width, &window))
		return;
	value = read_bar(device, window.offset, window.width);
	memcpy(window.data, &value, window.width);
}

static void window_written(void *context, uint32_t offset, uint32_t width)
{
	struct virtio_pci *device = context;
	struct window window;
	uint64_t value = 0;

	if (!window_at(device, offset, width, &window))
		return;
	memcpy(&value, window.data, window.width);
	write_bar(device, window.offset, value, window.width);
}

/* Life. -------------------------------------------------------------------- */

static void reset(void *context)
{
	common_reset(context);
}

static void save(const void *context, struct state_writer *writer)
{
	common_save(context, writer);
}

static void restore(void *context, struct state_reader *reader)
{
	common_restore(context, reader);
}

static const struct pci_ops virtio_ops = {
	.bar = { .read = read_bar, .write = write_bar },
	.decoded = decoded,
	.config_read = window_read,
	.config_written = window_written,
	.reset = reset,
	.save = save,
	.restore = restore,
};

static int add_part(struct virtio_pci *device, uint8_t type, uint32_t offset,
		    uint32_t bytes)
{
	const struct virtio_pci_notify_cap part = {
		.cap = { .cap_len = type == VIRTIO_PCI_CAP_NOTIFY_CFG
					    ? sizeof(part)
					    : sizeof(part.cap),
			 .cfg_type = type,
			 .offset = offset,
			 .length = bytes },
		.notify_off_multiplier = VIRTIO_BAR_STRIDE,
	};
	int r = pci_add_capability(&device->function, PCI_CAP_ID_VNDR,
				   (const uint8_t *)&part, NULL,
				   part.cap.cap_len);

	return r < 0 ? r : 0;
}

static int add_window(struct virtio_pci *device)
{
	const struct virtio_pci_cfg_cap window = {
		.cap = { .cap_len = sizeof(window),
			 .cfg_type = VIRTIO_PCI_CAP_PCI_CFG },
	};
	const struct virtio_pci_cfg_cap writable = {
		.cap = { .bar = 0xff, .offset = ~0u, .length = ~0u },
		.pci_cfg_data = { 0xff, 0xff, 0xff, 0xff },
	};
	int r = pci_add_capability(&device->function, PCI_CAP_ID_VNDR,
				   (const uint8_t *)&window,
				   (const uint8_t *)&writable, sizeof(window));

	if (r < 0)
		return r;
	device->access = (uint8_t)r;
	return 0;
}

static int add_capabilities(struct virtio_pci *device)
{
	const struct virtio_pci_settings *settings = &device->settings;
	int result =
		add_part(device, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_BAR_COMMON,
			 sizeof(struct virtio_pci_common_cfg));

	if (result == 0)
		result = add_part(device, VIRTIO_PCI_CAP_ISR_CFG,
				  VIRTIO_BAR_ISR, 1);
	if (result == 0)
		result = add_part(device, VIRTIO_PCI_CAP_DEVICE_CFG,
				  VIRTIO_BAR_DEVICE, VIRTIO_PCI_CONFIG_BYTES);
	if (result == 0)
		result = add_part(device, VIRTIO_PCI_CAP_NOTIFY_CFG,
				  VIRTIO_BAR_NOTIFY,
				  settings->queue_count * VIRTIO_BAR_STRIDE);
	if (result == 0)
		result = add_window(device);
	return result < 0 ? result
			  : pci_add_msix(&device->function,
					 (uint16_t)(settings->queue_count + 1),
					 VIRTIO_BAR_MSIX_TABLE,
					 VIRTIO_BAR_MSIX_PENDING);
}

static int open_doorbells(struct virtio_pci *device)
{
	for (uint32_t i = 0; i < device->settings.queue_count; i++) {
		device->queues[i].kick_fd =
			eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (device->queues[i].kick_fd < 0)
			return -errno;
	}
	return 0;
}

static bool is_possible(const struct virtio_pci_settings *settings)
{
	return settings->queue_count >= 1 &&
	       settings->queue_count <= VIRTIO_PCI_QUEUE_MAX &&
	       settings->queue_size >= 1 &&
	       settings->queue_size <= VIRTIO_PCI_QUEUE_SIZE_MAX &&
	       (settings->queue_size & (settings->queue_size - 1)) == 0;
}

static int build(struct virtio_pci *device, struct pci *pci, uint8_t slot)
{
	int r = open_doorbells(device);

	if (r == 0)
		r = pci_add(pci, slot, &device->function);
	if (r == 0)
		r = add_capabilities(device);
	return r;
}

int virtio_pci_init(struct virtio_pci *device, struct pci *pci, uint8_t slot,
		    const struct virtio_pci_settings *settings)
{
	const struct pci_identity identity = {
		.vendor = VENDOR,
		.device = (uint16_t)(DEVICE_MODERN + settings->device_id),
		.subsystem_vendor = VENDOR,
		.subsystem = SUBSYSTEM,
		.class_code = settings->class_code,
		.revision = REVISION_MODERN,
		.bar_bytes = VIRTIO_BAR_BYTES,
	};
	int r;

	memset(device, 0, sizeof(*device));
	for (uint32_t i = 0; i < VIRTIO_PCI_QUEUE_MAX; i++)
		device->queues[i].kick_fd = NO_FD;
	if (!is_possible(settings))
		return -EINVAL;
	device->settings = *settings;
	pci_function_init(&device->function, &identity, &virtio_ops, device);
	r = build(device, pci, slot);
	if (r < 0) {
		virtio_pci_release(device);
		return r;
	}
	common_reset(device);
	common_check_config(device);
	return 0;
}

void virtio_pci_release(struct virtio_pci *device)
{
	if (device->function.pci)
		common_reset(device);
	pci_remove(&device->function);
	for (uint32_t i = 0; i < device->settings.queue_count; i++)
		close_fd(&device->queues[i].kick_fd);
	device->settings.queue_count = 0;
}

static void config_changed(void *context)
{
	common_interrupt(context);
}

static void needs_reset(void *context)
{
	common_break(context);
}

struct virtio_transport virtio_pci_transport(struct virtio_pci *device)
{
	return (struct virtio_transport){
		.config_changed = config_changed,
		.needs_reset = needs_reset,
		.context = device,
	};
}
