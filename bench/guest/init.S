/* SPDX-License-Identifier: MIT */
/* The first process of a Linux guest: writes the magic port, then waits. */
	.globl _start
_start:	mov $172, %eax		/* iopl(3) */
	mov $3, %edi
	syscall
	out %al, $0xf7
1:	mov $34, %eax		/* pause() */
	syscall
	jmp 1b
	.section .note.GNU-stack, "", @progbits
