/* SPDX-License-Identifier: MIT */
/*
 * A guest that asks the first virtio disk on PCI bus 0 for its name, again and
 * again, one request at a time, and halts until the interrupt: a doorbell, the
 * shortest way through the device, and an interrupt. It writes the magic port
 * before the first of ROUND_TRIPS and after the last.
 *
 * Sources: virtio 1.2, 2.7 (split queues), 4.1 (PCI) and 5.2.6 (GET_ID);
 * Intel SDM 3A, 11.4 (local APIC).
 */
#include <stddef.h>
#include <stdint.h>

#define ROUND_TRIPS 2000
#define WARM_UP     200
#define MAGIC_PORT  0xf7
#define VECTOR      0x40
#define APIC        0xfee00000u
#define APIC_EOI    0xb0
#define APIC_SVR    0xf0
#define FREE_SPACE  0xd0000000u /* for BARs that nobody has placed */
#define QUEUE_SIZE  8
#define GET_ID      8

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags; /* 1: there is a next one, 2: for the device to write */
	uint16_t next;
};

static struct descriptor descriptors[QUEUE_SIZE] __attribute__((aligned(4096)));
static volatile struct {
	uint16_t flags, index, ring[QUEUE_SIZE];
} available __attribute__((aligned(4096)));
static volatile struct {
	uint16_t flags, index;
	struct {
		uint32_t id, length;
	} ring[QUEUE_SIZE];
} used __attribute__((aligned(4096)));
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header = { .type = GET_ID };
static uint8_t name[20], status;
static uint64_t gates[256][2] __attribute__((aligned(16)));

void interrupt_entry(void);
void interrupt(void);
void main(void);

/* Ports and registers. ------------------------------------------------------- */

static void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static uint32_t config(uint32_t device, uint32_t at)
{
	uint32_t value, where = 1u << 31 | device << 11 | (at & ~3u);

	__asm__ volatile("outl %0, %1" ::"a"(where), "Nd"((uint16_t)0xcf8));
	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"((uint16_t)0xcfc));
	return value;
}

static void configure(uint32_t device, uint32_t at, uint32_t value)
{
	(void)config(device, at);
	__asm__ volatile("outl %0, %1" ::"a"(value), "Nd"((uint16_t)0xcfc));
}

static volatile uint8_t *mmio8(uint64_t at)
{
	return (volatile uint8_t *)at;
}

static volatile uint16_t *mmio16(uint64_t at)
{
	return (volatile uint16_t *)at;
}

static volatile uint32_t *mmio32(uint64_t at)
{
	return (volatile uint32_t *)at;
}

void interrupt(void)
{
	*mmio32(APIC + APIC_EOI) = 0;
}

/* PCI. ----------------------------------------------------------------------- */

static uint32_t free_space = FREE_SPACE;

/* Where a BAR's memory is, below 4 GiB; placed if it is not. */
static uint64_t bar(uint32_t device, uint32_t index)
{
	uint32_t at = 0x10 + 4 * index, low = config(device, at), size;
	uint32_t is_long = (low & 6) == 4;

	if ((low & ~15u) && !(is_long && config(device, at + 4)))
		return low & ~15u;
	configure(device, at, ~0u);
	size = -(config(device, at) & ~15u);
	free_space = (free_space + size - 1) & -size;
	configure(device, at, free_space);
	if (is_long)
		configure(device, at + 4, 0);
	free_space += size;
	return config(device, at) & ~15u;
}

struct device {
	uint32_t number;
	uint64_t common, notify, msix;
	uint32_t multiplier;
};

static void use_capability(struct device *device, uint32_t at)
{
	uint32_t number = device->number, head = config(number, at);
	uint32_t kind = head >> 24, place;

	if ((head & 0xff) == 0x11) {
		place = config(number, at + 4);
		device->msix = bar(number, place & 7) + (place & ~7u);
		configure(number, at, head | 1u << 31);
	} else if ((head & 0xff) == 9 && (kind == 1 || kind == 2)) {
		place = config(number, at + 4) & 0xff;
		place = (uint32_t)bar(number, place) + config(number, at + 8);
		if (kind == 1)
			device->common = place;
		else
			device->notify = place;
		if (kind == 2)
			device->multiplier = config(number, at + 16);
	}
}

