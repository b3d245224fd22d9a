/* SPDX-License-Identifier: MIT */
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/boot_guest.h"
#include "lib/harness.h"

#define MIB          (1ull << 20)
#define SETUP_BYTES  1024u /* the boot sector and one of setup */
#define KERNEL_BYTES 4096u
#define FILE_BYTES   (SETUP_BYTES + KERNEL_BYTES)
#define BOOT_PARAMS  0x7000u
#define GDT          0x500u

static struct boot_guest guest;
static uint8_t file[FILE_BYTES];
static struct setup_header header;

/* A small kernel as Linux makes them: 2.15, relocatable, 64 bit. */
static void make_kernel(void)
{
	header = (struct setup_header){
		.setup_sects = 1,
		.syssize = KERNEL_BYTES / 16,
		.boot_flag = 0xaa55,
		.jump = 0x66eb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH | CAN_USE_HEAP,
		.code32_start = 0x100000,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 255,
		.payload_length = 100,
		.pref_address = 16 * MIB,
		.init_size = 8 * MIB,
	};
	memset(file, 0, sizeof(file));
	memset(file + SETUP_BYTES, 0xc3, KERNEL_BYTES);
}

static int load(size_t bytes)
{
	memcpy(file + 0x1f1, &header, sizeof(header));
	boot_guest_kernel(&guest, file, bytes);
	return boot_guest_load(&guest);
}

static void open_guest(uint64_t memory_bytes)
{
	boot_guest_open(&guest, memory_bytes);
	make_kernel();
}

static const uint8_t *at(gpa_t gpa, uint64_t bytes)
{
	const uint8_t *place = guestmem_at(&guest.memory, gpa, bytes);

	CHECK(place);
	return place;
}

static struct boot_params params(void)
{
	struct boot_params copy;

	memcpy(&copy, at(guest.entry.rsi, sizeof(copy)), sizeof(copy));
	return copy;
}

static void check_refused(const char *field, const char *words)
{
	if (strcmp(guest.refusal.field, field) != 0 ||
	    !strstr(guest.refusal.text, words))
		(void)fprintf(stderr, "%s: %s\n", guest.refusal.field,
			      guest.refusal.text);
	CHECK(strcmp(guest.refusal.field, field) == 0);
	CHECK(strstr(guest.refusal.text, words));
}

/* The physical address behind a linear one, by the tables that cr3 names. */
static uint64_t translate(uint64_t address)
{
	uint64_t table = guest.entry.cr3, item = 0;

	for (unsigned int shift = 39; shift >= 21; shift -= 9) {
		memcpy(&item, at(table + (address >> shift & 511) * 8, 8), 8);
		CHECK(item & 1);
		table = item & 0xffffffffff000;
	}
	CHECK(item & 0x80);
	return table + (address & 0x1fffff);
}

TEST(a_64_bit_kernel_goes_where_it_prefers_to_be)
{
	open_guest(64 * MIB);

	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK_EQ(guest.entry.mode, BOOT_LONG);
	CHECK_EQ(guest.entry.rip, 16 * MIB + 0x200);
	CHECK_EQ(*at(16 * MIB, KERNEL_BYTES), 0xc3);
	CHECK_EQ(params().hdr.code32_start, 16 * MIB);
	boot_guest_close(&guest);
}

TEST(long_mode_begins_with_4_gib_mapped_one_to_one)
{
	static const uint64_t places[] = { 0, 0x7000, 16 * MIB, 0xfee00000,
					   0xffffffff };

	open_guest(64 * MIB);
	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK_EQ(guest.entry.cr0, 0x80000011);
	CHECK_EQ(guest.entry.cr4, 0x20);
	CHECK_EQ(guest.entry.efer, 0x500);
	for (size_t i = 0; i < ARRAY_COUNT(places); i++)
		CHECK_EQ(translate(places[i]), places[i]);
	CHECK_EQ(guest.entry.cs.l, 1);
	CHECK_EQ(guest.entry.cs.db, 0);
	boot_guest_close(&guest);
}

TEST(the_descriptor_table_says_what_the_segments_have_cached)
{
	uint64_t code, data;

	open_guest(64 * MIB);
	header.xloadflags = 0;
	CHECK_EQ(load(FILE_BYTES), 0);
	memcpy(&code, at(guest.entry.gdt_base + 0x10, 8), 8);
	memcpy(&data, at(guest.entry.gdt_base + 0x18, 8), 8);

	CHECK_EQ(guest.entry.gdt_base, GDT);
	CHECK_EQ(code, 0x00cf9b000000ffff);
	CHECK_EQ(data, 0x00cf93000000ffff);
	CHECK_EQ(guest.entry.cs.selector, 0x10);
	CHECK_EQ(guest.entry.data.selector, 0x18);
	boot_guest_close(&guest);
}

