/* SPDX-License-Identifier: MIT */
/*
 * From operands to linear addresses to what is there. Checks come in the
 * processor's order, and all of them before anything is read or written: a
 * device must not see half an instruction that then faults.
 */
#include <asm/processor-flags.h>
#include <errno.h>

#include "base/count.h"
#include "emulate/work.h"

#define PAGE_BYTES 4096u

/* Descriptor types of code and data segments. */
#define TYPE_CODE        8u
#define TYPE_EXPAND_DOWN 4u /* of data */
#define TYPE_WRITABLE    2u /* of data */
#define TYPE_READABLE    2u /* of code */

static bool is_long(const struct work *work)
{
	return work->cpu->mode == EMULATE_64;
}

/* Real mode and virtual-8086 mode have no types. */
static bool has_types(const struct emulate_cpu *cpu)
{
	return (cpu->cr0 & X86_CR0_PE) && !(cpu->rflags & X86_EFLAGS_VM);
}

static int segment_fault(struct work *work, enum emulate_segment_index index)
{
	return work_fault_code(
		work, index == EMULATE_SS ? VECTOR_STACK : VECTOR_PROTECTION,
		0);
}

/* Zydis names them in the order of their encoding, as we do. */
static enum emulate_segment_index segment_index(ZydisRegister name)
{
	if (name < ZYDIS_REGISTER_ES || name > ZYDIS_REGISTER_GS)
		return EMULATE_DS;
	return (enum emulate_segment_index)(name - ZYDIS_REGISTER_ES);
}

static bool allows(const struct emulate_segment *segment,
		   enum emulate_access access)
{
	if (access == EMULATE_FETCH)
		return true;
	if (segment->type & TYPE_CODE)
		return access == EMULATE_READ &&
		       (segment->type & TYPE_READABLE);
	return access == EMULATE_READ || (segment->type & TYPE_WRITABLE);
}

static bool is_within(const struct emulate_segment *segment, uint64_t offset,
		      size_t bytes)
{
	uint64_t last = offset + bytes - 1;

	if ((segment->type & (TYPE_CODE | TYPE_EXPAND_DOWN)) ==
	    TYPE_EXPAND_DOWN)
		return offset > segment->limit &&
		       last <= (segment->is_big ? UINT32_MAX : UINT16_MAX);
	return last <= segment->limit;
}

static int segmented(struct work *work, enum emulate_segment_index index,
		     uint64_t offset, size_t bytes, enum emulate_access access,
		     uint64_t *ret_linear)
{
	const struct emulate_segment *segment = &work->cpu->segments[index];
	bool has = has_types(work->cpu);

	if (has && (!segment->is_usable || !allows(segment, access)))
		return segment_fault(work, index);
	if (!is_within(segment, offset, bytes))
		return segment_fault(work, index);
	*ret_linear = (segment->base + offset) & UINT32_MAX;
	return 0;
}

