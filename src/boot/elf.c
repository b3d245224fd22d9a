/* SPDX-License-Identifier: MIT */
/*
 * ELF kernels. Those with a PVH note are entered there; else it must be a
 * 64-bit Linux, whose e_entry is the physical address of startup_64.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "boot/kernel.h"
#include "boot/place.h"

#define SEGMENT_MAX    64u
#define NOTE_BYTES_MAX (64u << 10)
/* Linux: COMMAND_LINE_SIZE of x86, and the lowmem of a 32-bit kernel. */
#define CMDLINE_MAX    2047u
#define INITRD_LAST_32 0x37ffffffu

/* A program header of either size. */
struct segment {
	uint32_t type;
	uint64_t offset;
	gpa_t gpa;
	uint64_t file_bytes;
	uint64_t memory_bytes;
};

struct elf {
	bool is_64;
	uint64_t entry;
	uint64_t table_offset;
	uint32_t count;
	struct segment segments[SEGMENT_MAX];
};

static int bad(const struct boot_loader *loader, const char *rule)
{
	return refuse(loader->refusal, -EINVAL, "boot.kernel", "%s", rule);
}

static int check_machine(const struct boot_loader *loader,
			 const struct boot_head *head)
{
	Elf32_Ehdr header; /* this far, both sizes are the same */

	memcpy(&header, head->bytes, sizeof(header));
	if (head->count < sizeof(Elf64_Ehdr))
		return bad(loader,
			   "is truncated: it has no complete ELF header");
	if (header.e_ident[EI_DATA] != ELFDATA2LSB)
		return bad(loader, "is for another architecture: big endian");
	if (header.e_machine != EM_X86_64 && header.e_machine != EM_386)
		return refuse(loader->refusal, -EINVAL, "boot.kernel",
			      "is for another architecture: ELF machine %u, "
			      "not x86",
			      header.e_machine);
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return bad(loader, "is an ELF file, but not an executable");
	return 0;
}

static int check_table(const struct boot_loader *loader, const struct elf *elf,
		       size_t entry_bytes)
{
	if (elf->count == 0 || elf->count > SEGMENT_MAX)
		return bad(loader, "has ELF headers whose e_phnum is not from "
				   "1 to 64");
	if (entry_bytes !=
	    (elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return bad(loader,
			   "has ELF headers whose e_phentsize is wrong");
	return 0;
}

static int take_header(const struct boot_loader *loader,
		       const struct boot_head *head, struct elf *elf)
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;

	memcpy(&wide, head->bytes, sizeof(wide));
	memcpy(&narrow, head->bytes, sizeof(narrow));
	elf->is_64 = wide.e_ident[EI_CLASS] == ELFCLASS64;
	if (elf->is_64) {
		elf->entry = wide.e_entry;
		elf->table_offset = wide.e_phoff;
		elf->count = wide.e_phnum;
		return check_table(loader, elf, wide.e_phentsize);
	}
	if (narrow.e_ident[EI_CLASS] != ELFCLASS32)
		return bad(loader, "is neither a 32-bit nor a 64-bit ELF file");
	elf->entry = narrow.e_entry;
	elf->table_offset = narrow.e_phoff;
	elf->count = narrow.e_phnum;
	return check_table(loader, elf, narrow.e_phentsize);
}

static struct segment wide_segment(const uint8_t *bytes)
{
	Elf64_Phdr header;

	memcpy(&header, bytes, sizeof(header));
	return (struct segment){ header.p_type, header.p_offset, header.p_paddr,
				 header.p_filesz, header.p_memsz };
}

static struct segment narrow_segment(const uint8_t *bytes)
{
	Elf32_Phdr header;

	memcpy(&header, bytes, sizeof(header));
	return (struct segment){ header.p_type, header.p_offset, header.p_paddr,
				 header.p_filesz, header.p_memsz };
}

static int take_segments(const struct boot_loader *loader, struct elf *elf)
{
	uint8_t table[SEGMENT_MAX * sizeof(Elf64_Phdr)];
	size_t each = elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	int r = boot_file_read(&loader->kernel, elf->table_offset, table,
			       elf->count * each);

	for (uint32_t i = 0; r == 0 && i < elf->count; i++)
		elf->segments[i] = elf->is_64
					   ? wide_segment(table + i * each)
					   : narrow_segment(table + i * each);
	return r;
}

static bool overlap(const struct segment *a, const struct segment *b)
{
	return a->gpa < b->gpa + b->memory_bytes &&
	       b->gpa < a->gpa + a->memory_bytes;
}

/* Segments that passed do not wrap: they lie in memory. */
static int check_segment(const struct boot_loader *loader,
			 const struct elf *elf, uint32_t index)
{
	const struct segment *segment = &elf->segments[index];

	if (segment->file_bytes > segment->memory_bytes)
		return bad(loader, "has an ELF segment whose p_filesz is more "
				   "than its p_memsz");
	if (segment->gpa < PLACE_KERNEL)
		return bad(loader, "has an ELF segment below 1 MiB, where the "
				   "boot parameters are");
	if (segment->gpa > loader->low_end ||
	    segment->memory_bytes > loader->low_end - segment->gpa)
		return refuse(loader->refusal, -E2BIG, "boot.kernel",
			      "needs %llu bytes of memory from %#llx on; the "
			      "partition's ends at %#llx",
			      (unsigned long long)segment->memory_bytes,
			      (unsigned long long)segment->gpa,
			      (unsigned long long)loader->low_end);
	for (uint32_t i = 0; i < index; i++)
		if (elf->segments[i].type == PT_LOAD &&
		    overlap(segment, &elf->segments[i]))
			return bad(loader, "has ELF segments that overlap");
	return boot_file_check(&loader->kernel, segment->offset,
			       segment->file_bytes);
}

static int check_segments(const struct boot_loader *loader,
			  const struct elf *elf)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < elf->count; i++)
		if (elf->segments[i].type == PT_LOAD)
			r = check_segment(loader, elf, i);
	return r;
}

