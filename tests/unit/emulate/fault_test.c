/* SPDX-License-Identifier: MIT */
/* What is refused, and how; modes and segments; what a guest may try. */
#include <errno.h>
#include <string.h>

#include "emulate/emulate.h"
#include "lib/harness.h"

#define VECTOR_INVALID    6
#define VECTOR_NO_DEVICE  7
#define VECTOR_STACK      12
#define VECTOR_PROTECTION 13
#define VECTOR_PAGE       14
#define VECTOR_ALIGNMENT  17

#define RAX 0
#define RCX 1
#define RBX 3
#define RSP 4
#define RSI 6
#define RDI 7

#define PAGE     4096u
#define MEMORY   (16 * PAGE)
#define ACCESSES 64

/* Guest memory, one to one up to MEMORY; pages named here are not there. */
static struct {
	uint8_t bytes[MEMORY];
	uint64_t absent[2];
	size_t absent_count;
	uint64_t readonly; /* a page, or 0 */
	struct {
		uint64_t gpa;
		size_t bytes;
		bool is_write;
	} accesses[ACCESSES];
	size_t access_count;
} guest;

static struct emulate_cpu cpu, before;

static int translate(void *context, uint64_t linear, enum emulate_access access,
		     uint64_t *ret_gpa, uint32_t *ret_error_code)
{
	uint64_t page = linear & ~(uint64_t)(PAGE - 1);

	*ret_error_code = access == EMULATE_WRITE ? 2 : 0;
	for (size_t i = 0; i < guest.absent_count; i++)
		if (guest.absent[i] == page)
			return -EFAULT;
	if (guest.readonly && page == guest.readonly &&
	    access == EMULATE_WRITE) {
		*ret_error_code = 3;
		return -EFAULT;
	}
	*ret_gpa = linear;
	return 0;
}

