/* SPDX-License-Identifier: MIT */
/*
 * Instructions that KVM hands over, with a real KVM. Where there is none, or
 * none that gets that far, a test says so and passes; the emulated machine of
 * tests/rig has one.
 */
#include "monitor/engine/kvm/vcpu/emulation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define MEMORY  (2u << 20)
#define PML4    0x1000
#define PDPT    0x2000
#define PD      0x3000
#define IDT     0x4000
#define GDT     0x5000
#define HANDLER 0x6000
#define CODE    0x8000
#define STACK   0xf000
#define DEVICE  0xd0000000u /* seen at 2 MiB */
#define WINDOW  0x200000u
#define CPUIDS  256
#define AREA    16384

static struct {
	int kvm, vm, vcpu;
	size_t run_bytes;
	struct kvm_run *run;
	uint8_t *memory;
	uint8_t device[4096];
	unsigned int device_accesses;
	struct emulations emulations;
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUIDS];
	} cpuid;
	char text[EMULATION_TEXT_SIZE];
} guest = { .kvm = NO_FD, .vm = NO_FD, .vcpu = NO_FD };

static void put(uint32_t at, uint64_t value)
{
	memcpy(guest.memory + at, &value, sizeof(value));
}

static void fill_memory(const uint8_t *code, size_t bytes)
{
	put(PML4, PDPT | 3);
	put(PDPT, PD | 3);
	put(PD, 0x80 | 3);
	put(PD + 8, DEVICE | 0x80 | 3);
	put(GDT + 8, 0x00af9b000000ffff);
	put(GDT + 16, 0x00cf93000000ffff);
	/* Every exception ends at a HLT of its own. */
	for (uint32_t vector = 0; vector < 32; vector++) {
		put(IDT + vector * 16, 0x00008e0000080000 | (HANDLER + vector));
		guest.memory[HANDLER + vector] = 0xf4;
	}
	memcpy(guest.memory + CODE, code, bytes);
	guest.memory[CODE + bytes] = 0xf4;
}

static int open_machine(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE,
		.args = { 1 },
	};

	guest.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (guest.kvm < 0)
		return -errno;
	guest.vm = ioctl(guest.kvm, KVM_CREATE_VM, 0);
	if (guest.vm < 0 || ioctl(guest.vm, KVM_ENABLE_CAP, &cap) < 0)
		return -errno;
	guest.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(guest.memory != MAP_FAILED);
	region.userspace_addr = (uintptr_t)guest.memory;
	CHECK_EQ(ioctl(guest.vm, KVM_SET_USER_MEMORY_REGION, &region), 0);
	guest.vcpu = ioctl(guest.vm, KVM_CREATE_VCPU, 0);
	CHECK(guest.vcpu >= 0);
	guest.run_bytes = (size_t)ioctl(guest.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	guest.run = mmap(NULL, guest.run_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED, guest.vcpu, 0);
	CHECK(guest.run != MAP_FAILED);
	return 0;
}

static void close_machine(void)
{
	if (guest.run)
		(void)munmap(guest.run, guest.run_bytes);
	if (guest.memory)
		(void)munmap(guest.memory, MEMORY);
	close_fd(&guest.vcpu);
	close_fd(&guest.vm);
	close_fd(&guest.kvm);
}

