/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "emulate/work.h"

bool is_memory(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static ZydisRegisterClass class_of(const ZydisDecodedOperand *operand)
{
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return ZYDIS_REGCLASS_INVALID;
	return ZydisRegisterGetClass(operand->reg.value);
}

bool is_general(const ZydisDecodedOperand *operand)
{
	ZydisRegisterClass class = class_of(operand);

	return class == ZYDIS_REGCLASS_GPR8 || class == ZYDIS_REGCLASS_GPR16 ||
	       class == ZYDIS_REGCLASS_GPR32 || class == ZYDIS_REGCLASS_GPR64;
}

bool is_vector(const ZydisDecodedOperand *operand)
{
	ZydisRegisterClass class = class_of(operand);

	return class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_YMM ||
	       class == ZYDIS_REGCLASS_ZMM;
}

/* Where a general register is: which one, which bits of it. */
struct place {
	unsigned int index;
	unsigned int shift;
	unsigned int bits;
};

static struct place byte_place(ZydisRegister name)
{
	unsigned int index = (unsigned int)(name - ZYDIS_REGISTER_AL);

	/* AL CL DL BL, AH CH DH BH, SPL BPL SIL DIL, R8B to R15B. */
	if (index < 4)
		return (struct place){ index, 0, 8 };
	if (index < 8)
		return (struct place){ index - 4, 8, 8 };
	return (struct place){ index - 4, 0, 8 };
}

static struct place place_of(ZydisRegister name)
{
	if (name >= ZYDIS_REGISTER_AL && name <= ZYDIS_REGISTER_R15B)
		return byte_place(name);
	if (name >= ZYDIS_REGISTER_AX && name <= ZYDIS_REGISTER_R15W)
		return (struct place){ name - ZYDIS_REGISTER_AX, 0, 16 };
	if (name >= ZYDIS_REGISTER_EAX && name <= ZYDIS_REGISTER_R15D)
		return (struct place){ name - ZYDIS_REGISTER_EAX, 0, 32 };
	return (struct place){ (unsigned int)(name - ZYDIS_REGISTER_RAX) %
				       EMULATE_GENERAL,
			       0, 64 };
}

static uint64_t mask_of(unsigned int bits)
{
	return bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
}

uint64_t general_read(const struct emulate_cpu *cpu, ZydisRegister name)
{
	struct place place = place_of(name);

	return cpu->general[place.index] >> place.shift & mask_of(place.bits);
}

void general_write(struct emulate_cpu *cpu, ZydisRegister name, uint64_t value)
{
	struct place place = place_of(name);
	uint64_t mask = mask_of(place.bits) << place.shift;
	uint64_t *whole = &cpu->general[place.index];

	if (place.bits == 32)
		*whole = (uint32_t)value;
	else
		*whole = (*whole & ~mask) | (value << place.shift & mask);
}

uint8_t *vector_of(struct work *work, const ZydisDecodedOperand *operand)
{
	int id = ZydisRegisterGetId(operand->reg.value);

	return work->cpu->vectors[(unsigned int)id % EMULATE_VECTORS];
}

void vector_finish(struct work *work, uint8_t *vector, size_t bytes)
{
	work->cpu->has_new_vectors = true;
	if (work->instruction.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		memset(vector + bytes, 0, EMULATE_VECTOR_BYTES - bytes);
}
