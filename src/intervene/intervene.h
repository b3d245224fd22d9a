/* SPDX-License-Identifier: MIT */
/*
 * Interventions: instructions that KVM gives up on, carried out by us.
 *
 * KVM emulates an instruction that touches emulated devices, and knows few of
 * them: none of AVX, for one. What it does not know it hands over
 * (KVM_EXIT_INTERNAL_ERROR, suberror emulation). intervene() decodes those
 * bytes, does to an abstract processor and its memory what the instruction
 * does, or says which exception it raises.
 *
 * All that is known is a table of mnemonics (rules.c): adding an instruction is
 * a row and a test.
 *
 * Trust      Bytes, registers and memory are a hostile guest's. Bytes are those
 *            given, never read again; addresses are only ever passed to the
 *            caller's functions, which check them.
 * Threads    None of its own and no state: one call per processor at a time.
 * Errors     None: every outcome is one of enum intervene_outcome.
 * Source     Intel SDM volumes 1 (13: XSAVE) and 2; AMD APM volume 3.
 */
#ifndef INTERVENE_INTERVENE_H
#define INTERVENE_INTERVENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERVENE_BYTES_MAX    15 /* of one instruction */
#define INTERVENE_GENERAL      16 /* RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
#define INTERVENE_VECTORS      32
#define INTERVENE_VECTOR_BYTES 64
#define INTERVENE_MASKS        8
#define INTERVENE_NAME_SIZE    16

/* In the order of their encoding. */
enum intervene_segment_index {
	INTERVENE_ES,
	INTERVENE_CS,
	INTERVENE_SS,
	INTERVENE_DS,
	INTERVENE_FS,
	INTERVENE_GS,
	INTERVENE_SEGMENTS,
};

struct intervene_segment {
	uint64_t base;
	uint32_t limit; /* in bytes, inclusive */
	uint8_t type;   /* as in a descriptor */
	bool is_usable; /* present and not null; ignored in 64-bit mode */
	bool is_big;    /* bit D or B */
};

enum intervene_mode {
	INTERVENE_16 = 16,
	INTERVENE_32 = 32,
	INTERVENE_64 = 64,
};

/* Bits: what the guest's CPUID says it has. */
enum intervene_feature {
	INTERVENE_SSE = 1u << 0,
	INTERVENE_SSE2 = 1u << 1,
	INTERVENE_SSE3 = 1u << 2,
	INTERVENE_SSE4_1 = 1u << 3,
	INTERVENE_AVX = 1u << 4,
	INTERVENE_AVX2 = 1u << 5,
	INTERVENE_AVX512F = 1u << 6,
	INTERVENE_AVX512BW = 1u << 7,
	INTERVENE_AVX512VL = 1u << 8,
	INTERVENE_MOVBE = 1u << 9,
};

struct intervene_cpu {
	uint64_t general[INTERVENE_GENERAL];
	uint64_t rip;
	uint64_t rflags;
	uint64_t cr0, cr4, xcr0;
	struct intervene_segment segments[INTERVENE_SEGMENTS];
	enum intervene_mode mode; /* of the code segment */
	uint8_t cpl;
	uint32_t features;    /* bits of enum intervene_feature */
	bool has_new_vectors; /* out: `vectors` was changed */
	uint64_t masks[INTERVENE_MASKS];
	uint8_t vectors[INTERVENE_VECTORS][INTERVENE_VECTOR_BYTES];
};

enum intervene_access {
	INTERVENE_READ,
	INTERVENE_WRITE,
	INTERVENE_FETCH,
};

/* The guest's memory and devices. */
struct intervene_memory {
	/*
	 * Where a linear address is, for this kind of access at the processor's
	 * privilege. 0, or -EFAULT: a page fault with *ret_error_code.
	 */
	int (*translate)(void *context, uint64_t linear,
			 enum intervene_access access, uint64_t *ret_gpa,
			 uint32_t *ret_error_code);
	/* 1, 2, 4 or 8 bytes at a multiple of their number: memory, a device,
	 * or nothing (all ones). */
	void (*read)(void *context, uint64_t gpa, void *to, size_t bytes);
	void (*write)(void *context, uint64_t gpa, const void *from,
		      size_t bytes);
	void *context;
};

enum intervene_outcome {
	INTERVENE_DONE,    /* carried out; rip moved on */
	INTERVENE_FAULT,   /* inject the exception; nothing was changed */
	INTERVENE_UNKNOWN, /* not in the table; nothing was changed */
};

struct intervene_result {
	enum intervene_outcome outcome;
	uint32_t rule; /* index for intervene_name(); DONE only */
	char name[INTERVENE_NAME_SIZE]; /* mnemonic, "undecodable", "fetch" */
	/* FAULT: */
	uint8_t vector;
	bool has_error_code;
	uint32_t error_code;
	uint64_t address; /* of a page fault, for CR2 */
};

/*
 * Carry out the instruction at cpu->rip, whose first `count` bytes (at most
 * INTERVENE_BYTES_MAX count) are given; those that are missing are fetched. A
 * repeated string instruction does one element a call.
 */
struct intervene_result intervene(struct intervene_cpu *cpu,
				  const struct intervene_memory *memory,
				  const uint8_t *bytes, size_t count);

/* More rows than the table will have, for arrays of counters. */
#define INTERVENE_RULE_MAX 128

/* Rows of the table, and the mnemonic of one; "" beyond. */
extern const uint32_t intervene_rule_count;
const char *intervene_name(uint32_t rule);

#endif