static int load_segment(const struct boot_loader *loader,
			const struct segment *segment)
{
	uint64_t rest = segment->memory_bytes - segment->file_bytes;
	gpa_t gpa = segment->gpa + segment->file_bytes;
	uint8_t *zeros = guestmem_at(loader->memory, gpa, rest);
	int r = boot_file_load(&loader->kernel, segment->offset, loader->memory,
			       segment->gpa, segment->file_bytes);

	if (r == 0 && zeros)
		memset(zeros, 0, rest);
	return r;
}

static int load_segments(const struct boot_loader *loader,
			 const struct elf *elf, struct boot_kernel *kernel)
{
	int r = 0;

	kernel->end = PLACE_KERNEL;
	for (uint32_t i = 0; r == 0 && i < elf->count; i++) {
		const struct segment *segment = &elf->segments[i];

		if (segment->type != PT_LOAD)
			continue;
		r = load_segment(loader, segment);
		kernel->end = max_u64(kernel->end,
				      segment->gpa + segment->memory_bytes);
	}
	return r;
}

/* *ret_entry stays 0 if no note names one. */
static int find_pvh_entry(const struct boot_loader *loader,
			  const struct elf *elf, uint32_t *ret_entry)
{
	uint8_t notes[NOTE_BYTES_MAX];
	int r = 0;

	*ret_entry = 0;
	for (uint32_t i = 0; i < elf->count && r == 0 && *ret_entry == 0; i++) {
		const struct segment *segment = &elf->segments[i];

		if (segment->type != PT_NOTE)
			continue;
		if (segment->file_bytes > NOTE_BYTES_MAX)
			return bad(loader, "has ELF notes of more than 64 KiB");
		r = boot_file_read(&loader->kernel, segment->offset, notes,
				   segment->file_bytes);
		if (r == 0)
			*ret_entry =
				elf_note_pvh_entry(notes, segment->file_bytes);
	}
	return r;
}

/* The entry must be code that came from the file. */
static int check_entry(const struct boot_loader *loader, const struct elf *elf,
		       gpa_t entry)
{
	for (uint32_t i = 0; i < elf->count; i++) {
		const struct segment *segment = &elf->segments[i];

		if (segment->type == PT_LOAD && entry >= segment->gpa &&
		    entry - segment->gpa < segment->file_bytes)
			return 0;
	}
	return bad(loader, "has an entry point outside its ELF segments");
}

static int choose_entry(const struct boot_loader *loader, const struct elf *elf,
			struct boot_kernel *kernel)
{
	uint32_t pvh;
	int r = find_pvh_entry(loader, elf, &pvh);

	if (r < 0)
		return r;
	if (pvh == 0 && !elf->is_64)
		return bad(loader, "is a 32-bit ELF file without a PVH note, "
				   "so its entry point is unknown");
	kernel->protocol = pvh ? BOOT_PVH : BOOT_LINUX_64;
	kernel->entry = pvh ? pvh : elf->entry;
	return check_entry(loader, elf, kernel->entry);
}

/* What vmlinux, which has no setup header, would say in one. */
static void describe(const struct elf *elf, struct boot_kernel *kernel)
{
	kernel->initrd_last = elf->is_64 ? UINT32_MAX : INITRD_LAST_32;
	kernel->cmdline_max = CMDLINE_MAX;
	kernel->header.boot_flag = 0xaa55;
	kernel->header.header = 0x53726448;
	kernel->header.version = 0x020c;
	kernel->header.loadflags = LOADED_HIGH;
}

static int read_elf(const struct boot_loader *loader,
		    const struct boot_head *head, struct elf *elf,
		    struct boot_kernel *kernel)
{
	int r = check_machine(loader, head);

	memset(elf, 0, sizeof(*elf));
	memset(kernel, 0, sizeof(*kernel));
	if (r == 0)
		r = take_header(loader, head, elf);
	if (r == 0)
		r = take_segments(loader, elf);
	if (r == 0)
		r = check_segments(loader, elf);
	if (r == 0)
		r = choose_entry(loader, elf, kernel);
	return r;
}

int elf_check(const struct boot_loader *loader, const struct boot_head *head)
{
	struct boot_kernel kernel;
	struct elf elf;

	return read_elf(loader, head, &elf, &kernel);
}

int elf_load(const struct boot_loader *loader, const struct boot_head *head,
	     struct boot_kernel *ret_kernel)
{
	struct elf elf;
	int r = read_elf(loader, head, &elf, ret_kernel);

	if (r == 0)
		r = load_segments(loader, &elf, ret_kernel);
	if (r == 0)
		describe(&elf, ret_kernel);
	return r;
}
