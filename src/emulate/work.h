/* SPDX-License-Identifier: MIT */
/*
 * One instruction being emulated; private to this folder.
 *
 * Errors     0; -EFAULT: an exception is in work->result; -EOPNOTSUPP: a form
 *            that the table does not cover.
 */
#ifndef EMULATE_WORK_H
#define EMULATE_WORK_H

#include <Zydis/Zydis.h>

#include "emulate/emulate.h"

#define VECTOR_DEBUG      1
#define VECTOR_INVALID    6
#define VECTOR_NO_DEVICE  7
#define VECTOR_STACK      12
#define VECTOR_PROTECTION 13
#define VECTOR_PAGE       14
#define VECTOR_ALIGNMENT  17

struct work;

/* A row: what a mnemonic does. */
struct rule {
	ZydisMnemonic mnemonic;
	int (*emulate)(struct work *work);
	bool is_aligned; /* memory must be a multiple of its size */
};

struct work {
	struct emulate_cpu *cpu;
	const struct emulate_memory *memory;
	uint8_t bytes[EMULATE_BYTES_MAX];
	size_t count;
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	const struct rule *rule;
	uint64_t next_rip;
	struct emulate_result result;
};

/* The largest operand of a supported instruction. */
#define SPAN_BYTES_MAX EMULATE_VECTOR_BYTES

/* Linear memory whose translation succeeded: at most two pages. */
struct span {
	uint64_t gpas[2];
	size_t counts[2];
};

/* emulate.c: set the exception to inject; both return -EFAULT. */
int work_fault(struct work *work, uint8_t vector);
int work_fault_code(struct work *work, uint8_t vector, uint32_t error_code);

/* rules.c: the row of the decoded instruction, or NULL; its number. */
uint32_t rule_index(const struct rule *rule);
const struct rule *rule_find(const ZydisDecodedInstruction *instruction);

/* features.c: may the guest use this instruction, now? */
int work_check_features(struct work *work);

/* memory.c */

/* The linear address of a memory operand of `bytes`, checked. */
int work_address(struct work *work, const ZydisDecodedOperand *operand,
		 size_t bytes, enum emulate_access access,
		 uint64_t *ret_linear);
int work_span(struct work *work, uint64_t linear, size_t bytes,
	      enum emulate_access access, struct span *ret_span);
/* Address and span of an operand. */
int work_operand(struct work *work, const ZydisDecodedOperand *operand,
		 size_t bytes, enum emulate_access access,
		 struct span *ret_span);
void span_read(const struct work *work, const struct span *span, void *to);
void span_write(const struct work *work, const struct span *span,
		const void *from);
/* Complete work->bytes to the bytes that the processor would fetch. */
int work_fetch(struct work *work);

/* operand.c */
bool is_memory(const ZydisDecodedOperand *operand);
bool is_general(const ZydisDecodedOperand *operand);
bool is_vector(const ZydisDecodedOperand *operand);
uint64_t general_read(const struct emulate_cpu *cpu, ZydisRegister name);
/* As the processor does: 32-bit writes clear the upper half, narrower ones keep
 * the rest. */
void general_write(struct emulate_cpu *cpu, ZydisRegister name, uint64_t value);
uint8_t *vector_of(struct work *work, const ZydisDecodedOperand *operand);
/* After a write of the low `bytes` of a vector register: VEX and EVEX clear the
 * bytes above, SSE keeps them. */
void vector_finish(struct work *work, uint8_t *vector, size_t bytes);

/* general.c, string.c, vector.c: what the rows do. */
int move_general(struct work *work);
int move_zero(struct work *work);
int move_sign(struct work *work);
int move_swapped(struct work *work);
int string_store(struct work *work);
int string_copy(struct work *work);
int vector_move(struct work *work);
int vector_lane(struct work *work);
int vector_low(struct work *work);
int vector_high(struct work *work);
int vector_repeat(struct work *work);

#endif
