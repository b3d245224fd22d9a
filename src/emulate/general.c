/* SPDX-License-Identifier: MIT */
/* Moves of general registers and immediates, and string instructions. */
#include <errno.h>
#include <string.h>

#include "emulate/work.h"

static size_t bytes_of(const ZydisDecodedOperand *operand)
{
	return operand->size / 8;
}

/* The value of an operand of at most 8 bytes, zero-extended. */
static int operand_value(struct work *work, const ZydisDecodedOperand *operand,
			 uint64_t *ret_value)
{
	struct span span;
	int r;

	*ret_value = 0;
	if (is_general(operand)) {
		*ret_value = general_read(work->cpu, operand->reg.value);
		return 0;
	}
	if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		*ret_value = operand->imm.value.u;
		return 0;
	}
	if (!is_memory(operand) || bytes_of(operand) > sizeof(*ret_value))
		return -EOPNOTSUPP;
	r = work_operand(work, operand, bytes_of(operand), EMULATE_READ, &span);
	if (r == 0)
		span_read(work, &span, ret_value);
	return r;
}

static int operand_set(struct work *work, const ZydisDecodedOperand *operand,
		       uint64_t value)
{
	struct span span;
	int r;

	if (is_general(operand)) {
		general_write(work->cpu, operand->reg.value, value);
		return 0;
	}
	if (!is_memory(operand) || bytes_of(operand) > sizeof(value))
		return -EOPNOTSUPP;
	r = work_operand(work, operand, bytes_of(operand), EMULATE_WRITE,
			 &span);
	if (r == 0)
		span_write(work, &span, &value);
	return r;
}

/* A source with side effects is only read for a destination we can write. */
static bool is_move(const struct work *work)
{
	const ZydisDecodedOperand *to = &work->operands[0];
	const ZydisDecodedOperand *from = &work->operands[1];

	return work->instruction.operand_count_visible == 2 &&
	       (is_general(to) || (is_memory(to) && !is_memory(from)));
}

static int move(struct work *work,
		uint64_t (*change)(const struct work *work, uint64_t value))
{
	uint64_t value;
	int r;

	if (!is_move(work))
		return -EOPNOTSUPP;
	r = operand_value(work, &work->operands[1], &value);
	if (r)
		return r;
	return operand_set(work, &work->operands[0],
			   change ? change(work, value) : value);
}

int move_general(struct work *work)
{
	return move(work, NULL);
}

int move_zero(struct work *work)
{
	return move(work, NULL);
}

static uint64_t sign_extend(const struct work *work, uint64_t value)
{
	unsigned int unused = 64u - work->operands[1].size;

	return (uint64_t)((int64_t)(value << unused) >> unused);
}

int move_sign(struct work *work)
{
	if (work->operands[1].size == 0 || work->operands[1].size > 64)
		return -EOPNOTSUPP;
	return move(work, sign_extend);
}

static uint64_t swap(const struct work *work, uint64_t value)
{
	return __builtin_bswap64(value) >> (64u - work->operands[0].size);
}

int move_swapped(struct work *work)
{
	if (work->operands[0].size == 0 || work->operands[0].size > 64)
		return -EOPNOTSUPP;
	return move(work, swap);
}
