/* SPDX-License-Identifier: MIT */
/*
 * What the processor checks before it looks at an operand: CPUID's features,
 * and whether the operating system has switched them on. Intel SDM 2.4.3 and
 * 2.7 (exception classes), volume 3 2.5.
 */
#include "base/count.h"

#include "emulate/work.h"
#include <asm/processor-flags.h>

/* XCR0: SSE and AVX; those, opmask, ZMM_Hi256 and Hi16_ZMM. */
#define XCR0_AVX    0x06ull
#define XCR0_AVX512 0xe6ull

static const struct {
	ZydisISAExt extension;
	uint32_t features;
} legacy[] = {
	{ ZYDIS_ISA_EXT_SSE, EMULATE_SSE },
	{ ZYDIS_ISA_EXT_SSE2, EMULATE_SSE2 },
	{ ZYDIS_ISA_EXT_SSE3, EMULATE_SSE3 },
	{ ZYDIS_ISA_EXT_SSE4, EMULATE_SSE4_1 },
};

static uint32_t legacy_features(ZydisISAExt extension)
{
	for (size_t i = 0; i < ARRAY_COUNT(legacy); i++)
		if (legacy[i].extension == extension)
			return legacy[i].features;
	return 0;
}

static const struct {
	ZydisISASet set;
	uint32_t features; /* beside AVX512F */
} avx512[] = {
	{ ZYDIS_ISA_SET_AVX512F_128, EMULATE_AVX512VL },
	{ ZYDIS_ISA_SET_AVX512F_256, EMULATE_AVX512VL },
	{ ZYDIS_ISA_SET_AVX512BW_128, EMULATE_AVX512BW | EMULATE_AVX512VL },
	{ ZYDIS_ISA_SET_AVX512BW_256, EMULATE_AVX512BW | EMULATE_AVX512VL },
	{ ZYDIS_ISA_SET_AVX512BW_512, EMULATE_AVX512BW },
};

static uint32_t avx512_features(ZydisISASet set)
{
	for (size_t i = 0; i < ARRAY_COUNT(avx512); i++)
		if (avx512[i].set == set)
			return avx512[i].features | EMULATE_AVX512F;
	return EMULATE_AVX512F;
}

static bool has(const struct work *work, uint32_t features)
{
	return (work->cpu->features & features) == features;
}

static int check_sse(struct work *work, uint32_t features)
{
	const struct emulate_cpu *cpu = work->cpu;

	if (!has(work, features) || (cpu->cr0 & X86_CR0_EM) ||
	    !(cpu->cr4 & X86_CR4_OSFXSR))
		return work_fault(work, VECTOR_INVALID);
	if (cpu->cr0 & X86_CR0_TS)
		return work_fault(work, VECTOR_NO_DEVICE);
	return 0;
}

static int check_avx(struct work *work, uint32_t features, uint64_t xcr0)
{
	const struct emulate_cpu *cpu = work->cpu;

	if (!has(work, features) || !(cpu->cr4 & X86_CR4_OSXSAVE) ||
	    (cpu->xcr0 & xcr0) != xcr0)
		return work_fault(work, VECTOR_INVALID);
	if (cpu->cr0 & X86_CR0_TS)
		return work_fault(work, VECTOR_NO_DEVICE);
	return 0;
}

int work_check_features(struct work *work)
{
	const ZydisDecodedInstruction *instruction = &work->instruction;
	ZydisISAExt extension = instruction->meta.isa_ext;
	uint32_t features = legacy_features(extension);

	if (features)
		return check_sse(work, features);
	if (extension == ZYDIS_ISA_EXT_AVX)
		return check_avx(work, EMULATE_AVX, XCR0_AVX);
	if (extension == ZYDIS_ISA_EXT_AVX2)
		return check_avx(work, EMULATE_AVX2, XCR0_AVX);
	if (extension == ZYDIS_ISA_EXT_AVX512EVEX)
		return check_avx(work,
				 avx512_features(instruction->meta.isa_set),
				 XCR0_AVX512);
	if (extension == ZYDIS_ISA_EXT_MOVBE && !has(work, EMULATE_MOVBE))
		return work_fault(work, VECTOR_INVALID);
	return 0;
}
