/* SPDX-License-Identifier: MIT */
/* A guest whose first instruction writes the magic port; then it halts. */
#include "pvh.inc"
	.section .text.start, "ax"
	.code32
	.globl start
start:	out %al, $0xf7
1:	hlt
	jmp 1b