TEST(a_kernel_without_a_64_bit_entry_is_entered_at_its_start)
{
	open_guest(64 * MIB);
	header.xloadflags = 0;

	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK_EQ(guest.entry.mode, BOOT_PROTECTED);
	CHECK_EQ(guest.entry.rip, 16 * MIB);
	CHECK_EQ(guest.entry.cr0, 0x11);
	CHECK_EQ(guest.entry.cr3, 0);
	CHECK_EQ(guest.entry.cs.db, 1);
	boot_guest_close(&guest);
}

TEST(flags_of_an_older_protocol_mean_nothing)
{
	open_guest(64 * MIB);
	header.version = 0x020a; /* had no xloadflags yet */

	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK_EQ(guest.entry.mode, BOOT_PROTECTED);
	boot_guest_close(&guest);
}

TEST(a_kernel_that_cannot_move_loads_at_its_code32_start)
{
	open_guest(64 * MIB);
	header.relocatable_kernel = 0;
	header.kernel_alignment = 0;
	header.pref_address = 1 * MIB;

	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK_EQ(guest.entry.rip, 1 * MIB + 0x200);
	CHECK_EQ(*at(1 * MIB, 1), 0xc3);
	boot_guest_close(&guest);
}

TEST(the_last_paragraph_of_a_kernel_need_not_be_full)
{
	open_guest(64 * MIB);

	CHECK_EQ(load(FILE_BYTES - 15), 0);
	CHECK_EQ(load(FILE_BYTES - 16), -EINVAL);
	check_refused("boot.kernel", "is truncated");

	boot_guest_close(&guest);
}

TEST(the_kernel_finds_its_command_line)
{
	char longest[257] = { 0 };

	open_guest(64 * MIB);
	memset(longest, 'x', 255);
	guest.config.cmdline = longest;

	CHECK_EQ(load(FILE_BYTES), 0);
	CHECK(strcmp((const char *)at(params().hdr.cmd_line_ptr, 256),
		     longest) == 0);
	longest[255] = 'x';
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	check_refused("boot.cmdline", "256 bytes long; this kernel takes 255");

	boot_guest_close(&guest);
}

TEST(the_initrd_is_as_high_as_the_kernel_can_reach)
{
	open_guest(64 * MIB);
	boot_guest_initrd(&guest, "initrd", 6);

	CHECK_EQ(load(FILE_BYTES), 0);
	CHECK_EQ(params().hdr.ramdisk_image, 64 * MIB - 4096);
	CHECK_EQ(params().hdr.ramdisk_size, 6);
	CHECK(memcmp(at(64 * MIB - 4096, 6), "initrd", 6) == 0);
	header.initrd_addr_max = 32 * MIB - 1;
	CHECK_EQ(load(FILE_BYTES), 0);
	CHECK_EQ(params().hdr.ramdisk_image, 32 * MIB - 4096);

	boot_guest_close(&guest);
}

TEST(an_initrd_too_big_for_low_memory_goes_above_4_gib_if_it_may)
{
	open_guest(0xc0000000ull + 64 * MIB);
	boot_guest_initrd(&guest, "initrd", 6);
	header.initrd_addr_max = 0;
	CHECK_EQ(load(FILE_BYTES), -E2BIG);

	header.xloadflags |= XLF_CAN_BE_LOADED_ABOVE_4G;
	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK_EQ(params().ext_ramdisk_image, 1);
	CHECK_EQ(params().hdr.ramdisk_image, 64 * MIB - 4096);
	CHECK(memcmp(at((4ull << 30) + 64 * MIB - 4096, 6), "initrd", 6) == 0);
	boot_guest_close(&guest);
}

TEST(an_initrd_larger_than_memory_is_refused)
{
	open_guest(64 * MIB);
	boot_guest_initrd(&guest, "initrd", 6);

	CHECK_EQ(ftruncate(guest.config.initrd_fd, 1ll << 40), 0);
	CHECK_EQ(load(FILE_BYTES), -E2BIG);
	check_refused("boot.initrd", "do not fit");
	CHECK_EQ(ftruncate(guest.config.initrd_fd, 41 * MIB), 0);
	CHECK_EQ(load(FILE_BYTES), -E2BIG);
	CHECK_EQ(ftruncate(guest.config.initrd_fd, 40 * MIB), 0);
	CHECK_EQ(load(FILE_BYTES), 0);

	boot_guest_close(&guest);
}

static bool is_range(const struct boot_e820_entry *range, uint64_t start,
		     uint64_t end, uint32_t type)
{
	return range->addr == start && range->addr + range->size == end &&
	       range->type == type;
}

