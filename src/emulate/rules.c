/* SPDX-License-Identifier: MIT */
#include "base/count.h"
#include "emulate/work.h"

#define ROW(mnemonic_, emulate_)                            \
	{                                                   \
		ZYDIS_MNEMONIC_##mnemonic_, emulate_, false \
	}
#define ALIGNED(mnemonic_, emulate_)                       \
	{                                                  \
		ZYDIS_MNEMONIC_##mnemonic_, emulate_, true \
	}

/* Positions are counters' indices for the life of a monitor only. */
/* clang-format off */
static const struct rule rules[] = {
	ROW(MOV, move_general),
	ROW(MOVNTI, move_general),
	ROW(MOVZX, move_zero),
	ROW(MOVSX, move_sign),
	ROW(MOVSXD, move_sign),
	ROW(MOVBE, move_swapped),

	ROW(STOSB, string_store),
	ROW(STOSW, string_store),
	ROW(STOSD, string_store),
	ROW(STOSQ, string_store),
	ROW(MOVSB, string_copy),
	ROW(MOVSW, string_copy),
	ROW(MOVSQ, string_copy),
	/* MOVSD of strings shares its name with the vector one, below. */

	ROW(MOVUPS, vector_move),
	ROW(MOVUPD, vector_move),
	ROW(MOVDQU, vector_move),
	ROW(LDDQU, vector_move),
	ALIGNED(MOVAPS, vector_move),
	ALIGNED(MOVAPD, vector_move),
	ALIGNED(MOVDQA, vector_move),
	ALIGNED(MOVNTPS, vector_move),
	ALIGNED(MOVNTPD, vector_move),
	ALIGNED(MOVNTDQ, vector_move),
	ALIGNED(MOVNTDQA, vector_move),

	ROW(VMOVUPS, vector_move),
	ROW(VMOVUPD, vector_move),
	ROW(VMOVDQU, vector_move),
	ROW(VMOVDQU8, vector_move),
	ROW(VMOVDQU16, vector_move),
	ROW(VMOVDQU32, vector_move),
	ROW(VMOVDQU64, vector_move),
	ROW(VLDDQU, vector_move),
	ALIGNED(VMOVAPS, vector_move),
	ALIGNED(VMOVAPD, vector_move),
	ALIGNED(VMOVDQA, vector_move),
	ALIGNED(VMOVDQA32, vector_move),
	ALIGNED(VMOVDQA64, vector_move),
	ALIGNED(VMOVNTPS, vector_move),
	ALIGNED(VMOVNTPD, vector_move),
	ALIGNED(VMOVNTDQ, vector_move),
	ALIGNED(VMOVNTDQA, vector_move),

	ROW(MOVD, vector_lane),
	ROW(MOVQ, vector_lane),
	ROW(MOVSS, vector_lane),
	ROW(MOVSD, vector_lane),
	ROW(VMOVD, vector_lane),
	ROW(VMOVQ, vector_lane),
	ROW(VMOVSS, vector_lane),
	ROW(VMOVSD, vector_lane),

	ROW(MOVLPS, vector_low),
	ROW(MOVLPD, vector_low),
	ROW(MOVHPS, vector_high),
	ROW(MOVHPD, vector_high),
	ROW(VMOVLPS, vector_low),
	ROW(VMOVLPD, vector_low),
	ROW(VMOVHPS, vector_high),
	ROW(VMOVHPD, vector_high),

	ROW(MOVDDUP, vector_repeat),
	ROW(VBROADCASTSS, vector_repeat),
	ROW(VBROADCASTSD, vector_repeat),
	ROW(VBROADCASTF128, vector_repeat),
	ROW(VBROADCASTI128, vector_repeat),
	ROW(VPBROADCASTB, vector_repeat),
	ROW(VPBROADCASTW, vector_repeat),
	ROW(VPBROADCASTD, vector_repeat),
	ROW(VPBROADCASTQ, vector_repeat),
};

static const struct rule string_movsd = ROW(MOVSD, string_copy);
/* clang-format on */

const uint32_t emulate_rule_count = ARRAY_COUNT(rules);

_Static_assert(ARRAY_COUNT(rules) <= EMULATE_RULE_MAX, "room for counters");

static const struct rule *find(ZydisMnemonic mnemonic)
{
	for (size_t i = 0; i < ARRAY_COUNT(rules); i++)
		if (rules[i].mnemonic == mnemonic)
			return &rules[i];
	return NULL;
}

const struct rule *rule_find(const ZydisDecodedInstruction *instruction)
{
	if (instruction->mnemonic == ZYDIS_MNEMONIC_MOVSD &&
	    instruction->meta.category == ZYDIS_CATEGORY_STRINGOP)
		return &string_movsd;
	return find(instruction->mnemonic);
}

uint32_t rule_index(const struct rule *rule)
{
	return (uint32_t)(find(rule->mnemonic) - rules);
}

const char *emulate_name(uint32_t rule)
{
	if (rule >= ARRAY_COUNT(rules))
		return "";
	return ZydisMnemonicGetString(rules[rule].mnemonic);
}
