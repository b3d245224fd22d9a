/* SPDX-License-Identifier: MIT */
/* A guest whose first exception has no handler, nor has what follows from it: a
 * triple fault. */
#include "pvh.inc"
	.section .text.start, "ax"
	.code32
	.globl start
start:	lidt no_handlers
	ud2
	.balign 4
no_handlers:
	.word 0
	.long 0
