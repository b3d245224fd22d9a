/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "boot/kernel.h"
#include "lib/boot_guest.h"
#include "lib/harness.h"

#define MIB          (1ull << 20)
#define CODE_OFFSET  4096u
#define CODE_BYTES   4096u
#define NOTE_OFFSET  1024u
#define FILE_BYTES   (CODE_OFFSET + CODE_BYTES)
#define LOAD_GPA     (16 * MIB)
#define START_INFO   0x6000u
#define BOOT_PARAMS  0x7000u
#define PHYS32_ENTRY 18

/* One segment of code with zeros behind it, and a note about its entry. */
struct wide {
	Elf64_Ehdr header;
	Elf64_Phdr code;
	Elf64_Phdr note;
};

struct narrow {
	Elf32_Ehdr header;
	Elf32_Phdr code;
	Elf32_Phdr note;
};

struct note {
	Elf32_Nhdr header;
	char name[4];
	uint32_t entry;
};

static struct boot_guest guest;
static uint8_t file[FILE_BYTES];
static struct wide wide;
static struct narrow narrow;
static struct note note;

static void make_wide(void)
{
	wide = (struct wide){
		.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_entry = LOAD_GPA + 0x40,
			    .e_phoff = offsetof(struct wide, code),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 2 },
		.code = { .p_type = PT_LOAD,
			  .p_offset = CODE_OFFSET,
			  .p_vaddr = 0xffffffff81000000,
			  .p_paddr = LOAD_GPA,
			  .p_filesz = CODE_BYTES,
			  .p_memsz = 2 * CODE_BYTES },
		.note = { .p_type = PT_NOTE,
			  .p_offset = NOTE_OFFSET,
			  .p_filesz = sizeof(struct note) },
	};
}

static void make_narrow(void)
{
	narrow = (struct narrow){
		.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_386,
			    .e_phoff = offsetof(struct narrow, code),
			    .e_phentsize = sizeof(Elf32_Phdr),
			    .e_phnum = 2 },
		.code = { .p_type = PT_LOAD,
			  .p_offset = CODE_OFFSET,
			  .p_paddr = LOAD_GPA,
			  .p_filesz = CODE_BYTES,
			  .p_memsz = CODE_BYTES },
		.note = { .p_type = PT_NOTE,
			  .p_offset = NOTE_OFFSET,
			  .p_filesz = sizeof(struct note) },
	};
}

static void open_guest(uint64_t memory_bytes)
{
	boot_guest_open(&guest, memory_bytes);
	memset(file, 0, sizeof(file));
	memset(file + CODE_OFFSET, 0xc3, CODE_BYTES);
	note = (struct note){ .header = { .n_namesz = 4,
					  .n_descsz = 4,
					  .n_type = PHYS32_ENTRY },
			      .name = "Xen",
			      .entry = LOAD_GPA + 0x80 };
	make_wide();
	make_narrow();
}

static int load(const void *headers, size_t bytes)
{
	memcpy(file, headers, bytes);
	memcpy(file + NOTE_OFFSET, &note, sizeof(note));
	boot_guest_kernel(&guest, file, sizeof(file));
	return boot_guest_load(&guest);
}

static int load_wide(void)
{
	return load(&wide, sizeof(wide));
}

static int load_narrow(void)
{
	return load(&narrow, sizeof(narrow));
}

static const uint8_t *at(gpa_t gpa, uint64_t bytes)
{
	const uint8_t *place = guestmem_at(&guest.memory, gpa, bytes);

	CHECK(place);
	return place;
}

static uint64_t u64_at(gpa_t gpa)
{
	uint64_t value;

	memcpy(&value, at(gpa, sizeof(value)), sizeof(value));
	return value;
}

static void check_refused(const char *words)
{
	if (!strstr(guest.refusal.text, words))
		(void)fprintf(stderr, "%s\n", guest.refusal.text);
	CHECK(strcmp(guest.refusal.field, "boot.kernel") == 0);
	CHECK(strstr(guest.refusal.text, words));
}

TEST(a_kernel_with_a_pvh_note_is_entered_there_in_protected_mode)
{
	open_guest(64 * MIB);

	CHECK_EQ(load_wide(), 0);

	CHECK_EQ(guest.entry.mode, BOOT_PROTECTED);
	CHECK_EQ(guest.entry.rip, LOAD_GPA + 0x80);
	CHECK_EQ(guest.entry.rbx, START_INFO);
	CHECK_EQ(guest.entry.cr0, 0x11);
	CHECK_EQ(guest.entry.cr4, 0);
	CHECK_EQ(guest.entry.tr.limit, 0x67);
	CHECK_EQ(*at(LOAD_GPA, CODE_BYTES), 0xc3);
	boot_guest_close(&guest);
}

