/* SPDX-License-Identifier: MIT */
#include "emulate/emulate.h"

#include <asm/processor-flags.h>
#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "base/text.h"
#include "emulate/work.h"

int work_fault(struct work *work, uint8_t vector)
{
	work->result.outcome = EMULATE_FAULT;
	work->result.vector = vector;
	return -EFAULT;
}

int work_fault_code(struct work *work, uint8_t vector, uint32_t error_code)
{
	work->result.has_error_code = true;
	work->result.error_code = error_code;
	return work_fault(work, vector);
}

static bool is_real(const struct emulate_cpu *cpu)
{
	return !(cpu->cr0 & X86_CR0_PE) || (cpu->rflags & X86_EFLAGS_VM);
}

static ZyanStatus decode(struct work *work)
{
	ZydisMachineMode machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
	ZydisStackWidth width = ZYDIS_STACK_WIDTH_64;
	ZydisDecoder decoder;

	if (work->cpu->mode == EMULATE_32) {
		machine_mode = ZYDIS_MACHINE_MODE_LEGACY_32;
		width = ZYDIS_STACK_WIDTH_32;
	} else if (work->cpu->mode == EMULATE_16) {
		machine_mode = is_real(work->cpu)
				       ? ZYDIS_MACHINE_MODE_REAL_16
				       : ZYDIS_MACHINE_MODE_LEGACY_16;
		width = ZYDIS_STACK_WIDTH_16;
	}
	(void)ZydisDecoderInit(&decoder, machine_mode, width);
	return ZydisDecoderDecodeFull(&decoder, work->bytes, work->count,
				      &work->instruction, work->operands);
}

/* The bytes given, or those and what follows them in memory. */
static int decode_all(struct work *work)
{
	ZyanStatus status = decode(work);
	int r = 0;

	if (status == ZYDIS_STATUS_NO_MORE_DATA) {
		/* What cannot be fetched may not be needed. */
		r = work_fetch(work);
		status = decode(work);
	}
	if (ZYAN_SUCCESS(status)) {
		work->result = (struct emulate_result){ 0 };
		return 0;
	}
	if (status == ZYDIS_STATUS_NO_MORE_DATA && r)
		return r;
	if (status == ZYDIS_STATUS_NO_MORE_DATA ||
	    status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
		return work_fault_code(work, VECTOR_PROTECTION, 0);
	return work_fault(work, VECTOR_INVALID);
}

static uint64_t next_rip(const struct work *work)
{
	uint64_t next = work->cpu->rip + work->instruction.length;

	if (work->cpu->mode == EMULATE_64)
		return next;
	return work->cpu->mode == EMULATE_32 ? (uint32_t)next : (uint16_t)next;
}

static int execute(struct work *work)
{
	int r = work_check_features(work);

	if (r)
		return r;
	if (!work->rule)
		return -EOPNOTSUPP;
	work->next_rip = next_rip(work);
	r = work->rule->emulate(work);
	if (r)
		return r;
	work->cpu->rip = work->next_rip;
	work->cpu->rflags &= ~X86_EFLAGS_RF;
	work->result.rule = rule_index(work->rule);
	return 0;
}

static void set_name(struct emulate_result *result, const char *name)
{
	(void)text_copy(result->name, sizeof(result->name), name ? name : "");
}

struct emulate_result emulate(struct emulate_cpu *cpu,
			      const struct emulate_memory *memory,
			      const uint8_t *bytes, size_t count)
{
	struct work work = { .cpu = cpu, .memory = memory };
	int r;

	cpu->has_new_vectors = false;
	work.count = min_u64(count, sizeof(work.bytes));
	if (work.count)
		memcpy(work.bytes, bytes, work.count);
	r = decode_all(&work);
	if (r) {
		set_name(&work.result, "undecodable");
		return work.result;
	}
	work.rule = rule_find(&work.instruction);
	r = execute(&work);
	if (r == -EOPNOTSUPP)
		work.result.outcome = EMULATE_UNKNOWN;
	set_name(&work.result,
		 ZydisMnemonicGetString(work.instruction.mnemonic));
	return work.result;
}
