/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/count.h"
#include "base/scope.h"
#include "machine/layout.h"

#define IOAPIC_PINS 24
#define PIC_PINS    16
#define FIXED       (IOAPIC_PINS + PIC_PINS)
#define ROUTE_STEP  64

static int call(int fd, unsigned long request, const void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static int call_number(int fd, unsigned long request, unsigned long number)
{
	return ioctl(fd, request, number) < 0 ? -errno : 0;
}

/* Making. ------------------------------------------------------------------- */

static int add_memory(struct vm *vm, const struct kvm_memory *memory)
{
	int r = 0;

	for (uint32_t i = 0; i < memory->range_count && r == 0; i++) {
		const struct memory_range *range = &memory->ranges[i];
		const struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = range->gpa,
			.memory_size = range->bytes,
			.userspace_addr =
				(uintptr_t)memory->map + range->offset_bytes,
		};

		r = call(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
	}
	return r;
}

/* Pages that some Intel processors need for real mode; elsewhere nothing. */
static int place_helpers(struct vm *vm)
{
	const uint64_t identity = LAYOUT_IDENTITY;
	int r = call_number(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_TSS);

	return r < 0 ? r : call(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
}

static int add_chips(struct vm *vm)
{
	const struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int r = call_number(vm->fd, KVM_CREATE_IRQCHIP, 0);

	return r < 0 ? r : call(vm->fd, KVM_CREATE_PIT2, &pit);
}

/* What makes a machine a better neighbour, or easier to help. A KVM or a
 * processor without one has it not, and the guest runs all the same. */
static const struct kvm_enable_cap wanted_caps[] = {
	/* Failed emulations do not look like others. */
	{ .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 1 } },
	/* A lock of the whole bus, which stops everyone's processors, is ours
	 * to slow down (exits.c). */
	{ .cap = KVM_CAP_X86_BUS_LOCK_EXIT,
	  .args = { KVM_BUS_LOCK_DETECTION_EXIT } },
	/* A guest cannot keep its processor from taking interrupts. */
	{ .cap = KVM_CAP_X86_NOTIFY_VMEXIT,
	  .args = { KVM_X86_NOTIFY_VMEXIT_ENABLED } },
	/* No counters, which tell a guest of its neighbours. */
	{ .cap = KVM_CAP_PMU_CAPABILITY, .args = { KVM_PMU_CAP_DISABLE } },
};

static void enable_caps(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_COUNT(wanted_caps); i++)
		(void)call(vm->fd, KVM_ENABLE_CAP, &wanted_caps[i]);
}

/* KVM gives up on a signal, be it one that only stops us for a moment: a reset
 * of the guest must not fail of that. */
static int create(struct vm *vm, int kvm_fd)
{
	int fd;

	do {
		fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	} while (fd < 0 && errno == EINTR);
	vm->fd = fd < 0 ? NO_FD : fd;
	return fd < 0 ? -errno : 0;
}

static int make(struct vm *vm, int kvm_fd, const struct kvm_memory *memory)
{
	int r = create(vm, kvm_fd);

	if (r < 0)
		return r;
	r = place_helpers(vm);
	if (r == 0)
		r = add_chips(vm);
	if (r == 0)
		r = add_memory(vm, memory);
	enable_caps(vm);
	return r;
}

int vm_open(struct vm *vm, int kvm_fd, uint32_t vcpu_count,
	    const struct kvm_memory *memory, struct refusal *refusal)
{
	int most = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	int r;

	memset(vm, 0, sizeof(*vm));
	vm->fd = NO_FD;
	if (most > 0 && vcpu_count > (uint32_t)most)
		return refuse(refusal, -ERANGE, "cpu.virtual",
			      "this host's KVM supports at most %d", most);
	r = make(vm, kvm_fd, memory);
	if (r == 0)
		return 0;
	vm_close(vm);
	return refuse(refusal, r, "engine", "KVM cannot create the machine: %s",
		      strerror(-r));
}

void vm_close(struct vm *vm)
{
	close_fd(&vm->fd);
	free(vm->routes);
	vm->routes = NULL;
	vm->route_room = 0;
}

/* Interrupts. ---------------------------------------------------------------- */

void vm_set_line(void *context, uint32_t gsi, bool level)
{
	const struct vm *vm = context;
	const struct kvm_irq_level line = { .irq = gsi, .level = level };

	(void)call(vm->fd, KVM_IRQ_LINE, &line);
}

static void fix_route(struct kvm_irq_routing_entry *entry, uint32_t gsi,
		      uint32_t chip, uint32_t pin)
{
	*entry = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* What KVM has until it is told otherwise. */
static void fill_fixed(struct kvm_irq_routing *routes)
{
	for (uint32_t i = 0; i < IOAPIC_PINS; i++)
		fix_route(&routes->entries[i], i, KVM_IRQCHIP_IOAPIC, i);
	for (uint32_t i = 0; i < PIC_PINS; i++)
		fix_route(&routes->entries[IOAPIC_PINS + i], i,
			  i < 8 ? KVM_IRQCHIP_PIC_MASTER
				: KVM_IRQCHIP_PIC_SLAVE,
			  i % 8);
	routes->nr = FIXED;
}

static int make_room(struct vm *vm)
{
	struct kvm_irq_routing *grown;
	uint32_t room = vm->route_room + ROUTE_STEP;

	if (vm->routes && vm->routes->nr < vm->route_room)
		return 0;
	grown = realloc(vm->routes,
			sizeof(*grown) + room * sizeof(grown->entries[0]));
	if (!grown)
		return -ENOMEM;
	if (!vm->routes) {
		grown->flags = 0;
		fill_fixed(grown);
	}
	vm->routes = grown;
	vm->route_room = room;
	return 0;
}

static struct kvm_irq_routing_entry *find_route(struct vm *vm, uint32_t gsi)
{
	for (uint32_t i = FIXED; vm->routes && i < vm->routes->nr; i++)
		if (vm->routes->entries[i].gsi == gsi)
			return &vm->routes->entries[i];
	return NULL;
}

static int route_msi(void *context, uint32_t gsi, uint64_t address,
		     uint32_t data)
{
	struct vm *vm = context;
	struct kvm_irq_routing_entry *entry = find_route(vm, gsi);
	int r;

	if (gsi < GSI_MSI || gsi >= GSI_COUNT)
		return -EINVAL;
	if (!entry) {
		r = make_room(vm);
		if (r < 0)
			return r;
		entry = &vm->routes->entries[vm->routes->nr++];
	}
	*entry = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)address,
			   .address_hi = (uint32_t)(address >> 32),
			   .data = data },
	};
	return call(vm->fd, KVM_SET_GSI_ROUTING, vm->routes);
}

static int bind_irq(void *context, uint32_t gsi, int event_fd, bool on)
{
	const struct vm *vm = context;
	const struct kvm_irqfd irqfd = {
		.fd = (uint32_t)event_fd,
		.gsi = gsi,
		.flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return call(vm->fd, KVM_IRQFD, &irqfd);
}

static int bind_doorbell(void *context, uint64_t gpa, int event_fd, bool on)
{
	const struct vm *vm = context;
	const struct kvm_ioeventfd bell = {
		.addr = gpa,
		.fd = event_fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return call(vm->fd, KVM_IOEVENTFD, &bell);
}

struct machine_ops vm_ops(struct vm *vm)
{
	return (struct machine_ops){
		.set_line = vm_set_line,
		.route_msi = route_msi,
		.bind_irq = bind_irq,
		.bind_doorbell = bind_doorbell,
		.context = vm,
	};
}