TEST(the_memory_map_has_the_ram_and_reserves_the_rest)
{
	struct boot_params got;

	open_guest(0xc0000000ull + 64 * MIB);
	CHECK_EQ(load(FILE_BYTES), 0);
	got = params();

	CHECK_EQ(got.e820_entries, 7);
	CHECK(is_range(&got.e820_table[0], 0, 0x9fc00, 1));
	CHECK(is_range(&got.e820_table[1], 0x9fc00, 0xa0000, 2));
	CHECK(is_range(&got.e820_table[2], 0xe0000, 0x100000, 2));
	CHECK(is_range(&got.e820_table[3], 0x100000, 0xc0000000, 1));
	CHECK(is_range(&got.e820_table[4], 0xe0000000, 0xe0100000, 2));
	CHECK(is_range(&got.e820_table[5], 0xfffbc000, 0xfffc0000, 2));
	CHECK(is_range(&got.e820_table[6], 4ull << 30, (4ull << 30) + 64 * MIB,
		       1));
	boot_guest_close(&guest);
}

TEST(a_guest_without_high_memory_is_told_of_none)
{
	struct boot_params got;

	open_guest(64 * MIB);
	CHECK_EQ(load(FILE_BYTES), 0);
	got = params();

	CHECK_EQ(got.e820_entries, 6);
	CHECK(is_range(&got.e820_table[3], 0x100000, 64 * MIB, 1));
	boot_guest_close(&guest);
}

TEST(the_kernel_is_told_where_the_acpi_tables_are)
{
	open_guest(64 * MIB);
	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK(memcmp(at(params().acpi_rsdp_addr, 8), "RSD PTR ", 8) == 0);
	CHECK_EQ(params().hdr.type_of_loader, 0xff);
	boot_guest_close(&guest);
}

TEST(loading_again_makes_good_what_the_guest_did_to_its_memory)
{
	struct boot_params before;

	open_guest(32 * MIB);
	CHECK_EQ(load(FILE_BYTES), 0);
	before = params();
	memset(guestmem_at(&guest.memory, 0, 32 * MIB), 0xee, 32 * MIB);

	CHECK_EQ(boot_guest_load(&guest), 0);

	CHECK(memcmp(&before, at(BOOT_PARAMS, sizeof(before)),
		     sizeof(before)) == 0);
	CHECK_EQ(*at(16 * MIB, 1), 0xc3);
	CHECK_EQ(translate(0x7000), 0x7000);
	boot_guest_close(&guest);
}

TEST(memory_too_small_for_the_kernel_is_refused)
{
	open_guest(16 * MIB);

	CHECK_EQ(load(FILE_BYTES), -E2BIG);
	check_refused("boot.kernel", "needs 8388608 bytes of memory from "
				     "0x1000000 on");
	boot_guest_close(&guest);

	open_guest(1 * MIB);
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	check_refused("memory.size", "at least 2 MiB");
	boot_guest_close(&guest);
}

TEST(memory_that_is_not_there_is_refused)
{
	open_guest(64 * MIB);
	guest.config.memory_bytes = 65 * MIB;

	CHECK_EQ(load(FILE_BYTES), -EFAULT);

	check_refused("memory.size", "mapped");
	boot_guest_close(&guest);
}

TEST(a_kernel_of_an_old_protocol_is_refused)
{
	open_guest(64 * MIB);

	header.version = 0x0205;
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	check_refused("boot.kernel", "boot protocol 2.05");
	header.version = 0x0206;
	CHECK_EQ(load(FILE_BYTES), 0);
	header.loadflags = 0;
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	check_refused("boot.kernel", "zImage");

	boot_guest_close(&guest);
}

TEST(other_files_are_refused_by_their_name)
{
	static const struct {
		size_t offset;
		const char *magic;
		const char *words;
	} others[] = {
		{ 56, "ARM\x64", "arm64" },
		{ 56, "RSC\x05", "RISC-V" },
		{ 0, "\x1f\x8b", "gzip" },
		{ 0, "\x28\xb5\x2f\xfd", "zstd" },
		{ 0,
		  "\xfd"
		  "7zXZ",
		  "xz" },
		{ 0, "#!/bin/sh", "neither a bzImage nor an ELF" },
	};

	open_guest(64 * MIB);
	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		uint8_t bytes[4096] = { 0 };

		memcpy(bytes + others[i].offset, others[i].magic,
		       strlen(others[i].magic));
		boot_guest_kernel(&guest, bytes, sizeof(bytes));
		CHECK_EQ(boot_guest_load(&guest), -EINVAL);
		check_refused("boot.kernel", others[i].words);
	}
	boot_guest_close(&guest);
}

