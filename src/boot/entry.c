/* SPDX-License-Identifier: MIT */
/*
 * The processor as the boot protocols want it. Linux, 64-bit: paging with the
 * kernel, its parameters and its command line mapped one to one; Linux, 32-bit
 * and PVH: flat segments and no paging. In all of them the GDT has code at
 * 0x10 and data at 0x18, as Linux's own __BOOT_CS and __BOOT_DS.
 */
#include "base/count.h"

#include "boot/place.h"
#include "boot/tables.h"
#include <asm/processor-flags.h>

#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18
#define TASK_SELECTOR 0x20

#define TYPE_CODE 11 /* execute, read, accessed */
#define TYPE_DATA 3  /* read, write, accessed */
#define TYPE_TASK 11 /* a busy TSS, of 32 or 64 bits */

#define EFER_LME 0x100u
#define EFER_LMA 0x400u

#define TABLE_ENTRIES  512u
#define DIRECTORIES    4u    /* each maps 1 GiB in pages of 2 MiB */
#define ENTRY_TABLE    0x3u  /* present, writable */
#define ENTRY_PAGE     0x83u /* and a large page */
#define LARGE_PAGE_LOG 21

static const struct boot_segment code_32 = {
	.limit = UINT32_MAX,
	.selector = CODE_SELECTOR,
	.type = TYPE_CODE,
	.s = 1,
	.db = 1,
	.g = 1,
};
static const struct boot_segment code_64 = {
	.limit = UINT32_MAX,
	.selector = CODE_SELECTOR,
	.type = TYPE_CODE,
	.s = 1,
	.l = 1,
	.g = 1,
};
static const struct boot_segment data = {
	.limit = UINT32_MAX,
	.selector = DATA_SELECTOR,
	.type = TYPE_DATA,
	.s = 1,
	.db = 1,
	.g = 1,
};
static const struct boot_segment task = {
	.limit = 0x67,
	.selector = TASK_SELECTOR,
	.type = TYPE_TASK,
};

/* The descriptor of a segment whose base is 0 (SDM volume 3, 3.4.5). */
static uint64_t descriptor(const struct boot_segment *segment)
{
	uint64_t limit = segment->g ? segment->limit >> 12 : segment->limit;
	uint64_t access = segment->type | segment->s << 4 | 1u << 7;
	uint64_t flags = segment->l << 1 | segment->db << 2 | segment->g << 3;

	return (limit & 0xffff) | access << 40 | (limit >> 16 & 0xf) << 48 |
	       flags << 52;
}

/* The TSS comes last, for its descriptor takes two places in 64-bit mode. */
static int write_gdt(struct guestmem *memory, struct boot_entry *entry)
{
	const uint64_t gdt[] = { 0,
				 0,
				 descriptor(&entry->cs),
				 descriptor(&entry->data),
				 descriptor(&entry->tr),
				 0 };

	entry->gdt_base = PLACE_GDT;
	entry->gdt_limit = sizeof(gdt) - 1;
	return guestmem_write(memory, PLACE_GDT, gdt, sizeof(gdt));
}

static gpa_t table_gpa(uint64_t index)
{
	return PLACE_PAGE_TABLES + index * sizeof(uint64_t[TABLE_ENTRIES]);
}

/* Table 0 is the top, table 1 below it, then the directories. */
static int write_page_tables(struct guestmem *memory)
{
	uint64_t tables[2 + DIRECTORIES][TABLE_ENTRIES] = { 0 };

	tables[0][0] = table_gpa(1) | ENTRY_TABLE;
	for (uint64_t i = 0; i < DIRECTORIES; i++)
		tables[1][i] = table_gpa(2 + i) | ENTRY_TABLE;
	for (uint64_t i = 0; i < DIRECTORIES * TABLE_ENTRIES; i++)
		tables[2 + i / TABLE_ENTRIES][i % TABLE_ENTRIES] =
			i << LARGE_PAGE_LOG | ENTRY_PAGE;
	return guestmem_write(memory, PLACE_PAGE_TABLES, tables,
			      sizeof(tables));
}

static void turn_on_long_mode(struct boot_entry *entry)
{
	entry->mode = BOOT_LONG;
	entry->cs = code_64;
	entry->cr0 |= X86_CR0_PG;
	entry->cr3 = PLACE_PAGE_TABLES;
	entry->cr4 = X86_CR4_PAE;
	entry->efer = EFER_LME | EFER_LMA;
}

int entry_make(struct guestmem *memory, const struct boot_kernel *kernel,
	       struct boot_entry *ret_entry)
{
	bool is_pvh = kernel->protocol == BOOT_PVH;
	int r = 0;

	*ret_entry = (struct boot_entry){
		.mode = BOOT_PROTECTED,
		.rip = kernel->entry,
		.rsp = PLACE_STACK_END,
		.rbx = is_pvh ? PLACE_START_INFO : 0,
		.rsi = is_pvh ? 0 : PLACE_BOOT_PARAMS,
		.cr0 = X86_CR0_PE | X86_CR0_ET,
		.cs = code_32,
		.data = data,
		.tr = task,
	};
	if (kernel->protocol == BOOT_LINUX_64) {
		turn_on_long_mode(ret_entry);
		r = write_page_tables(memory);
	}
	return r < 0 ? r : write_gdt(memory, ret_entry);
}