static void set_registers(void)
{
	struct kvm_segment code = { .limit = UINT32_MAX,
				    .selector = 8,
				    .type = 11,
				    .present = 1,
				    .s = 1,
				    .l = 1,
				    .g = 1 };
	struct kvm_segment data = code;
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .value = 7 } } };
	struct kvm_regs regs = { .rip = CODE,
				 .rsp = STACK,
				 .rsi = WINDOW + 0x40,
				 .rdi = 0x300000,
				 .rflags = 2 };
	struct kvm_sregs sregs;

	data.selector = 16;
	data.type = 3;
	data.l = 0;
	data.db = 1;
	CHECK_EQ(ioctl(guest.vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 23;
	sregs.idt.base = IDT;
	sregs.idt.limit = 511;
	sregs.cr0 = 0x80010033;
	sregs.cr3 = PML4;
	sregs.cr4 = 0x40620;
	sregs.efer = 0x500;
	CHECK_EQ(ioctl(guest.vcpu, KVM_SET_SREGS, &sregs), 0);
	CHECK_EQ(ioctl(guest.vcpu, KVM_SET_REGS, &regs), 0);
	CHECK_EQ(ioctl(guest.vcpu, KVM_SET_XCRS, &xcrs), 0);
}

static void set_vectors(void)
{
	static _Alignas(64) uint8_t area[AREA];
	static struct emulate_cpu cpu;

	CHECK(guest.emulations.xstate_bytes <= AREA);
	CHECK_EQ(ioctl(guest.vcpu, KVM_GET_XSAVE, area), 0);
	for (size_t i = 0; i < sizeof(cpu.vectors[0]); i++)
		cpu.vectors[0][i] = (uint8_t)(i + 1);
	cpu.xcr0 = 7;
	xstate_put(&guest.emulations.layout, area,
		   guest.emulations.xstate_bytes, &cpu);
	CHECK_EQ(ioctl(guest.vcpu, KVM_SET_XSAVE, area), 0);
}

/* False: no KVM here that could run it. */
static void begin(const uint8_t *code, size_t bytes)
{
	int error = open_machine();

	if (error < 0)
		test_skip("there is no KVM: %s", strerror(-error));
	guest.cpuid.head.nent = CPUIDS;
	CHECK_EQ(ioctl(guest.kvm, KVM_GET_SUPPORTED_CPUID, &guest.cpuid), 0);
	CHECK_EQ(ioctl(guest.vcpu, KVM_SET_CPUID2, &guest.cpuid), 0);
	emulations_init(&guest.emulations, guest.vm, &guest.cpuid.head);
	if (!(guest.emulations.features & EMULATE_AVX))
		test_skip("no AVX");
	fill_memory(code, bytes);
	set_registers();
	set_vectors();
}

static uint8_t *memory_at(void *context, uint64_t gpa, size_t bytes)
{
	return gpa < MEMORY && bytes <= MEMORY - gpa ? guest.memory + gpa
						     : NULL;
}

static void read_device(void *context, uint64_t gpa, void *to, size_t bytes)
{
	CHECK(gpa >= DEVICE && gpa - DEVICE < sizeof(guest.device));
	memcpy(to, guest.device + (gpa - DEVICE), bytes);
	guest.device_accesses++;
}

static void write_device(void *context, uint64_t gpa, const void *from,
			 size_t bytes)
{
	CHECK(gpa >= DEVICE && gpa - DEVICE < sizeof(guest.device));
	memcpy(guest.device + (gpa - DEVICE), from, bytes);
	guest.device_accesses++;
}

static const struct emulation_ops ops = {
	.memory = memory_at,
	.read = read_device,
	.write = write_device,
};

/* Run until HLT; 0, or what emulation_handle() said. */
static int run(void)
{
	for (int i = 0; i < 100; i++) {
		int error;

		CHECK_EQ(ioctl(guest.vcpu, KVM_RUN, 0), 0);
		if (guest.run->exit_reason == KVM_EXIT_HLT)
			return 0;
		CHECK_EQ(guest.run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
		CHECK_EQ(guest.run->internal.suberror,
			 KVM_INTERNAL_ERROR_EMULATION);
		error = emulation_handle(&guest.emulations, guest.vcpu,
					 guest.run, &ops, guest.text);
		if (error)
			return error;
	}
	return -ELOOP;
}

static uint64_t rip(void)
{
	struct kvm_regs regs;

	CHECK_EQ(ioctl(guest.vcpu, KVM_GET_REGS, &regs), 0);
	return regs.rip;
}

static uint64_t counted;
static char vmovdqu[] = "vmovdqu";

static void count(void *context, const struct emulation *row)
{
	CHECK_EQ(strcmp(row->mnemonic, context), 0);
	counted += row->count;
}

TEST(a_vector_move_to_a_device_arrives)
{
	/* vmovdqu %ymm0, (%rsi); vmovdqu %ymm0, 0x23(%rsi) */
	static const uint8_t code[] = { 0xc5, 0xfe, 0x7f, 0x06, 0xc5,
					0xfe, 0x7f, 0x46, 0x23 };

	begin(code, sizeof(code));
	CHECK_EQ(run(), 0);
	CHECK_EQ(rip(), CODE + sizeof(code) + 1);
	for (int i = 0; i < 32; i++) {
		CHECK_EQ(guest.device[0x40 + i], i + 1);
		CHECK_EQ(guest.device[0x63 + i], i + 1);
	}
	CHECK_EQ(guest.device_accesses, 4 + 7);
	emulations_report(&guest.emulations, count, vmovdqu);
	CHECK_EQ(counted, 2);
	close_machine();
}

TEST(a_vector_move_from_a_device_reaches_the_register)
{
	/* vmovdqu (%rsi), %ymm9; vmovdqu %ymm9, 0x7000(,1) */
	static const uint8_t code[] = { 0xc5, 0x7e, 0x6f, 0x0e, 0xc5,
					0x7e, 0x7f, 0x0c, 0x25, 0,
					0x70, 0,    0 };

	begin(code, sizeof(code));
	for (int i = 0; i < 32; i++)
		guest.device[0x40 + i] = (uint8_t)(0x80 + i);
	CHECK_EQ(run(), 0);
	CHECK_EQ(memcmp(guest.memory + 0x7000, guest.device + 0x40, 32), 0);
	close_machine();
}

TEST(a_vector_move_that_faults_gives_the_guest_its_page_fault)
{
	/* Eight bytes before the end of what is mapped. */
	static const uint8_t code[] = { 0xc5, 0xfe, 0x7f, 0x06 };
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	begin(code, sizeof(code));
	CHECK_EQ(ioctl(guest.vcpu, KVM_GET_REGS, &regs), 0);
	regs.rsi = WINDOW + (2u << 20) - 8;
	CHECK_EQ(ioctl(guest.vcpu, KVM_SET_REGS, &regs), 0);
	CHECK_EQ(run(), 0);
	CHECK_EQ(rip(), HANDLER + 14 + 1);
	CHECK_EQ(ioctl(guest.vcpu, KVM_GET_SREGS, &sregs), 0);
	CHECK_EQ(sregs.cr2, WINDOW + (2u << 20));
	CHECK_EQ(guest.device_accesses, 0);
	close_machine();
}

TEST(an_instruction_that_nobody_knows_is_told_with_its_bytes)
{
	/* vaddps (%rsi), %ymm0, %ymm0 */
	static const uint8_t code[] = { 0xc5, 0xfc, 0x58, 0x06 };

	begin(code, sizeof(code));
	CHECK_EQ(run(), -EOPNOTSUPP);
	CHECK(strstr(guest.text, "vaddps"));
	CHECK(strstr(guest.text, "c5 fc 58 06"));
	CHECK_EQ(rip(), CODE);
	close_machine();
}
