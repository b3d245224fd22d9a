/* SPDX-License-Identifier: MIT */
/* The first process of a Linux guest: writes the magic port, then waits. Some
 * kernels let a process have ports (iopl), others have a device for them. */
	.globl _start
_start:	mov $172, %eax		/* iopl(3) */
	mov $3, %edi
	syscall
	test %eax, %eax
	jnz device
	out %al, $0xf7
	jmp done
device:	mov $2, %eax		/* open("/port", O_WRONLY) */
	lea name(%rip), %rdi
	mov $1, %esi
	syscall
	mov %eax, %edi
	mov $18, %eax		/* pwrite64(fd, name, 1, 0xf7) */
	lea name(%rip), %rsi
	mov $1, %edx
	mov $0xf7, %r10d
	syscall
done:	mov $34, %eax		/* pause() */
	syscall
	jmp done
name:	.asciz "/port"
	.section .note.GNU-stack, "", @progbits
