/* SPDX-License-Identifier: MIT */
/*
 * The description of the machine that a kernel's boot protocol requires: the
 * memory map, and the page that holds it together with cmdline and initrd.
 *
 * Errors     0, or -EFAULT if low memory is not mapped.
 */
#ifndef BOOT_TABLES_H
#define BOOT_TABLES_H

#include <stdint.h>

#include "boot/boot.h"
#include "boot/kernel.h"

struct boot_initrd {
	gpa_t gpa;
	uint64_t bytes; /* 0: none */
};

#define MEMORY_MAP_MAX 8

struct memory_map {
	uint32_t count;
	struct boot_e820_entry ranges[MEMORY_MAP_MAX];
};

/* memory_map.c: numbers and types are those of e820, which PVH shares. */
void memory_map_fill(struct memory_map *map, uint64_t low_end,
		     uint64_t high_end);

/* linux.c: struct boot_params at PLACE_BOOT_PARAMS. */
int linux_tables_write(struct guestmem *memory,
		       const struct boot_kernel *kernel,
		       const struct boot_initrd *initrd,
		       const struct memory_map *map, gpa_t rsdp);

/* pvh.c: struct hvm_start_info and what hangs off it, PLACE_START_INFO. */
int pvh_tables_write(struct guestmem *memory, const struct boot_initrd *initrd,
		     const struct memory_map *map, gpa_t rsdp);

/* entry.c: the GDT, page tables if needed, and the processor's registers. */
int entry_make(struct guestmem *memory, const struct boot_kernel *kernel,
	       struct boot_entry *ret_entry);

#endif
