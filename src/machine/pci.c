/* SPDX-License-Identifier: MIT */
#include "machine/pci.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#define ALL_ONES (~0ull)
/* Where firmware would have put BARs: room for the largest in each slot. */
#define BAR_STRIDE (1u << 20)

#define ADDRESS_ENABLE   0x80000000u
#define ADDRESS_RESERVED 0x7f000003u

#define STATE_VERSION 1

/* As QEMU's generic host bridge, which no driver has opinions about. */
static const struct pci_identity host_identity = {
	.vendor = 0x1b36,
	.device = 0x0008,
	.subsystem_vendor = 0x1af4,
	.subsystem = 0x1100,
	.class_code = 0x060000,
};

static void put(uint8_t *space, uint32_t at, uint32_t value, uint32_t width)
{
	for (uint32_t i = 0; i < width; i++)
		space[at + i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *space, uint32_t at, uint32_t width)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < width; i++)
		value |= (uint64_t)space[at + i] << (8 * i);
	return value;
}

void pci_function_init(struct pci_function *function,
		       const struct pci_identity *identity,
		       const struct pci_ops *ops, void *device)
{
	assert((identity->bar_bytes & (identity->bar_bytes - 1)) == 0 &&
	       identity->bar_bytes <= BAR_STRIDE);
	memset(function, 0, sizeof(*function));
	function->ops = ops;
	function->device = device;
	function->bar_bytes = identity->bar_bytes;
	function->next_capability = PCI_STD_HEADER_SIZEOF;
	put(function->space, PCI_VENDOR_ID, identity->vendor, 2);
	put(function->space, PCI_DEVICE_ID, identity->device, 2);
	put(function->space, PCI_REVISION_ID, identity->revision, 1);
	put(function->space, PCI_CLASS_PROG, identity->class_code, 3);
	put(function->space, PCI_SUBSYSTEM_VENDOR_ID,
	    identity->subsystem_vendor, 2);
	put(function->space, PCI_SUBSYSTEM_ID, identity->subsystem, 2);
	put(function->writable, PCI_COMMAND,
	    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		    PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE,
	    2);
	put(function->writable, PCI_CACHE_LINE_SIZE, 0xff, 1);
	put(function->writable, PCI_INTERRUPT_LINE, 0xff, 1);
	put(function->writable, PCI_BASE_ADDRESS_0,
	    function->bar_bytes ? ~(function->bar_bytes - 1) : 0, 4);
}

