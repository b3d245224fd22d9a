/* SPDX-License-Identifier: MIT */
/*
 * A guest that writes to every page above 16 MiB of the memory it is told of
 * (hvm_start_info, at %ebx: the map's address at 40, its length at 48), then
 * writes the magic port for ever: so that its image holds all of them, and
 * that it runs is seen at once.
 */
#include "pvh.inc"
	.section .text.start, "ax"
	.code32
	.globl start
start:	mov 40(%ebx), %esi
	mov 48(%ebx), %ecx
2:	cmpl $0x100000, (%esi)	/* the entry at 1 MiB; 24 bytes each */
	je 3f
	add $24, %esi
	loop 2b
3:	mov (%esi), %edx
	add 8(%esi), %edx
	mov $0x1000000, %edi
4:	cmp %edx, %edi
	jae 5f
	mov %edi, (%edi)
	add $4096, %edi
	jmp 4b
5:	out %al, $0xf7
	jmp 5b
