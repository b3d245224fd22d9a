/* SPDX-License-Identifier: MIT */
/* What we do to registers and memory is what this processor does. */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/count.h"
#include "emulate/emulate.h"
#include "emulate/xstate.h"
#include "lib/harness.h"

#define DATA_BYTES 256
#define AREA_BYTES 16384

/* Offsets known to the code below. */
struct registers {
	uint64_t general[16]; /* RSP and R15 are not touched */
	uint8_t *area;        /* for XSAVE; at 128 */
};

struct one_case {
	const char *name;
	const uint8_t *code, *end;
	const char *needs;
};

/* clang-format off */
#define CASE(name_, text_, needs_)                               \
	__asm__(".pushsection .rodata\n"                         \
		"case_" #name_ ":\n" text_ "\n"                  \
		"case_" #name_ "_end:\n.popsection\n");          \
	extern const uint8_t case_##name_[], case_##name_##_end[];
#include "cases.h"
#undef CASE

static const struct one_case cases[] = {
#define CASE(name_, text_, needs_) \
	{ #name_, case_##name_, case_##name_##_end, needs_ },
#include "cases.h"
#undef CASE
};

/* Take on the registers, and after the instruction store them again. */
__asm__(".pushsection .rodata\n"
	"code_before:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14\n"
	"	push %r15\n"
	"	mov %rdi, %r15\n"
	"	mov 128(%r15), %rbx\n"
	"	mov $-1, %eax; mov $-1, %edx\n"
	"	xrstor64 (%rbx)\n"
	"	mov 0(%r15), %rax; mov 8(%r15), %rcx; mov 16(%r15), %rdx\n"
	"	mov 24(%r15), %rbx; mov 40(%r15), %rbp\n"
	"	mov 48(%r15), %rsi; mov 56(%r15), %rdi\n"
	"	mov 64(%r15), %r8; mov 72(%r15), %r9; mov 80(%r15), %r10\n"
	"	mov 88(%r15), %r11; mov 96(%r15), %r12\n"
	"	mov 104(%r15), %r13; mov 112(%r15), %r14\n"
	"code_before_end:\n"
	"code_after:\n"
	"	mov %rax, 0(%r15); mov %rcx, 8(%r15); mov %rdx, 16(%r15)\n"
	"	mov %rbx, 24(%r15); mov %rbp, 40(%r15)\n"
	"	mov %rsi, 48(%r15); mov %rdi, 56(%r15)\n"
	"	mov %r8, 64(%r15); mov %r9, 72(%r15); mov %r10, 80(%r15)\n"
	"	mov %r11, 88(%r15); mov %r12, 96(%r15)\n"
	"	mov %r13, 104(%r15); mov %r14, 112(%r15)\n"
	"	mov 128(%r15), %rbx\n"
	"	mov $-1, %eax; mov $-1, %edx\n"
	"	xsave64 (%rbx)\n"
	"	pop %r15\n"
	"	pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	"code_after_end:\n"
	".popsection\n");
/* clang-format on */
extern const uint8_t code_before[], code_before_end[];
extern const uint8_t code_after[], code_after_end[];

static _Alignas(64) uint8_t area[AREA_BYTES];
static _Alignas(64) uint8_t data[2][DATA_BYTES]; /* read, written */
static uint8_t shadow[2][DATA_BYTES];            /* where we work */
static struct xstate_layout layout;
static struct registers registers;
static struct emulate_cpu cpu;

static uint8_t *append(uint8_t *to, const uint8_t *from, const uint8_t *end)
{
	memcpy(to, from, (size_t)(end - from));
	return to + (end - from);
}

static void execute(const struct one_case *which)
{
	void (*run)(struct registers * registers);
	uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *at = code;

	CHECK(code != MAP_FAILED);
	at = append(at, code_before, code_before_end);
	at = append(at, which->code, which->end);
	(void)append(at, code_after, code_after_end);
	memcpy(&run, &code, sizeof(run));
	run(&registers);
	(void)munmap(code, 4096);
}

/* Guest addresses are ours; what is there is in the shadow. */
static uint8_t *shadow_of(uint64_t gpa, size_t bytes)
{
	uint64_t at = gpa - (uintptr_t)data;

	CHECK(at <= sizeof(shadow) && bytes <= sizeof(shadow) - at);
	CHECK(gpa % bytes == 0 && bytes <= 8);
	return &shadow[0][0] + at;
}

static int translate(void *context, uint64_t linear, enum emulate_access access,
		     uint64_t *ret_gpa, uint32_t *ret_error_code)
{
	*ret_gpa = linear;
	return 0;
}

static void read_shadow(void *context, uint64_t gpa, void *to, size_t bytes)
{
	memcpy(to, shadow_of(gpa, bytes), bytes);
}

static void write_shadow(void *context, uint64_t gpa, const void *from,
			 size_t bytes)
{
	memcpy(shadow_of(gpa, bytes), from, bytes);
}

static const struct emulate_memory memory = {
	.translate = translate,
	.read = read_shadow,
	.write = write_shadow,
};

static bool host_has(const char *what)
{
	unsigned int eax, ebx, ecx = 0, edx;

	__builtin_cpu_init();
	if (strcmp(what, "movbe") == 0)
		return __get_cpuid(1, &eax, &ebx, &ecx, &edx) &&
		       (ecx & bit_MOVBE);
	if (strcmp(what, "sse4.1") == 0)
		return __builtin_cpu_supports("sse4.1");
	if (strcmp(what, "avx") == 0)
		return __builtin_cpu_supports("avx");
	if (strcmp(what, "avx2") == 0)
		return __builtin_cpu_supports("avx2");
	if (strcmp(what, "avx512f") == 0)
		return __builtin_cpu_supports("avx512f");
	if (strcmp(what, "avx512bw") == 0)
		return __builtin_cpu_supports("avx512bw");
	if (strcmp(what, "avx512vl") == 0)
		return __builtin_cpu_supports("avx512vl");
	return true;
}

static uint64_t xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void scramble(void *bytes, size_t count)
{
	uint8_t *at = bytes;

	for (size_t i = 0; i < count; i++)
		at[i] = (uint8_t)rand();
}

static void prepare(void)
{
	memset(area, 0, sizeof(area));
	/* The default of MXCSR. */
	memcpy(area + 24, &(uint32_t){ 0x1f80 }, 4);
	memset(&cpu, 0, sizeof(cpu));
	scramble(cpu.vectors, sizeof(cpu.vectors));
	cpu.xcr0 = xcr0();
	xstate_put(&layout, area, sizeof(area), &cpu);
	scramble(registers.general, sizeof(registers.general));
	registers.general[1] = 7;
	registers.general[6] = (uintptr_t)data[0];
	registers.general[7] = (uintptr_t)data[1];
	registers.area = area;
	scramble(data, sizeof(data));
	memcpy(shadow, data, sizeof(shadow));
}

/* XSAVE has no put of masks, for no instruction of the table writes one. */
static void set_masks(void)
{
	uint64_t components;

	if (!layout.masks || !(cpu.xcr0 & 0x20))
		return;
	scramble(area + layout.masks, sizeof(cpu.masks));
	memcpy(&components, area + 512, sizeof(components));
	components |= 0x20;
	memcpy(area + 512, &components, sizeof(components));
}

static void set_cpu(void)
{
	memcpy(cpu.general, registers.general, sizeof(cpu.general));
	cpu.rip = 0x1000;
	cpu.rflags = 2;
	cpu.cr0 = 0x80000033;
	cpu.cr4 = 0x40620;
	cpu.mode = EMULATE_64;
	cpu.features = UINT32_MAX;
	xstate_get(&layout, area, sizeof(area), &cpu);
}

static void compare(const struct one_case *which)
{
	static struct emulate_cpu real;

	real = cpu;
	xstate_get(&layout, area, sizeof(area), &real);
	if (memcmp(real.vectors, cpu.vectors, sizeof(cpu.vectors)) ||
	    memcmp(registers.general, cpu.general, sizeof(cpu.general)) ||
	    memcmp(data, shadow, sizeof(data)) ||
	    cpu.rip != 0x1000u + (size_t)(which->end - which->code)) {
		fprintf(stderr, "%s: not what the processor does\n",
			which->name);
		abort();
	}
}

static void check_case(const struct one_case *which)
{
	struct emulate_result result;

	prepare();
	set_masks();
	set_cpu();
	result = emulate(&cpu, &memory, which->code,
			 (size_t)(which->end - which->code));
	if (result.outcome != EMULATE_DONE) {
		fprintf(stderr, "%s: %s is not emulated (vector %u)\n",
			which->name, result.name, result.vector);
		abort();
	}
	CHECK(strcmp(result.name, emulate_name(result.rule)) == 0);
	execute(which);
	compare(which);
}

TEST(every_instruction_does_what_the_processor_does)
{
	size_t done = 0;

	xstate_layout_find(&layout);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		if (!host_has(cases[i].needs))
			continue;
		for (int round = 0; round < 20; round++)
			check_case(&cases[i]);
		done++;
	}
	printf("%zu of %zu instructions compared\n", done, ARRAY_COUNT(cases));
	CHECK(done >= 60);
}

static bool is_covered(uint32_t rule)
{
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct emulate_result result;

		prepare();
		set_cpu();
		result = emulate(&cpu, &memory, cases[i].code,
				 (size_t)(cases[i].end - cases[i].code));
		if (result.outcome == EMULATE_DONE && result.rule == rule)
			return true;
	}
	return false;
}

TEST(every_row_of_the_table_has_a_case)
{
	for (uint32_t rule = 0; rule < emulate_rule_count; rule++) {
		if (is_covered(rule))
			continue;
		fprintf(stderr, "%s has no case\n", emulate_name(rule));
		abort();
	}
	CHECK_EQ(emulate_name(emulate_rule_count)[0], '\0');
}
