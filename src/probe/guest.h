/* SPDX-License-Identifier: MIT */
/*
 * The probe guest: a minimal 64-bit machine that tries one operation on which
 * every unmodified kernel relies, and reports by a write to a port whether it
 * worked.
 */
#ifndef PROBE_GUEST_H
#define PROBE_GUEST_H

#include <stddef.h>
#include <stdint.h>

#define GUEST_BYTES (2u << 20) /* one large page, mapped onto itself */
#define GUEST_PORT  0xf4

/* Values the guest writes to the port; others are exception vectors. */
#define GUEST_OK    0x100
#define GUEST_WRONG 0x200 /* it completed with a wrong result */

/* Where things are in the guest's memory. */
#define GUEST_PML4     0x1000
#define GUEST_PDPT     0x2000
#define GUEST_PD       0x3000
#define GUEST_GDT      0x4000
#define GUEST_IDT      0x5000
#define GUEST_TSS      0x6000
#define GUEST_CODE     0x8000
#define GUEST_SUCCESS  0x9000 /* code that writes GUEST_OK */
#define GUEST_HANDLERS 0xa000 /* code for each vector, 16 bytes apart */
#define GUEST_STACK    0xf000

/* Selectors, in the order SYSCALL and SYSRET want them. */
#define GUEST_KERNEL_CODE 0x08
#define GUEST_KERNEL_DATA 0x10
#define GUEST_USER_DATA   0x20
#define GUEST_USER_CODE   0x28
#define GUEST_TASK        0x30

#define GUEST_VECTORS 32

struct guest_case {
	const char *id;   /* of its row */
	const char *name; /* for people */
	const uint8_t *code;
	const uint8_t *code_end;
	int start_in_user_mode;
	int success_vector; /* the exception that means success; -1: none */
};

extern const struct guest_case guest_cases[];
extern const size_t guest_case_count;

/* Fill zeroed memory of GUEST_BYTES for this case. */
void guest_fill(uint8_t *memory, const struct guest_case *which);

#endif