static void note(uint64_t gpa, size_t bytes, bool is_write)
{
	CHECK(bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
	CHECK_EQ(gpa % bytes, 0);
	CHECK(guest.access_count < ACCESSES);
	guest.accesses[guest.access_count].gpa = gpa;
	guest.accesses[guest.access_count].bytes = bytes;
	guest.accesses[guest.access_count++].is_write = is_write;
}

static void read_guest(void *context, uint64_t gpa, void *to, size_t bytes)
{
	note(gpa, bytes, false);
	memset(to, 0xff, bytes);
	if (gpa < MEMORY)
		memcpy(to, guest.bytes + gpa, bytes);
}

static void write_guest(void *context, uint64_t gpa, const void *from,
			size_t bytes)
{
	note(gpa, bytes, true);
	if (gpa < MEMORY)
		memcpy(guest.bytes + gpa, from, bytes);
}

static const struct emulate_memory memory = {
	.translate = translate,
	.read = read_guest,
	.write = write_guest,
};

static void reset(enum emulate_mode mode)
{
	memset(&guest, 0, sizeof(guest));
	memset(&cpu, 0, sizeof(cpu));
	cpu.mode = mode;
	cpu.rip = 0x100;
	cpu.rflags = 2;
	cpu.cr0 = 0x80000033;
	cpu.cr4 = 0x40620;
	cpu.xcr0 = 0xe7;
	cpu.features = UINT32_MAX;
	for (int i = 0; i < EMULATE_SEGMENTS; i++)
		cpu.segments[i] = (struct emulate_segment){
			.limit = UINT32_MAX,
			.type = i == EMULATE_CS ? 11 : 3,
			.is_usable = true,
			.is_big = true,
		};
	cpu.general[RSI] = 0x2000;
	cpu.general[RDI] = 0x3000;
}

static struct emulate_result step(const void *code, size_t bytes)
{
	cpu.has_new_vectors = false;
	before = cpu;
	return emulate(&cpu, &memory, code, bytes);
}

#define STEP(...)                              \
	step((const uint8_t[]){ __VA_ARGS__ }, \
	     sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void check_fault(struct emulate_result result, int vector, int code)
{
	CHECK_EQ(result.outcome, EMULATE_FAULT);
	CHECK_EQ(result.vector, vector);
	CHECK_EQ(result.has_error_code, code >= 0);
	if (code >= 0)
		CHECK_EQ(result.error_code, code);
	CHECK_EQ(memcmp(&cpu, &before, sizeof(cpu)), 0);
	for (size_t i = 0; i < guest.access_count; i++)
		CHECK(!guest.accesses[i].is_write);
}

TEST(an_aligned_move_faults_where_it_is_not_aligned)
{
	reset(EMULATE_64);
	cpu.general[RSI] = 0x2008;

	/* movaps (%rsi), %xmm0; vmovdqa (%rsi), %ymm0; movups does not. */
	check_fault(STEP(0x0f, 0x28, 0x06), VECTOR_PROTECTION, 0);
	cpu.general[RSI] = 0x2010;
	check_fault(STEP(0xc5, 0xfd, 0x6f, 0x06), VECTOR_PROTECTION, 0);
	CHECK_EQ(STEP(0x0f, 0x10, 0x06).outcome, EMULATE_DONE);
}

TEST(a_page_that_is_not_there_faults_with_its_address)
{
	struct emulate_result result;

	reset(EMULATE_64);
	guest.absent[guest.absent_count++] = 0x3000;

	/* movups %xmm0, (%rdi) */
	result = STEP(0x0f, 0x11, 0x07);
	check_fault(result, VECTOR_PAGE, 2);
	CHECK_EQ(result.address, 0x3000);
}

TEST(a_move_across_pages_writes_nothing_if_the_second_is_not_there)
{
	struct emulate_result result;

	reset(EMULATE_64);
	guest.absent[guest.absent_count++] = 0x4000;
	cpu.general[RDI] = 0x3ff8;

	result = STEP(0x0f, 0x11, 0x07);
	check_fault(result, VECTOR_PAGE, 2);
	CHECK_EQ(result.address, 0x4000);
}

TEST(a_device_is_not_read_for_a_copy_that_cannot_be_written)
{
	reset(EMULATE_64);
	guest.readonly = 0x3000;

	/* movsq */
	check_fault(STEP(0x48, 0xa5), VECTOR_PAGE, 3);
	CHECK_EQ(guest.access_count, 0);
}

TEST(an_address_that_is_not_canonical_faults)
{
	reset(EMULATE_64);
	cpu.general[RSI] = 0x800000000000;
	check_fault(STEP(0x8b, 0x06), VECTOR_PROTECTION, 0);
	/* The last byte counts too. */
	cpu.general[RSI] = 0x7fffffffffff;
	check_fault(STEP(0x8b, 0x06), VECTOR_PROTECTION, 0);
	/* mov (%rsp), %eax: a fault of the stack */
	cpu.general[RSP] = 0x800000000000;
	check_fault(STEP(0x8b, 0x04, 0x24), VECTOR_STACK, 0);
	/* With 57 bits it is canonical. */
	cpu.cr4 |= 1u << 12;
	CHECK_EQ(STEP(0x8b, 0x04, 0x24).outcome, EMULATE_DONE);
}

TEST(what_the_guests_cpuid_lacks_is_an_invalid_opcode)
{
	reset(EMULATE_64);
	cpu.features = ~(uint32_t)(EMULATE_AVX | EMULATE_AVX512BW |
				   EMULATE_MOVBE | EMULATE_SSE2);

	check_fault(STEP(0xc5, 0xfc, 0x10, 0x06), VECTOR_INVALID, -1);
	/* vmovdqu8 (%rsi), %zmm0; movbe (%rsi), %eax; movdqu (%rsi), %xmm0 */
	check_fault(STEP(0x62, 0xf1, 0x7f, 0x48, 0x6f, 0x06), VECTOR_INVALID,
		    -1);
	check_fault(STEP(0x0f, 0x38, 0xf0, 0x06), VECTOR_INVALID, -1);
	check_fault(STEP(0xf3, 0x0f, 0x6f, 0x06), VECTOR_INVALID, -1);
}

TEST(vectors_that_the_guest_has_not_switched_on_are_invalid)
{
	reset(EMULATE_64);
	cpu.xcr0 = 3;
	check_fault(STEP(0xc5, 0xfc, 0x10, 0x06), VECTOR_INVALID, -1);
	cpu.xcr0 = 7;
	check_fault(STEP(0x62, 0xf1, 0x7f, 0x48, 0x6f, 0x06), VECTOR_INVALID,
		    -1);
	cpu.cr4 = 0;
	check_fault(STEP(0x0f, 0x10, 0x06), VECTOR_INVALID, -1);
	check_fault(STEP(0xc5, 0xfc, 0x10, 0x06), VECTOR_INVALID, -1);
	cpu.cr4 = 0x40620;
	cpu.cr0 |= 1u << 2;
	check_fault(STEP(0x0f, 0x10, 0x06), VECTOR_INVALID, -1);
}

TEST(a_task_switch_flag_asks_for_the_vectors_first)
{
	reset(EMULATE_64);
	cpu.cr0 |= 1u << 3;
	check_fault(STEP(0x0f, 0x10, 0x06), VECTOR_NO_DEVICE, -1);
	check_fault(STEP(0xc5, 0xfc, 0x10, 0x06), VECTOR_NO_DEVICE, -1);
}

TEST(bytes_that_are_no_instruction_are_an_invalid_opcode)
{
	reset(EMULATE_64);
	/* ud2 is an instruction; this is in no table of the processor. */
	check_fault(STEP(0x0f, 0x04), VECTOR_INVALID, -1);
	/* mov %eax, %cs */
	check_fault(STEP(0x8e, 0xc8), VECTOR_INVALID, -1);
	/* lock mov %eax, (%rsi) */
	check_fault(STEP(0xf0, 0x89, 0x06), VECTOR_INVALID, -1);
}

TEST(an_instruction_of_more_than_15_bytes_faults)
{
	static const uint8_t code[15] = { 0x66, 0x66, 0x66, 0x66, 0x66,
					  0x66, 0x66, 0x66, 0x66, 0x66,
					  0x66, 0x66, 0x66, 0x66, 0x66 };

	reset(EMULATE_64);
	check_fault(step(code, sizeof(code)), VECTOR_PROTECTION, 0);
}

TEST(an_instruction_that_is_not_in_the_table_is_named)
{
	struct emulate_result result;

	reset(EMULATE_64);

	/* vpmaskmovd (%rsi), %ymm1, %ymm0 */
	result = STEP(0xc4, 0xe2, 0x75, 0x8c, 0x06);
	CHECK_EQ(result.outcome, EMULATE_UNKNOWN);
	CHECK_EQ(strcmp(result.name, "vpmaskmovd"), 0);
	CHECK_EQ(memcmp(&cpu, &before, sizeof(cpu)), 0);
}

TEST(forms_of_a_known_name_that_move_no_memory_are_left_alone)
{
	reset(EMULATE_64);
	/* mov %ds, (%rsi); mov %cr0, %rax; movss %xmm1, %xmm0;
	 * movq (%rsi), %mm0; vmovups %ymm1, %ymm0 */
	CHECK_EQ(STEP(0x8c, 0x1e).outcome, EMULATE_UNKNOWN);
	CHECK_EQ(STEP(0x0f, 0x20, 0xc0).outcome, EMULATE_UNKNOWN);
	CHECK_EQ(STEP(0xf3, 0x0f, 0x10, 0xc1).outcome, EMULATE_UNKNOWN);
	CHECK_EQ(STEP(0x0f, 0x6f, 0x06).outcome, EMULATE_UNKNOWN);
	CHECK_EQ(STEP(0xc5, 0xfc, 0x10, 0xc1).outcome, EMULATE_UNKNOWN);
	CHECK_EQ(guest.access_count, 0);
}

TEST(missing_bytes_are_fetched)
{
	/* movl $0x11223344, 4(%rsi), at rip */
	static const uint8_t code[] = { 0xc7, 0x46, 4, 0x44, 0x33, 0x22, 0x11 };

	reset(EMULATE_64);
	memcpy(guest.bytes + 0x100, code, sizeof(code));

	CHECK_EQ(step(code, 2).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.rip, 0x107);
	CHECK_EQ(guest.bytes[0x2004], 0x44);
}

TEST(code_that_is_not_there_is_a_page_fault)
{
	static const uint8_t code[] = { 0xc7, 0x46 };
	struct emulate_result result;

	reset(EMULATE_64);
	guest.absent[guest.absent_count++] = 0x5000;
	cpu.rip = 0x4ffe;
	result = step(code, sizeof(code));
	check_fault(result, VECTOR_PAGE, 0);
	CHECK_EQ(result.address, 0x5000);
	/* But bytes that are not needed are not missed: mov %al, (%rsi) */
	memcpy(guest.bytes + 0x4ffe, (const uint8_t[]){ 0x88, 0x06 }, 2);
	CHECK_EQ(step(NULL, 0).outcome, EMULATE_DONE);
}

TEST(data_is_cut_into_aligned_pieces_of_at_most_8_bytes)
{
	reset(EMULATE_64);
	cpu.general[RDI] = 0x3003;

	/* vmovdqu %ymm0, (%rdi): 1, 4, 8, 8, 8, 2, 1 */
	CHECK_EQ(STEP(0xc5, 0xfe, 0x7f, 0x07).outcome, EMULATE_DONE);
	CHECK_EQ(guest.access_count, 7);
	CHECK_EQ(guest.accesses[0].bytes, 1);
	CHECK_EQ(guest.accesses[1].bytes, 4);
	CHECK_EQ(guest.accesses[2].gpa, 0x3008);
	CHECK_EQ(guest.accesses[2].bytes, 8);
	CHECK_EQ(guest.accesses[5].bytes, 2);
	CHECK_EQ(guest.accesses[6].gpa, 0x3022);
}

TEST(a_relative_address_counts_from_the_next_instruction)
{
	reset(EMULATE_64);
	guest.bytes[0x1000] = 0x77;
	cpu.rip = 0xf00;

	/* mov 0xfa(%rip), %al, 6 bytes */
	CHECK_EQ(STEP(0x8a, 0x05, 0xfa, 0, 0, 0).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.general[RAX], 0x77);
	CHECK_EQ(cpu.rip, 0xf06);
}

TEST(fs_and_gs_have_a_base_in_64_bit_mode_and_the_others_none)
{
	reset(EMULATE_64);
	cpu.segments[EMULATE_DS].base = 0x50000000;
	cpu.segments[EMULATE_GS].base = 0x1000;
	guest.bytes[0x2000] = 1;
	guest.bytes[0x3000] = 2;

	CHECK_EQ(STEP(0x8a, 0x06).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.general[RAX], 1);
	CHECK_EQ(STEP(0x65, 0x8a, 0x06).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.general[RAX], 2);
}

TEST(segments_are_checked_in_32_bit_mode)
{
	reset(EMULATE_32);
	cpu.segments[EMULATE_DS].limit = 0x2003;
	CHECK_EQ(STEP(0x8b, 0x06).outcome, EMULATE_DONE);
	cpu.segments[EMULATE_DS].limit = 0x2002;
	check_fault(STEP(0x8b, 0x06), VECTOR_PROTECTION, 0);
	cpu.segments[EMULATE_DS].limit = UINT32_MAX;
	cpu.segments[EMULATE_DS].type = 1;
	CHECK_EQ(STEP(0x8b, 0x06).outcome, EMULATE_DONE);
	check_fault(STEP(0x89, 0x06), VECTOR_PROTECTION, 0);
	/* Code that may only be executed, and code is never written. */
	check_fault((cpu.segments[EMULATE_CS].type = 9, STEP(0x2e, 0x8b, 0x06)),
		    VECTOR_PROTECTION, 0);
	check_fault(
		(cpu.segments[EMULATE_CS].type = 11, STEP(0x2e, 0x89, 0x06)),
		VECTOR_PROTECTION, 0);
	cpu.segments[EMULATE_SS].is_usable = false;
	check_fault(STEP(0x8b, 0x04, 0x24), VECTOR_STACK, 0);
}

TEST(a_segment_that_grows_down_ends_where_others_begin)
{
	reset(EMULATE_32);
	cpu.segments[EMULATE_DS].type = 7;
	cpu.segments[EMULATE_DS].limit = 0x1fff;
	CHECK_EQ(STEP(0x8b, 0x06).outcome, EMULATE_DONE);
	cpu.segments[EMULATE_DS].limit = 0x2000;
	check_fault(STEP(0x8b, 0x06), VECTOR_PROTECTION, 0);
	cpu.segments[EMULATE_DS].limit = 0x1fff;
	cpu.segments[EMULATE_DS].is_big = false;
	cpu.general[RSI] = 0xfffd;
	check_fault(STEP(0x8b, 0x06), VECTOR_PROTECTION, 0);
}

TEST(real_mode_adds_its_segments_and_wraps_its_offsets)
{
	reset(EMULATE_16);
	cpu.cr0 = 0x30;
	cpu.segments[EMULATE_DS].base = 0x1000;
	cpu.segments[EMULATE_DS].limit = 0xffff;
	cpu.segments[EMULATE_CS].type = 3;
	cpu.general[RBX] = 0xfff0;
	cpu.general[RSI] = 0x20;
	guest.bytes[0x1010] = 0x99;

	/* mov (%bx,%si), %al; movups (%si), %xmm0 */
	CHECK_EQ(STEP(0x8a, 0x00).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.general[RAX], 0x99);
	CHECK_EQ(STEP(0x0f, 0x10, 0x04).outcome, EMULATE_DONE);
	/* The last byte beyond the limit. */
	cpu.general[RSI] = 0xffff;
	check_fault(STEP(0x8b, 0x04), VECTOR_PROTECTION, 0);
	/* The instruction pointer wraps. */
	cpu.rip = 0xffff;
	CHECK_EQ(STEP(0x8a, 0x00).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.rip, 1);
}

TEST(a_repeated_string_goes_on_where_it_was)
{
	reset(EMULATE_64);
	cpu.general[RCX] = 2;
	cpu.general[RAX] = 0x1122334455667788;
	cpu.rflags |= 1u << 16;

	/* rep stosl */
	CHECK_EQ(STEP(0xf3, 0xab).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.rip, 0x100);
	CHECK_EQ(cpu.general[RCX], 1);
	CHECK_EQ(cpu.general[RDI], 0x3004);
	CHECK_EQ(STEP(0xf3, 0xab).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.rip, 0x102);
	CHECK_EQ(cpu.general[RCX], 0);
	CHECK_EQ(guest.bytes[0x3007], 0x55);
	CHECK_EQ(guest.bytes[0x3008], 0);
	/* Nothing is to be done: nothing is. */
	CHECK_EQ(STEP(0xf3, 0xa5).outcome, EMULATE_DONE);
	CHECK_EQ(guest.access_count, 2);
	CHECK_EQ(cpu.rip, 0x104);
}

TEST(strings_go_down_when_the_direction_flag_says_so)
{
	reset(EMULATE_64);
	cpu.rflags |= 1u << 10;
	CHECK_EQ(STEP(0x48, 0xa5).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.general[RSI], 0x1ff8);
	CHECK_EQ(cpu.general[RDI], 0x2ff8);
}

TEST(strings_of_16_bit_addresses_keep_the_rest_of_their_registers)
{
	reset(EMULATE_16);
	cpu.general[RSI] = 0xabcdfffe;
	cpu.general[RDI] = 0x12343000;

	CHECK_EQ(STEP(0xa5).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.general[RSI], 0xabcd0000);
	CHECK_EQ(cpu.general[RDI], 0x12343002);
}

TEST(a_user_who_asked_for_it_gets_alignment_checks)
{
	reset(EMULATE_64);
	cpu.cpl = 3;
	cpu.cr0 |= 1u << 18;
	cpu.general[RSI] = 0x2002;
	CHECK_EQ(STEP(0x8b, 0x06).outcome, EMULATE_DONE);
	cpu.rflags |= 1u << 18;
	check_fault(STEP(0x8b, 0x06), VECTOR_ALIGNMENT, 0);
	cpu.cpl = 0;
	CHECK_EQ(STEP(0x8b, 0x06).outcome, EMULATE_DONE);
}

TEST(a_masked_store_does_not_fault_for_elements_left_out)
{
	reset(EMULATE_64);
	guest.absent[guest.absent_count++] = 0x4000;
	cpu.general[RDI] = 0x3ff8;
	cpu.masks[1] = 3;

	/* vmovdqu32 %zmm0, (%rdi){%k1} */
	CHECK_EQ(STEP(0x62, 0xf1, 0x7e, 0x49, 0x7f, 0x07).outcome,
		 EMULATE_DONE);
	CHECK_EQ(guest.access_count, 2);
	cpu.masks[1] = 7;
	guest.access_count = 0;
	check_fault(STEP(0x62, 0xf1, 0x7e, 0x49, 0x7f, 0x07), VECTOR_PAGE, 2);
}

TEST(a_hostile_guest_cannot_make_more_of_its_bytes_than_15)
{
	static const uint8_t code[64] = { 0x8a, 0x06 };

	reset(EMULATE_64);
	CHECK_EQ(step(code, sizeof(code)).outcome, EMULATE_DONE);
}

TEST(an_instruction_ends_the_suppression_of_debug_exceptions)
{
	reset(EMULATE_64);
	cpu.rflags |= 1u << 16;
	CHECK_EQ(STEP(0x8b, 0x06).outcome, EMULATE_DONE);
	CHECK_EQ(cpu.rflags, 2);
}