TEST(a_32_bit_kernel_with_a_pvh_note_boots_too)
{
	open_guest(64 * MIB);

	CHECK_EQ(load_narrow(), 0);

	CHECK_EQ(guest.entry.rip, LOAD_GPA + 0x80);
	boot_guest_close(&guest);
}

TEST(the_start_info_names_cmdline_initrd_map_and_rsdp)
{
	uint64_t module, map;

	open_guest(64 * MIB);
	boot_guest_initrd(&guest, "initrd", 6);
	guest.config.cmdline = "quiet";
	CHECK_EQ(load_wide(), 0);
	module = u64_at(START_INFO + 16);
	map = u64_at(START_INFO + 40);

	CHECK_EQ(u64_at(START_INFO), 0x1336ec578);
	CHECK_EQ(u64_at(START_INFO + 8), 1ull << 32); /* one module */
	CHECK(strcmp((const char *)at(u64_at(START_INFO + 24), 6), "quiet") ==
	      0);
	CHECK(memcmp(at(u64_at(START_INFO + 32), 8), "RSD PTR ", 8) == 0);
	CHECK(memcmp(at(u64_at(module), 6), "initrd", 6) == 0);
	CHECK_EQ(u64_at(module + 8), 6);
	CHECK_EQ(u64_at(START_INFO + 48), 6);
	CHECK_EQ(u64_at(map + 3 * 24ull), 1 * MIB);
	CHECK_EQ(u64_at(map + 3 * 24ull + 8), 63 * MIB);
	CHECK_EQ(u64_at(map + 3 * 24ull + 16), 1);
	boot_guest_close(&guest);
}

TEST(a_vmlinux_without_a_note_is_entered_as_linux_in_long_mode)
{
	uint32_t magic;

	open_guest(64 * MIB);
	wide.header.e_phnum = 1;
	CHECK_EQ(load_wide(), 0);
	memcpy(&magic, at(guest.entry.rsi + 0x202, 4), 4);

	CHECK_EQ(guest.entry.mode, BOOT_LONG);
	CHECK_EQ(guest.entry.rip, LOAD_GPA + 0x40);
	CHECK_EQ(guest.entry.rsi, BOOT_PARAMS);
	CHECK_EQ(magic, 0x53726448);
	boot_guest_close(&guest);
}

TEST(a_note_of_someone_else_is_not_an_entry)
{
	open_guest(64 * MIB);

	memcpy(note.name, "GNU", 4);
	CHECK_EQ(load_wide(), 0);

	CHECK_EQ(guest.entry.mode, BOOT_LONG);
	boot_guest_close(&guest);
}

TEST(the_right_note_is_found_behind_others)
{
	const struct note notes[2] = {
		{ .header = { 4, 4, 1 }, .name = "Xen", .entry = 1 },
		{ .header = { 4, 4, PHYS32_ENTRY }, .name = "Xen", .entry = 2 },
	};
	const uint8_t *bytes = (const uint8_t *)notes;

	CHECK_EQ(elf_note_pvh_entry(bytes, sizeof(notes)), 2);
	for (size_t i = 0; i < sizeof(notes); i++)
		CHECK_EQ(elf_note_pvh_entry(bytes, i), 0);
}

TEST(memory_behind_a_segment_s_bytes_is_made_zero)
{
	open_guest(64 * MIB);
	memset(guestmem_at(&guest.memory, LOAD_GPA, MIB), 0xee, MIB);

	CHECK_EQ(load_wide(), 0);

	CHECK_EQ(*at(LOAD_GPA + CODE_BYTES - 1, 1), 0xc3);
	CHECK_EQ(*at(LOAD_GPA + CODE_BYTES, 1), 0);
	CHECK_EQ(*at(LOAD_GPA + 2 * CODE_BYTES - 1, 1), 0);
	CHECK_EQ(*at(LOAD_GPA + 2 * CODE_BYTES, 1), 0xee);
	boot_guest_close(&guest);
}