TEST(a_kernel_must_be_a_regular_file)
{
	int pipes[2];

	open_guest(64 * MIB);
	CHECK_EQ(pipe(pipes), 0);
	guest.config.kernel_fd = pipes[0];

	CHECK_EQ(boot_guest_load(&guest), -EINVAL);

	check_refused("boot.kernel", "regular file");
	CHECK_EQ(close(pipes[1]), 0);
	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_be_cut_anywhere_and_load)
{
	open_guest(64 * MIB);

	for (size_t bytes = 0; bytes < FILE_BYTES - 15; bytes += 37) {
		CHECK(load(bytes) < 0);
		check_refused("boot.kernel", "");
	}

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_place_itself_outside_memory)
{
	static const uint64_t places[] = { 57 * MIB,    64 * MIB,
					   0xc0000000,  0xffffffff,
					   0x100000000, 0xffffffffffffffff,
					   1ull << 63,  0xfffffffffff00000 };

	open_guest(64 * MIB);
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		make_kernel();
		header.pref_address = places[i];
		CHECK_EQ(load(FILE_BYTES), -E2BIG);
		make_kernel();
		header.relocatable_kernel = 0;
		header.pref_address = 1 * MIB;
		header.code32_start = (uint32_t)(places[i] | 1u << 31);
		CHECK_EQ(load(FILE_BYTES), -E2BIG);
	}
	make_kernel();
	header.init_size = UINT32_MAX;
	CHECK_EQ(load(FILE_BYTES), -E2BIG);

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_load_over_the_tables)
{
	open_guest(64 * MIB);
	header.relocatable_kernel = 0;
	header.pref_address = 1 * MIB;

	header.code32_start = BOOT_PARAMS;
	CHECK_EQ(load(FILE_BYTES), -E2BIG);
	header.code32_start = 0xfffff;
	CHECK_EQ(load(FILE_BYTES), -E2BIG);

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_choose_a_nonsense_alignment)
{
	static const uint32_t alignments[] = { 0, 3, 0x200001, 0x80000000 };

	open_guest(64 * MIB);
	for (size_t i = 0; i < ARRAY_COUNT(alignments); i++) {
		header.kernel_alignment = alignments[i];
		CHECK_EQ(load(FILE_BYTES), -EINVAL);
		check_refused("boot.kernel", "kernel_alignment");
	}
	header.kernel_alignment = 1 << 30;
	CHECK_EQ(load(FILE_BYTES), -E2BIG);
	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_speak_of_more_than_it_has)
{
	open_guest(64 * MIB);

	header.syssize = UINT32_MAX;
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	check_refused("boot.kernel", "is truncated");
	make_kernel();
	header.syssize = 0;
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	make_kernel();
	header.setup_sects = 255;
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	make_kernel();
	header.payload_offset = KERNEL_BYTES + 1;
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	check_refused("boot.kernel", "payload_length");
	make_kernel();
	header.payload_offset = 1;
	header.payload_length = UINT32_MAX;
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	header.payload_length = KERNEL_BYTES;
	CHECK_EQ(load(FILE_BYTES), -EINVAL);
	header.payload_length = KERNEL_BYTES - 1;
	CHECK_EQ(load(FILE_BYTES), 0);

	boot_guest_close(&guest);
}

TEST(a_hostile_kernel_cannot_have_a_header_longer_than_ours)
{
	open_guest(64 * MIB);
	header.jump = 0xffeb;
	memset(file + 0x1f1 + sizeof(header), 0xaa, 64);

	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK_EQ(params().edd_mbr_sig_buffer[0], 0);
	boot_guest_close(&guest);
}

TEST(a_header_that_ends_early_has_no_later_fields)
{
	open_guest(64 * MIB);
	header.jump = 0x3aeb; /* up to cmdline_size */
	header.version = 0x0206;

	CHECK_EQ(load(FILE_BYTES), 0);

	CHECK_EQ(params().hdr.init_size, 0);
	CHECK_EQ(params().hdr.cmdline_size, 255);
	boot_guest_close(&guest);
}

/* Debian's memtest86+ where it is installed: a bzImage that is no Linux. */
static void load_installed(const char *path)
{
	open_guest(64 * MIB);
	guest.config.cmdline = "console=ttyS0,115200";
	guest.config.kernel_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (guest.config.kernel_fd == NO_FD)
		test_skip("there is no %s", path);
	CHECK_EQ(boot_guest_load(&guest), 0);
	CHECK_EQ(*at(guest.entry.rip, 1), 0xfc); /* cld */
	CHECK_EQ(guest.entry.rip & ~0x200ull, 1 * MIB);
	boot_guest_close(&guest);
}

TEST(memtest86_plus_loads_by_both_entries)
{
	load_installed("/boot/memtest86+x64.bin");
	load_installed("/boot/memtest86+ia32.bin");
}
