/* SPDX-License-Identifier: MIT */
/*
 * The boot loader: loads a kernel, its initrd and command line, the ACPI tables
 * and the parameters of the kernel's boot protocol into a guest's memory, and
 * returns the initial state of the boot processor. The other processors wait
 * for its INIT and SIPI.
 *
 * Supported kernels, the first match wins:
 *   bzImage   Linux boot protocol 2.06 and later: the 64-bit entry if
 *             XLF_KERNEL_64 is set, else the 32-bit one
 *             (Documentation/x86/boot.rst)
 *   ELF       32 or 64 bit with a PVH note, XEN_ELFNOTE_PHYS32_ENTRY
 *             (Documentation/x86/boot and xen's docs/misc/pvh.pandoc)
 *   ELF       64 bit without one: a Linux vmlinux, entered at e_entry as its
 *             64-bit entry is
 *
 * Memory must be mapped before: from 0 up to min(memory_bytes, LAYOUT_LOW_END)
 * and the rest from LAYOUT_HIGH_BASE. It need not be zero: what the kernel
 * expects to be zero is cleared, and a reset of the guest calls boot_load()
 * again.
 *
 * Trust      Both files are supplied by the user and hostile: every number in
 *            them is read once and checked; one that shrinks meanwhile is
 *            refused. The guest's processors must not be running.
 * Threads    The one that owns the memory. No state is kept.
 * Errors     A refusal names boot.kernel, boot.initrd, boot.cmdline or
 *            memory.size and the rule. After a refusal the contents of memory
 *            are undefined.
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdint.h>

#include "base/refusal.h"
#include "guestmem/guestmem.h"

struct boot_config {
	int kernel_fd;         /* borrowed; its offset is not used */
	int initrd_fd;         /* NO_FD: none */
	const char *cmdline;   /* never NULL */
	uint64_t memory_bytes; /* all of the guest's RAM; whole pages */
	uint32_t cpu_count;    /* 1 to VCPU_MAX */
};

enum boot_mode {
	BOOT_PROTECTED, /* 32 bit, no paging */
	BOOT_LONG,      /* 64 bit, the first 4 GiB mapped one to one */
};

/* A segment register with its hidden part (descriptor cache). */
struct boot_segment {
	uint64_t base;
	uint32_t limit; /* in bytes */
	uint16_t selector;
	uint8_t type;   /* 4 bits: 11 code, 3 data, 11 busy TSS */
	uint8_t s;      /* 1: code or data, 0: system */
	uint8_t db;     /* 1: 32 bit */
	uint8_t l;      /* 1: 64-bit code */
	uint8_t g;      /* 1: the limit counts pages in the descriptor */
	uint8_t unused; /* privilege level 0, present, avl 0, all of them */
};

/*
 * The initial state of the boot processor. Everything not named here is as
 * after power-on; interrupts are off (rflags 2), the IDT has limit 0.
 */
struct boot_entry {
	enum boot_mode mode;
	uint64_t rip;
	uint64_t rsp;
	uint64_t rbx; /* PVH: the start info */
	uint64_t rsi; /* Linux: the boot parameters */
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t efer;
	uint64_t gdt_base;
	uint16_t gdt_limit;
	struct boot_segment cs;
	struct boot_segment data; /* for DS, ES, FS, GS and SS */
	struct boot_segment tr;   /* the LDT is unusable */
};

/*
 * Check whether boot_load() would accept this kernel, given enough memory. The
 * same rules apply; nothing is loaded.
 *
 * -EINVAL   it would not
 * -E2BIG    it must be loaded where no partition has memory
 * other     errno of reading (the refusal is filled in as well)
 */
int boot_check_kernel(int kernel_fd, struct refusal *ret_refusal);

/*
 * Load everything. `ret_refusal` is filled in on failure and may be NULL.
 *
 * -EINVAL   a file, the command line or the memory's size is at fault
 * -E2BIG    kernel or initrd do not fit into the guest's memory
 * other     errno of reading (the refusal is filled in as well)
 */
int boot_load(struct guestmem *memory, const struct boot_config *config,
	      struct boot_entry *ret_entry, struct refusal *ret_refusal);

#endif