static int find_disk(struct device *device)
{
	uint32_t number = 0, at;

	while (number < 32 && config(number, 0) != 0x10421af4)
		number++;
	if (number == 32)
		return 0;
	device->number = number;
	for (at = config(number, 0x34) & 0xfc; at;
	     at = config(number, at) >> 8 & 0xfc)
		use_capability(device, at);
	configure(number, 4, config(number, 4) | 6);
	return 1;
}

/* The device. ---------------------------------------------------------------- */

static void write64(uint64_t at, const volatile void *address)
{
	*mmio32(at) = (uint32_t)(uintptr_t)address;
	*mmio32(at + 4) = (uint32_t)((uintptr_t)address >> 32);
}

static void route_interrupt(const struct device *device)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed))
	table = { sizeof(gates) - 1, (uintptr_t)gates };
	uint64_t entry = (uintptr_t)interrupt_entry;

	gates[VECTOR][0] = (entry & 0xffff) | 8ull << 16 | 0x8eull << 40 |
			   (entry >> 16 & 0xffff) << 48;
	gates[VECTOR][1] = entry >> 32;
	__asm__ volatile("lidt %0" ::"m"(table));
	/* Firmware leaves its timer ticking. */
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	*mmio32(APIC + APIC_SVR) = 0x1ff;
	*mmio32(device->msix) = APIC;
	*mmio32(device->msix + 4) = 0;
	*mmio32(device->msix + 8) = VECTOR;
	*mmio32(device->msix + 12) = 0;
}

/* Returns the doorbell. */
static volatile uint16_t *drive(const struct device *device)
{
	uint64_t at = device->common;

	*mmio8(at + 20) = 0;
	*mmio8(at + 20) = 3; /* ACKNOWLEDGE, DRIVER */
	*mmio32(at + 8) = 1;
	*mmio32(at + 12) = 1; /* VERSION_1 */
	*mmio8(at + 20) = 11; /* FEATURES_OK */
	*mmio16(at + 16) = 0xffff;
	*mmio16(at + 22) = 0;
	*mmio16(at + 24) = QUEUE_SIZE;
	*mmio16(at + 26) = 0;
	write64(at + 32, descriptors);
	write64(at + 40, &available);
	write64(at + 48, &used);
	*mmio16(at + 28) = 1;
	*mmio8(at + 20) = 15; /* DRIVER_OK */
	return mmio16(device->notify + *mmio16(at + 30) * device->multiplier);
}

static void describe(uint32_t index, const void *address, uint32_t length,
		     uint16_t flags)
{
	descriptors[index] = (struct descriptor){
		.address = (uintptr_t)address,
		.length = length,
		.flags = flags,
		.next = (uint16_t)(index + 1),
	};
}

static void round_trip(volatile uint16_t *doorbell)
{
	uint16_t index = available.index;

	available.ring[index % QUEUE_SIZE] = 0;
	__asm__ volatile("" ::: "memory");
	available.index = (uint16_t)(index + 1);
	__asm__ volatile("mfence" ::: "memory");
	if (!(used.flags & 1))
		*doorbell = 0;
	__asm__ volatile("cli");
	while (used.index != (uint16_t)(index + 1))
		__asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
	__asm__ volatile("sti");
}

void main(void)
{
	struct device device = { 0 };
	volatile uint16_t *doorbell;

	if (!find_disk(&device))
		return;
	route_interrupt(&device);
	describe(0, &header, sizeof(header), 1);
	describe(1, name, sizeof(name), 3);
	describe(2, &status, 1, 2);
	doorbell = drive(&device);
	for (int i = 0; i < WARM_UP; i++)
		round_trip(doorbell);
	out8(MAGIC_PORT, status);
	for (int i = 0; i < ROUND_TRIPS; i++)
		round_trip(doorbell);
	out8(MAGIC_PORT, status);
}
