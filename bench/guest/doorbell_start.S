/* SPDX-License-Identifier: MIT */
/* From the PVH entry to 64-bit C: the first 4 GiB mapped one to one, and the
 * gate of the only interrupt. */
#include "pvh.inc"
	.section .text.start, "ax"
	.code32
	.globl start
start:	mov $stack_top, %esp
	mov $page_directories, %edi	/* 2048 pages of 2 MiB */
	mov $0x83, %eax			/* present, writable, large */
	mov $2048, %ecx
1:	mov %eax, (%edi)
	movl $0, 4(%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 1b
	mov $page_directories + 3, %eax
	mov $page_pointers, %edi
	mov $4, %ecx
2:	mov %eax, (%edi)
	add $4096, %eax
	add $8, %edi
	loop 2b
	movl $page_pointers + 3, page_root
	mov $page_root, %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $0x20, %eax			/* PAE */
	mov %eax, %cr4
	mov $0xc0000080, %ecx		/* EFER */
	rdmsr
	or $0x100, %eax			/* LME */
	wrmsr
	mov %cr0, %eax
	or $0x80000001, %eax		/* PG, PE */
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $8, $long_mode
	.code64
long_mode:
	mov $16, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	call main
3:	cli
	hlt
	jmp 3b

	.globl interrupt_entry
interrupt_entry:			/* all that C may spoil */
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	call interrupt
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	iretq

	.data
	.balign 8
gdt:	.quad 0
	.quad 0x00af9b000000ffff	/* 64-bit code */
	.quad 0x00cf93000000ffff	/* data */
gdt_pointer:
	.word . - gdt - 1
	.long gdt
	.bss
	.balign 4096
page_root:
	.skip 4096
page_pointers:
	.skip 4096
page_directories:
	.skip 4 * 4096
	.skip 16384
stack_top:
	.section .note.GNU-stack, "", @progbits
