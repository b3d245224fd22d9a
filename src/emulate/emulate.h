/* SPDX-License-Identifier: MIT */
/*
 * Emulation of instructions that KVM cannot emulate itself.
 *
 * KVM emulates instructions that access emulated devices, but supports only
 * some of them: none of AVX, for example. The others it passes to user space
 * (KVM_EXIT_INTERNAL_ERROR, suberror emulation). emulate() decodes their bytes
 * and applies the instruction to an abstract processor and its memory, or says
 * which exception it raises.
 *
 * The supported instructions are one table of mnemonics (rules.c): adding one
 * takes a row and a test.
 *
 * Trust      Bytes, registers and memory are a hostile guest's. The given bytes
 *            are never read again; addresses are only passed to the caller's
 *            functions, which check them.
 * Threads    None of its own and no state: one call per processor at a time.
 * Errors     None: every outcome is one of enum emulate_outcome.
 * Source     Intel SDM volumes 1 (13: XSAVE) and 2; AMD APM volume 3.
 */
#ifndef EMULATE_EMULATE_H
#define EMULATE_EMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EMULATE_BYTES_MAX    15 /* of one instruction */
#define EMULATE_GENERAL      16 /* RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
#define EMULATE_VECTORS      32
#define EMULATE_VECTOR_BYTES 64
#define EMULATE_MASKS        8
#define EMULATE_NAME_SIZE    16

/* In the order of their encoding. */
enum emulate_segment_index {
	EMULATE_ES,
	EMULATE_CS,
	EMULATE_SS,
	EMULATE_DS,
	EMULATE_FS,
	EMULATE_GS,
	EMULATE_SEGMENTS,
};

struct emulate_segment {
	uint64_t base;
	uint32_t limit; /* in bytes, inclusive */
	uint8_t type;   /* as in a descriptor */
	bool is_usable; /* present and not null; ignored in 64-bit mode */
	bool is_big;    /* bit D or B */
};

enum emulate_mode {
	EMULATE_16 = 16,
	EMULATE_32 = 32,
	EMULATE_64 = 64,
};

/* Bits: features in the guest's CPUID. */
enum emulate_feature {
	EMULATE_SSE = 1u << 0,
	EMULATE_SSE2 = 1u << 1,
	EMULATE_SSE3 = 1u << 2,
	EMULATE_SSE4_1 = 1u << 3,
	EMULATE_AVX = 1u << 4,
	EMULATE_AVX2 = 1u << 5,
	EMULATE_AVX512F = 1u << 6,
	EMULATE_AVX512BW = 1u << 7,
	EMULATE_AVX512VL = 1u << 8,
	EMULATE_MOVBE = 1u << 9,
};

struct emulate_cpu {
	uint64_t general[EMULATE_GENERAL];
	uint64_t rip;
	uint64_t rflags;
	uint64_t cr0, cr4, xcr0;
	struct emulate_segment segments[EMULATE_SEGMENTS];
	enum emulate_mode mode; /* of the code segment */
	uint8_t cpl;
	uint32_t features;    /* bits of enum emulate_feature */
	bool has_new_vectors; /* out: `vectors` was changed */
	uint64_t masks[EMULATE_MASKS];
	uint8_t vectors[EMULATE_VECTORS][EMULATE_VECTOR_BYTES];
};

enum emulate_access {
	EMULATE_READ,
	EMULATE_WRITE,
	EMULATE_FETCH,
};

/* The guest's memory and devices. */
struct emulate_memory {
	/*
	 * Translate a linear address for this kind of access at the processor's
	 * privilege level. 0, or -EFAULT: a page fault with *ret_error_code.
	 */
	int (*translate)(void *context, uint64_t linear,
			 enum emulate_access access, uint64_t *ret_gpa,
			 uint32_t *ret_error_code);
	/* 1, 2, 4 or 8 bytes, naturally aligned: memory, a device, or nothing
	 * (all ones). */
	void (*read)(void *context, uint64_t gpa, void *to, size_t bytes);
	void (*write)(void *context, uint64_t gpa, const void *from,
		      size_t bytes);
	void *context;
};

enum emulate_outcome {
	EMULATE_DONE,    /* emulated; rip has advanced */
	EMULATE_FAULT,   /* inject the exception; nothing else changed */
	EMULATE_UNKNOWN, /* not in the table; nothing was changed */
};

struct emulate_result {
	enum emulate_outcome outcome;
	uint32_t rule;                /* index for emulate_name(); DONE only */
	char name[EMULATE_NAME_SIZE]; /* mnemonic, "undecodable", "fetch" */
	/* FAULT: */
	uint8_t vector;
	bool has_error_code;
	uint32_t error_code;
	uint64_t address; /* of a page fault, for CR2 */
};

/*
 * Emulate the instruction at cpu->rip. Its first `count` bytes (at most
 * EMULATE_BYTES_MAX are used) are given; missing ones are fetched. A repeated
 * string instruction does one element per call.
 */
struct emulate_result emulate(struct emulate_cpu *cpu,
			      const struct emulate_memory *memory,
			      const uint8_t *bytes, size_t count);

/* An upper bound on the rows of the table, for arrays of counters. */
#define EMULATE_RULE_MAX 128

/* Rows of the table, and the mnemonic of one; "" beyond. */
extern const uint32_t emulate_rule_count;
const char *emulate_name(uint32_t rule);

#endif
