/* SPDX-License-Identifier: MIT */
/*
 * STOS and MOVS, one element at a time: a repeated one stays where it is until
 * its count is zero, so interrupts and pauses come in between, as with the
 * processor.
 */
#include <asm/processor-flags.h>
#include <errno.h>

#include "emulate/work.h"

#define INDEX_RAX 0
#define INDEX_RCX 1
#define INDEX_RSI 6
#define INDEX_RDI 7

static uint64_t address_mask(const struct work *work)
{
	unsigned int width = work->instruction.address_width;

	return width == 64 ? UINT64_MAX : (1ull << width) - 1;
}

/* As a write of a register of the address width. */
static void set_register(struct work *work, unsigned int index, uint64_t value)
{
	uint64_t mask = address_mask(work);
	uint64_t *whole = &work->cpu->general[index];

	if (work->instruction.address_width == 32)
		*whole = (uint32_t)value;
	else
		*whole = (*whole & ~mask) | (value & mask);
}

static void advance(struct work *work, unsigned int index, size_t bytes)
{
	uint64_t value = work->cpu->general[index];

	set_register(work, index,
		     work->cpu->rflags & X86_EFLAGS_DF ? value - bytes
						       : value + bytes);
}

static bool is_repeated(const struct work *work)
{
	return (work->instruction.attributes &
		(ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
		 ZYDIS_ATTRIB_HAS_REPNE)) != 0;
}

static bool is_over(const struct work *work)
{
	return is_repeated(work) &&
	       !(work->cpu->general[INDEX_RCX] & address_mask(work));
}

static void count_down(struct work *work)
{
	if (!is_repeated(work))
		return;
	set_register(work, INDEX_RCX, work->cpu->general[INDEX_RCX] - 1);
	if (!is_over(work))
		work->next_rip = work->cpu->rip;
}

/* The hidden operands name the registers and the segments. */
static const ZydisDecodedOperand *memory_operand(const struct work *work,
						 ZydisRegisterClass class,
						 unsigned int index)
{
	for (size_t i = 0; i < work->instruction.operand_count; i++) {
		const ZydisDecodedOperand *operand = &work->operands[i];

		if (is_memory(operand) &&
		    ZydisRegisterGetClass(operand->mem.base) == class &&
		    ZydisRegisterGetId(operand->mem.base) == (int)index)
			return operand;
	}
	return NULL;
}

static ZydisRegisterClass address_class(const struct work *work)
{
	if (work->instruction.address_width == 16)
		return ZYDIS_REGCLASS_GPR16;
	return work->instruction.address_width == 32 ? ZYDIS_REGCLASS_GPR32
						     : ZYDIS_REGCLASS_GPR64;
}

static int resolve(struct work *work, unsigned int index,
		   enum emulate_access access, struct span *ret_span,
		   size_t *ret_bytes)
{
	const ZydisDecodedOperand *operand =
		memory_operand(work, address_class(work), index);

	if (!operand || operand->size > 64)
		return -EOPNOTSUPP;
	*ret_bytes = operand->size / 8;
	return work_operand(work, operand, *ret_bytes, access, ret_span);
}

int string_store(struct work *work)
{
	struct span to;
	size_t bytes;
	int r;

	if (is_over(work))
		return 0;
	r = resolve(work, INDEX_RDI, EMULATE_WRITE, &to, &bytes);
	if (r)
		return r;
	span_write(work, &to, &work->cpu->general[INDEX_RAX]);
	advance(work, INDEX_RDI, bytes);
	count_down(work);
	return 0;
}

int string_copy(struct work *work)
{
	uint64_t value = 0;
	struct span from, to;
	size_t bytes;
	int r;

	if (is_over(work))
		return 0;
	r = resolve(work, INDEX_RSI, EMULATE_READ, &from, &bytes);
	if (r == 0)
		r = resolve(work, INDEX_RDI, EMULATE_WRITE, &to, &bytes);
	if (r)
		return r;
	span_read(work, &from, &value);
	span_write(work, &to, &value);
	advance(work, INDEX_RSI, bytes);
	advance(work, INDEX_RDI, bytes);
	count_down(work);
	return 0;
}
