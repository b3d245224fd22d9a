/* SPDX-License-Identifier: MIT */
#include "probe/guest.h"

#include <string.h>

#include "base/count.h"

/*
 * Each case is position-independent and ends by writing its outcome to the
 * port. 0x7000 is scratch memory, aligned for all.
 */
__asm__(".pushsection .rodata\n"
	"guest_int3:\n"
	"	int3\n"
	"	mov $0x200, %eax\n"
	"	out %eax, $0xf4\n"
	"guest_int3_end:\n"
	"guest_syscall:\n"
	"	syscall\n"
	"guest_syscall_end:\n"
	"guest_cmpxchg16b:\n"
	"	xor %eax, %eax\n"
	"	xor %edx, %edx\n"
	"	mov $1, %ebx\n"
	"	mov $2, %ecx\n"
	"	mov $0x7000, %esi\n"
	"	lock cmpxchg16b (%rsi)\n"
	"	jne 1f\n"
	"	cmpq $1, (%rsi)\n"
	"	jne 1f\n"
	"	cmpq $2, 8(%rsi)\n"
	"	jne 1f\n"
	"	mov $0x100, %eax\n"
	"	out %eax, $0xf4\n"
	"1:	mov $0x200, %eax\n"
	"	out %eax, $0xf4\n"
	"guest_cmpxchg16b_end:\n"
	"guest_fxsave:\n"
	"	mov $0x7000, %esi\n"
	"	movabs $0x1122334455667788, %rax\n"
	"	movq %rax, %xmm0\n"
	"	fxsave64 (%rsi)\n"
	"	pxor %xmm0, %xmm0\n"
	"	fxrstor64 (%rsi)\n"
	"	movq %xmm0, %rbx\n"
	"	cmp %rax, %rbx\n"
	"	jne 1f\n"
	"	mov $0x100, %eax\n"
	"	out %eax, $0xf4\n"
	"1:	mov $0x200, %eax\n"
	"	out %eax, $0xf4\n"
	"guest_fxsave_end:\n"
	".popsection\n");

extern const uint8_t guest_int3[], guest_int3_end[];
extern const uint8_t guest_syscall[], guest_syscall_end[];
extern const uint8_t guest_cmpxchg16b[], guest_cmpxchg16b_end[];
extern const uint8_t guest_fxsave[], guest_fxsave_end[];

#define VECTOR_BREAKPOINT 3

const struct guest_case guest_cases[] = {
	{ "kvm.int3", "INT3 through its IDT", guest_int3, guest_int3_end, 0,
	  VECTOR_BREAKPOINT },
	{ "kvm.syscall", "SYSCALL from user mode", guest_syscall,
	  guest_syscall_end, 1, -1 },
	{ "kvm.cmpxchg16b", "CMPXCHG16B", guest_cmpxchg16b,
	  guest_cmpxchg16b_end, 0, -1 },
	{ "kvm.fxsave", "FXSAVE and FXRSTOR", guest_fxsave, guest_fxsave_end, 0,
	  -1 },
};

const size_t guest_case_count = ARRAY_COUNT(guest_cases);

static void put_u64(uint8_t *memory, uint32_t at, uint64_t value)
{
	memcpy(memory + at, &value, sizeof(value));
}

/* mov $value, %eax; out %eax, $0xf4 */
static void put_report(uint8_t *memory, uint32_t at, uint32_t value)
{
	uint8_t code[] = { 0xb8, 0, 0, 0, 0, 0xe7, GUEST_PORT };

	memcpy(code + 1, &value, sizeof(value));
	memcpy(memory + at, code, sizeof(code));
}

static void fill_tables(uint8_t *memory)
{
	const uint64_t present_writable_user = 7, large = 0x80;

	put_u64(memory, GUEST_PML4, GUEST_PDPT | present_writable_user);
	put_u64(memory, GUEST_PDPT, GUEST_PD | present_writable_user);
	put_u64(memory, GUEST_PD, large | present_writable_user);
}

static void fill_segments(uint8_t *memory)
{
	put_u64(memory, GUEST_GDT + GUEST_KERNEL_CODE, 0x00af9b000000ffff);
	put_u64(memory, GUEST_GDT + GUEST_KERNEL_DATA, 0x00cf93000000ffff);
	put_u64(memory, GUEST_GDT + GUEST_USER_DATA, 0x00cff3000000ffff);
	put_u64(memory, GUEST_GDT + GUEST_USER_CODE, 0x00affb000000ffff);
	/* Busy 64-bit task segment; it holds the stack for exceptions in user
	 * mode. */
	put_u64(memory, GUEST_GDT + GUEST_TASK,
		0x00008b0000000067 | (uint64_t)GUEST_TSS << 16);
	put_u64(memory, GUEST_TSS + 4, GUEST_STACK);
}

static void fill_gate(uint8_t *memory, unsigned int vector, uint32_t handler)
{
	/* Present interrupt gate, callable from user mode. */
	uint64_t low = (handler & 0xffff) | (uint64_t)GUEST_KERNEL_CODE << 16 |
		       0xee00ull << 32 | (uint64_t)(handler >> 16) << 48;

	put_u64(memory, GUEST_IDT + vector * 16, low);
}

void guest_fill(uint8_t *memory, const struct guest_case *which)
{
	fill_tables(memory);
	fill_segments(memory);
	for (unsigned int vector = 0; vector < GUEST_VECTORS; vector++) {
		put_report(memory, GUEST_HANDLERS + vector * 16, vector);
		fill_gate(memory, vector, GUEST_HANDLERS + vector * 16);
	}
	put_report(memory, GUEST_SUCCESS, GUEST_OK);
	if (which->success_vector >= 0)
		fill_gate(memory, (unsigned int)which->success_vector,
			  GUEST_SUCCESS);
	memcpy(memory + GUEST_CODE, which->code,
	       (size_t)(which->code_end - which->code));
}