static bool is_canonical(const struct emulate_cpu *cpu, uint64_t linear)
{
	unsigned int unused = cpu->cr4 & X86_CR4_LA57 ? 64 - 57 : 64 - 48;

	return (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}

static int flat(struct work *work, enum emulate_segment_index index,
		uint64_t offset, size_t bytes, uint64_t *ret_linear)
{
	const struct emulate_cpu *cpu = work->cpu;
	uint64_t linear = offset;

	if (index == EMULATE_FS || index == EMULATE_GS)
		linear += cpu->segments[index].base;
	if (!is_canonical(cpu, linear) ||
	    !is_canonical(cpu, linear + bytes - 1))
		return segment_fault(work, index);
	*ret_linear = linear;
	return 0;
}

static uint64_t base_of(const struct work *work, ZydisRegister name)
{
	if (name == ZYDIS_REGISTER_NONE)
		return 0;
	if (name == ZYDIS_REGISTER_RIP || name == ZYDIS_REGISTER_EIP)
		return work->next_rip;
	return general_read(work->cpu, name);
}

static uint64_t offset_of(const struct work *work,
			  const ZydisDecodedOperand *operand)
{
	uint64_t offset =
		base_of(work, operand->mem.base) +
		base_of(work, operand->mem.index) * operand->mem.scale +
		(uint64_t)operand->mem.disp.value;

	if (work->instruction.address_width == 16)
		return (uint16_t)offset;
	return work->instruction.address_width == 32 ? (uint32_t)offset
						     : offset;
}

static int check_alignment(struct work *work, uint64_t linear, size_t bytes)
{
	const struct emulate_cpu *cpu = work->cpu;

	if (!(linear & (bytes - 1)))
		return 0;
	if (work->rule && work->rule->is_aligned)
		return work_fault_code(work, VECTOR_PROTECTION, 0);
	/* For vectors whether this is checked is the processor's choice. */
	if (cpu->cpl == 3 && (cpu->cr0 & X86_CR0_AM) &&
	    (cpu->rflags & X86_EFLAGS_AC) && bytes <= 8)
		return work_fault_code(work, VECTOR_ALIGNMENT, 0);
	return 0;
}

int work_address(struct work *work, const ZydisDecodedOperand *operand,
		 size_t bytes, enum emulate_access access, uint64_t *ret_linear)
{
	enum emulate_segment_index index = segment_index(operand->mem.segment);
	uint64_t offset = offset_of(work, operand);
	int r;

	if (operand->mem.type != ZYDIS_MEMOP_TYPE_MEM)
		return -EOPNOTSUPP;
	if (is_long(work))
		r = flat(work, index, offset, bytes, ret_linear);
	else
		r = segmented(work, index, offset, bytes, access, ret_linear);
	return r ? r : check_alignment(work, *ret_linear, bytes);
}

static int page_fault(struct work *work, uint64_t linear, uint32_t error_code)
{
	work->result.address = linear;
	return work_fault_code(work, VECTOR_PAGE, error_code);
}

static int translate(struct work *work, uint64_t linear,
		     enum emulate_access access, uint64_t *ret_gpa)
{
	const struct emulate_memory *memory = work->memory;
	uint32_t error_code = 0;

	if (memory->translate(memory->context, linear, access, ret_gpa,
			      &error_code) < 0)
		return page_fault(work, linear, error_code);
	return 0;
}

int work_span(struct work *work, uint64_t linear, size_t bytes,
	      enum emulate_access access, struct span *ret_span)
{
	uint64_t next = (linear | (PAGE_BYTES - 1)) + 1;
	int r;

	if (!is_long(work))
		next &= UINT32_MAX;
	ret_span->counts[0] = min_u64(bytes, PAGE_BYTES - linear % PAGE_BYTES);
	ret_span->counts[1] = bytes - ret_span->counts[0];
	r = translate(work, linear, access, &ret_span->gpas[0]);
	if (r == 0 && ret_span->counts[1])
		r = translate(work, next, access, &ret_span->gpas[1]);
	return r;
}

int work_operand(struct work *work, const ZydisDecodedOperand *operand,
		 size_t bytes, enum emulate_access access,
		 struct span *ret_span)
{
	uint64_t linear;
	int r;

	if (bytes == 0 || bytes > SPAN_BYTES_MAX)
		return -EOPNOTSUPP;
	r = work_address(work, operand, bytes, access, &linear);
	if (r)
		return r;
	return work_span(work, linear, bytes, access, ret_span);
}

/* The largest access that is aligned and not more than what is left. */
static size_t piece(uint64_t gpa, size_t left)
{
	size_t bytes = 8;

	while (bytes > left || gpa % bytes)
		bytes /= 2;
	return bytes;
}

void span_read(const struct work *work, const struct span *span, void *to)
{
	const struct emulate_memory *memory = work->memory;
	uint8_t *at = to;

	for (size_t i = 0; i < ARRAY_COUNT(span->counts); i++) {
		uint64_t gpa = span->gpas[i];
		size_t left = span->counts[i];

		while (left) {
			size_t bytes = piece(gpa, left);

			memory->read(memory->context, gpa, at, bytes);
			gpa += bytes;
			at += bytes;
			left -= bytes;
		}
	}
}

void span_write(const struct work *work, const struct span *span,
		const void *from)
{
	const struct emulate_memory *memory = work->memory;
	const uint8_t *at = from;

	for (size_t i = 0; i < ARRAY_COUNT(span->counts); i++) {
		uint64_t gpa = span->gpas[i];
		size_t left = span->counts[i];

		while (left) {
			size_t bytes = piece(gpa, left);

			memory->write(memory->context, gpa, at, bytes);
			gpa += bytes;
			at += bytes;
			left -= bytes;
		}
	}
}

/* One byte of code; in pages already passed this costs a translation each. */
static int fetch_byte(struct work *work, uint64_t rip, uint8_t *ret_byte)
{
	struct span span;
	uint64_t linear;
	int r;

	if (is_long(work))
		r = flat(work, EMULATE_CS, rip, 1, &linear);
	else
		r = segmented(work, EMULATE_CS, rip, 1, EMULATE_FETCH, &linear);
	if (r == 0)
		r = work_span(work, linear, 1, EMULATE_FETCH, &span);
	if (r == 0)
		span_read(work, &span, ret_byte);
	return r;
}

int work_fetch(struct work *work)
{
	while (work->count < EMULATE_BYTES_MAX) {
		int r = fetch_byte(work, work->cpu->rip + work->count,
				   &work->bytes[work->count]);

		if (r)
			return r;
		work->count++;
	}
	return 0;
}