TEST(an_initrd_stays_in_what_a_32_bit_kernel_maps)
{
	open_guest(1024 * MIB);
	boot_guest_initrd(&guest, "initrd", 6);

	CHECK_EQ(load_narrow(), 0);

	CHECK_EQ(u64_at(u64_at(START_INFO + 16)), 0x38000000 - 4096);
	boot_guest_close(&guest);
}

TEST(kernels_of_other_architectures_are_refused)
{
	open_guest(64 * MIB);

	wide.header.e_machine = EM_AARCH64;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("another architecture: ELF machine 183");
	wide.header.e_ident[EI_DATA] = ELFDATA2MSB;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("another architecture: big endian");

	boot_guest_close(&guest);
}

TEST(a_32_bit_file_without_a_note_is_refused)
{
	open_guest(64 * MIB);
	note.header.n_type = 1;

	CHECK_EQ(load_narrow(), -EINVAL);

	check_refused("without a PVH note");
	boot_guest_close(&guest);
}

TEST(what_is_not_an_executable_is_refused)
{
	open_guest(64 * MIB);

	wide.header.e_type = ET_REL;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("not an executable");
	make_wide();
	wide.header.e_ident[EI_CLASS] = 9;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("neither a 32-bit nor a 64-bit");

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_have_wrong_or_endless_program_headers)
{
	static const uint16_t counts[] = { 0, 65, 0xffff };

	open_guest(64 * MIB);
	for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
		wide.header.e_phnum = counts[i];
		CHECK_EQ(load_wide(), -EINVAL);
		check_refused("e_phnum");
	}
	make_wide();
	wide.header.e_phentsize = sizeof(Elf32_Phdr);
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("e_phentsize");
	make_wide();
	wide.header.e_phoff = UINT64_MAX - 8;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("is truncated");

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_load_outside_memory)
{
	static const uint64_t places[] = {
		64 * MIB - CODE_BYTES, 64 * MIB,         0xe0000000,
		0x100000000,           UINT64_MAX - 100, 1ull << 63
	};

	open_guest(64 * MIB);
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		wide.code.p_paddr = places[i];
		CHECK_EQ(load_wide(), -E2BIG);
		check_refused("bytes of memory from");
	}
	make_wide();
	wide.code.p_memsz = UINT64_MAX;
	CHECK_EQ(load_wide(), -E2BIG);

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_load_over_the_tables)
{
	open_guest(64 * MIB);
	wide.code.p_paddr = BOOT_PARAMS;

	wide.header.e_entry = BOOT_PARAMS;
	note.entry = BOOT_PARAMS;

	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("below 1 MiB");
	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_have_segments_that_overlap)
{
	open_guest(64 * MIB);
	wide.note = wide.code;
	wide.note.p_paddr = LOAD_GPA + 2 * CODE_BYTES - 1;

	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("overlap");
	wide.note.p_paddr++;
	CHECK_EQ(load_wide(), 0);

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_speak_of_more_than_the_file_has)
{
	open_guest(64 * MIB);

	wide.code.p_filesz = CODE_BYTES + 1;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("is truncated");
	make_wide();
	wide.code.p_offset = UINT64_MAX - 10;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("is truncated");
	make_wide();
	wide.code.p_filesz = 3 * CODE_BYTES;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("p_filesz");

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_begin_outside_its_code)
{
	open_guest(64 * MIB);

	note.entry = LOAD_GPA + CODE_BYTES;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("entry point");
	note.entry = BOOT_PARAMS;
	CHECK_EQ(load_wide(), -EINVAL);
	wide.header.e_phnum = 1;
	wide.header.e_entry = LOAD_GPA - 1;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("entry point");

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_have_endless_notes)
{
	open_guest(64 * MIB);

	wide.note.p_filesz = 1ull << 40;
	CHECK_EQ(load_wide(), -EINVAL);
	check_refused("64 KiB");
	make_wide();
	note.header.n_namesz = UINT32_MAX;
	note.header.n_descsz = UINT32_MAX;
	CHECK_EQ(load_wide(), 0);
	CHECK_EQ(guest.entry.mode, BOOT_LONG);

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_be_cut_anywhere_and_load)
{
	open_guest(64 * MIB);
	memcpy(file, &wide, sizeof(wide));
	memcpy(file + NOTE_OFFSET, &note, sizeof(note));

	for (size_t bytes = 0; bytes < FILE_BYTES; bytes += 37) {
		boot_guest_kernel(&guest, file, bytes);
		CHECK_EQ(boot_guest_load(&guest), -EINVAL);
		check_refused("");
	}

	boot_guest_close(&guest);
}
