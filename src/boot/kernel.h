/* SPDX-License-Identifier: MIT */
/*
 * The interface between boot_load() and the kernel formats. Each format has two
 * functions: one checks whether the kernel could be loaded and touches no
 * memory, the other makes the same checks and loads it. `head` is the beginning
 * of the file, read once; all decisions are based on that copy.
 *
 * Errors     0, or a negative errno with a refusal of boot.kernel.
 */
#ifndef BOOT_KERNEL_H
#define BOOT_KERNEL_H

#include <asm/bootparam.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot.h"
#include "boot/file.h"

#define BOOT_HEAD_BYTES 1024u

struct boot_head {
	uint8_t bytes[BOOT_HEAD_BYTES]; /* zeros beyond `count` */
	size_t count;
};

struct boot_loader {
	struct guestmem *memory;
	uint64_t low_end;  /* of RAM below LAYOUT_LOW_END */
	uint64_t high_end; /* of RAM from LAYOUT_HIGH_BASE; that if none */
	struct boot_file kernel;
	struct refusal *refusal;
};

enum boot_protocol {
	BOOT_LINUX_64,
	BOOT_LINUX_32,
	BOOT_PVH,
};

struct boot_kernel {
	enum boot_protocol protocol;
	gpa_t entry;
	gpa_t end;            /* all that it needs at once lies below */
	uint64_t initrd_last; /* the highest address an initrd may reach */
	bool initrd_may_be_high;
	uint32_t cmdline_max;       /* bytes, without its NUL */
	struct setup_header header; /* Linux only */
};

int bzimage_check(const struct boot_loader *loader,
		  const struct boot_head *head);
int bzimage_load(const struct boot_loader *loader, const struct boot_head *head,
		 struct boot_kernel *ret_kernel);
int elf_check(const struct boot_loader *loader, const struct boot_head *head);
int elf_load(const struct boot_loader *loader, const struct boot_head *head,
	     struct boot_kernel *ret_kernel);

/* elf_note.c: the entry of the PVH note in these bytes, or 0. */
uint32_t elf_note_pvh_entry(const uint8_t *notes, size_t bytes);

#endif