int pci_add_capability(struct pci_function *function, uint8_t id,
		       const uint8_t *body, const uint8_t *writable,
		       uint8_t bytes)
{
	uint8_t at = function->next_capability;
	uint8_t link = function->last_capability
			       ? function->last_capability + PCI_CAP_LIST_NEXT
			       : PCI_CAPABILITY_LIST;

	assert(bytes >= PCI_CAP_SIZEOF / 2);
	if (bytes > PCI_CONFIG_BYTES - 4 - at)
		return -ENOSPC;
	memcpy(&function->space[at], body, bytes);
	if (writable)
		memcpy(&function->writable[at], writable, bytes);
	put(function->space, at + PCI_CAP_LIST_ID, id, 2);
	put(function->writable, at, 0, 2);
	put(function->space, link, at, 1);
	put(function->space, PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	function->last_capability = at;
	function->next_capability = (uint8_t)(at + ((bytes + 3) & ~3));
	return at;
}

int pci_add_msix(struct pci_function *function, uint16_t vectors,
		 uint32_t table_offset, uint32_t pending_offset)
{
	uint8_t body[PCI_CAP_MSIX_SIZEOF] = { 0 };
	uint8_t writable[PCI_CAP_MSIX_SIZEOF] = { 0 };
	struct pci *pci = function->pci;
	int r;

	assert(vectors >= 1 && vectors <= MSIX_VECTOR_MAX);
	if (pci->next_gsi + vectors > GSI_COUNT)
		return -ENOSPC;
	put(body, PCI_MSIX_FLAGS, vectors - 1u, 2);
	put(body, PCI_MSIX_TABLE, table_offset, 4);
	put(body, PCI_MSIX_PBA, pending_offset, 4);
	put(writable, PCI_MSIX_FLAGS,
	    PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	r = pci_add_capability(function, PCI_CAP_ID_MSIX, body, writable,
			       sizeof(body));
	if (r < 0)
		return r;
	function->msix_capability = (uint8_t)r;
	r = msix_init(&function->msix, vectors, pci->next_gsi, pci->ops);
	if (r == 0)
		pci->next_gsi += vectors;
	return r;
}

/* Where the guest wants BAR 0, or 0 where that cannot be. Below the window the
 * difference wraps. */
static uint64_t wanted_base(const struct pci_function *function)
{
	uint64_t command = get(function->space, PCI_COMMAND, 2);
	uint64_t base = get(function->space, PCI_BASE_ADDRESS_0, 4);

	if (function->bar_bytes == 0 || (command & PCI_COMMAND_MEMORY) == 0 ||
	    base - LAYOUT_PCI_BASE > LAYOUT_PCI_BYTES - function->bar_bytes)
		return 0;
	return base;
}

static void hide(struct pci_function *function)
{
	if (function->decoded == 0)
		return;
	bus_remove(function->pci->memory, function->decoded);
	function->decoded = 0;
	function->ops->decoded(function->device, 0);
}

static void show(struct pci_function *function, uint64_t base)
{
	struct bus_range range = { .base = base,
				   .bytes = function->bar_bytes,
				   .device = function->device };

	if (function->decoded != 0 || base == 0)
		return;
	range.ops = &function->ops->bar;
	if (bus_add(function->pci->memory, &range) < 0)
		return;
	function->decoded = base;
	function->ops->decoded(function->device, base);
}

/* The one place that decides what is decoded: what one function gives up,
 * another may have been waiting for. */
static void settle_decoding(struct pci *pci, struct pci_function *changed)
{
	uint64_t base = wanted_base(changed);

	if (base == changed->decoded)
		return;
	hide(changed);
	show(changed, base);
	for (uint32_t i = 0; i < SLOT_COUNT; i++)
		if (pci->slots[i])
			show(pci->slots[i], wanted_base(pci->slots[i]));
}

static void settle_msix(struct pci_function *function)
{
	uint64_t flags;

	if (function->msix_capability == 0)
		return;
	flags = get(function->space, function->msix_capability + PCI_MSIX_FLAGS,
		    2);
	msix_control(&function->msix, (flags & PCI_MSIX_FLAGS_ENABLE) != 0,
		     (flags & PCI_MSIX_FLAGS_MASKALL) != 0);
}

static bool touches(uint32_t offset, uint32_t width, uint32_t at,
		    uint32_t bytes)
{
	return offset < at + bytes && at < offset + width;
}

static void config_write(struct pci_function *function, uint32_t offset,
			 uint64_t value, uint32_t width)
{
	uint32_t flags = function->msix_capability + PCI_MSIX_FLAGS;

	if (offset + width > PCI_CONFIG_BYTES)
		return;
	for (uint32_t i = 0; i < width; i++) {
		uint8_t mask = function->writable[offset + i];
		uint8_t byte = (uint8_t)(value >> (8 * i));

		function->space[offset + i] =
			(uint8_t)((function->space[offset + i] & ~mask) |
				  (byte & mask));
	}
	if (touches(offset, width, PCI_COMMAND, 2) ||
	    touches(offset, width, PCI_BASE_ADDRESS_0, 4))
		settle_decoding(function->pci, function);
	if (touches(offset, width, flags, 2))
		settle_msix(function);
	if (function->ops && function->ops->config_written)
		function->ops->config_written(function->device, offset, width);
}

static uint64_t config_read(struct pci_function *function, uint32_t offset,
			    uint32_t width)
{
	if (offset + width > PCI_CONFIG_BYTES)
		return ALL_ONES;
	if (function->ops && function->ops->config_read)
		function->ops->config_read(function->device, offset, width);
	return get(function->space, offset, width);
}

/* ECAM: 3 bits of function number between slot and register. */
static struct pci_function *function_at(const struct pci *pci, uint64_t offset)
{
	uint64_t slot = offset >> 15;
	uint64_t number = offset >> 12 & 7;

	return number == 0 && slot < SLOT_COUNT ? pci->slots[slot] : NULL;
}

static uint64_t read_ecam(void *device, uint64_t offset, uint32_t width)
{
	struct pci_function *function = function_at(device, offset);

	return function ? config_read(function, offset & 0xfff, width)
			: ALL_ONES;
}

static void write_ecam(void *device, uint64_t offset, uint64_t value,
		       uint32_t width)
{
	struct pci_function *function = function_at(device, offset);

	if (function)
		config_write(function, offset & 0xfff, value, width);
}

static const struct bus_ops ecam_ops = { .read = read_ecam,
					 .write = write_ecam };

static uint64_t read_address(void *device, uint64_t offset, uint32_t width)
{
	const struct pci *pci = device;

	return width == 4 ? pci->address : ALL_ONES;
}

static void write_address(void *device, uint64_t offset, uint64_t value,
			  uint32_t width)
{
	struct pci *pci = device;

	if (width == 4)
		pci->address = (uint32_t)value & ~ADDRESS_RESERVED;
	else if (width == 1 && offset == 1 && pci->reset_control)
		pci->reset_control(pci->reset_context, (uint8_t)value);
}

static const struct bus_ops address_ops = { .read = read_address,
					    .write = write_address };

/* The offset in ECAM that the address register names, or beyond it. */
static uint64_t addressed(const struct pci *pci, uint64_t offset)
{
	uint32_t address = pci->address;

	if ((address & ADDRESS_ENABLE) == 0)
		return LAYOUT_ECAM_BYTES;
	return (uint64_t)(address & 0xffff00) << 4 |
	       ((address & 0xfc) + offset);
}

static uint64_t read_data(void *device, uint64_t offset, uint32_t width)
{
	return read_ecam(device, addressed(device, offset), width);
}

static void write_data(void *device, uint64_t offset, uint64_t value,
		       uint32_t width)
{
	write_ecam(device, addressed(device, offset), value, width);
}

static const struct bus_ops data_ops = { .read = read_data,
					 .write = write_data };

int pci_init(struct pci *pci, struct bus *ports, struct bus *memory,
	     const struct machine_ops *ops)
{
	const struct bus_range ecam = { LAYOUT_ECAM_BASE, LAYOUT_ECAM_BYTES,
					&ecam_ops, pci };
	const struct bus_range address = { PORT_PCI_ADDRESS, 4, &address_ops,
					   pci };
	const struct bus_range data = { PORT_PCI_DATA, 4, &data_ops, pci };
	int r;

	memset(pci, 0, sizeof(*pci));
	pci->memory = memory;
	pci->ops = ops;
	pci->next_gsi = GSI_MSI;
	pci_function_init(&pci->host, &host_identity, NULL, NULL);
	r = pci_add(pci, SLOT_HOST, &pci->host);
	if (r == 0)
		r = bus_add(memory, &ecam);
	if (r == 0)
		r = bus_add(ports, &address);
	return r < 0 ? r : bus_add(ports, &data);
}

void pci_release(struct pci *pci)
{
	for (uint32_t i = 0; i < SLOT_COUNT; i++)
		if (pci->slots[i])
			pci_remove(pci->slots[i]);
}

static void power_on(struct pci_function *function)
{
	for (uint32_t i = 0; i < PCI_CONFIG_BYTES; i++)
		function->space[i] &= (uint8_t)~function->writable[i];
	if (function->bar_bytes)
		put(function->space, PCI_BASE_ADDRESS_0,
		    (uint32_t)LAYOUT_PCI_BASE + function->slot * BAR_STRIDE, 4);
}

void pci_reset(struct pci *pci)
{
	pci->address = 0;
	for (uint32_t i = 0; i < SLOT_COUNT; i++) {
		struct pci_function *function = pci->slots[i];

		if (!function)
			continue;
		hide(function);
		power_on(function);
		if (function->ops)
			function->ops->reset(function->device);
		msix_reset(&function->msix);
	}
}

int pci_add(struct pci *pci, uint8_t slot, struct pci_function *function)
{
	assert(slot < SLOT_COUNT);
	if (pci->slots[slot])
		return -EBUSY;
	pci->slots[slot] = function;
	function->pci = pci;
	function->slot = slot;
	power_on(function);
	return 0;
}

void pci_remove(struct pci_function *function)
{
	if (!function->pci)
		return;
	hide(function);
	msix_release(&function->msix);
	function->pci->slots[function->slot] = NULL;
	function->pci = NULL;
}

void pci_save(const struct pci *pci, struct state_writer *writer)
{
	for (uint8_t i = 0; i < SLOT_COUNT; i++) {
		const struct pci_function *function = pci->slots[i];

		if (!function)
			continue;
		state_begin(writer, STATE_PCI, STATE_VERSION);
		state_put_u8(writer, i);
		state_put_u32(writer, pci->address);
		state_put(writer, function->space, sizeof(function->space));
		msix_save(&function->msix, writer);
		if (function->ops)
			function->ops->save(function->device, writer);
		state_end(writer);
	}
}

/* Only what the guest could have written may differ. */
static void restore_space(struct pci_function *function,
			  struct state_reader *reader)
{
	uint8_t space[PCI_CONFIG_BYTES];

	state_get(reader, space, sizeof(space));
	for (uint32_t i = 0; i < PCI_CONFIG_BYTES; i++) {
		uint8_t changed = space[i] ^ function->space[i];

		if ((changed & ~function->writable[i]) != 0)
			state_refuse(reader);
		function->space[i] ^= changed & function->writable[i];
	}
}

static void restore_function(struct pci *pci, struct pci_function *function,
			     struct state_reader *reader)
{
	if (state_enter(reader, STATE_PCI, STATE_VERSION) == 0)
		return;
	if (state_get_u8(reader) != function->slot)
		state_refuse(reader);
	pci->address = state_get_u32(reader) & ~ADDRESS_RESERVED;
	restore_space(function, reader);
	msix_restore(&function->msix, reader);
	if (state_reader_result(reader) < 0)
		return;
	settle_decoding(pci, function);
	settle_msix(function);
	if (function->ops)
		function->ops->restore(function->device, reader);
	state_leave(reader);
}

void pci_restore(struct pci *pci, struct state_reader *reader)
{
	for (uint32_t i = 0; i < SLOT_COUNT; i++)
		if (pci->slots[i])
			restore_function(pci, pci->slots[i], reader);
}
