/* SPDX-License-Identifier: MIT */
#include "emulate/walk.h"

#include <asm/processor-flags.h>
#include <errno.h>
#include <string.h>

#include "lib/harness.h"

#define PRESENT    1ull
#define WRITABLE   2ull
#define USER       4ull
#define ACCESSED   0x20ull
#define DIRTY      0x40ull
#define LARGE      0x80ull
#define NO_EXECUTE (1ull << 63)
#define ALL        (PRESENT | WRITABLE | USER)

#define EFER_LMA (1ull << 10)
#define EFER_NX  (1ull << 11)

#define MEMORY 0x8000
#define LINEAR 0x40201123ull /* indices 0, 1, 1, 1 of four levels */

static uint8_t memory[MEMORY];
static int refusals; /* exchanges that fail */
static struct walk walk;

static bool read_memory(void *context, uint64_t gpa, void *to, size_t bytes)
{
	if (gpa > MEMORY - bytes)
		return false;
	memcpy(to, memory + gpa, bytes);
	return true;
}

static bool exchange(void *context, uint64_t gpa, uint64_t old, uint64_t new,
		     size_t bytes)
{
	if (refusals > 0) {
		refusals--;
		return false;
	}
	if (memcmp(memory + gpa, &old, bytes) != 0)
		return false;
	memcpy(memory + gpa, &new, bytes);
	return true;
}

static void put(uint64_t gpa, uint64_t value)
{
	memcpy(memory + gpa, &value, sizeof(value));
}

static uint64_t at(uint64_t gpa)
{
	uint64_t value;

	memcpy(&value, memory + gpa, sizeof(value));
	return value;
}

/* Four levels from 0x1000; the page is at 0x123456000. */
static void set_up(void)
{
	memset(memory, 0, sizeof(memory));
	put(0x1000, 0x2000 | ALL);
	put(0x2008, 0x3000 | ALL);
	put(0x3008, 0x4000 | ALL);
	put(0x4008, 0x123456000 | ALL);
	walk = (struct walk){
		.cr0 = X86_CR0_PG | X86_CR0_WP | 1,
		.cr3 = 0x1000,
		.cr4 = X86_CR4_PAE,
		.efer = EFER_LMA | EFER_NX,
		.physical_bits = 40,
		.read = read_memory,
		.exchange = exchange,
	};
}

static void check_gpa(enum emulate_access access, uint64_t want)
{
	uint64_t gpa = 0;
	uint32_t code = 0;

	CHECK_EQ(walk_translate(&walk, LINEAR, access, &gpa, &code), 0);
	CHECK_EQ(gpa, want);
}

static void check_fault(enum emulate_access access, uint32_t want)
{
	uint64_t gpa = 0;
	uint32_t code = 0;

	CHECK_EQ(walk_translate(&walk, LINEAR, access, &gpa, &code), -EFAULT);
	CHECK_EQ(code, want);
}

TEST(without_paging_an_address_is_itself)
{
	set_up();
	walk.cr0 = 1;
	check_gpa(EMULATE_WRITE, LINEAR);
}

TEST(four_levels_lead_to_a_page)
{
	set_up();
	check_gpa(EMULATE_READ, 0x123456123);
	CHECK_EQ(at(0x1000), 0x2000 | ALL | ACCESSED);
	CHECK_EQ(at(0x4008), 0x123456000 | ALL | ACCESSED);
	check_gpa(EMULATE_WRITE, 0x123456123);
	CHECK_EQ(at(0x3008), 0x4000 | ALL | ACCESSED);
	CHECK_EQ(at(0x4008), 0x123456000 | ALL | ACCESSED | DIRTY);
}

TEST(five_levels_lead_to_a_page)
{
	set_up();
	put(0x5000, 0x1000 | ALL);
	walk.cr3 = 0x5000;
	walk.cr4 |= X86_CR4_LA57;
	check_gpa(EMULATE_READ, 0x123456123);
}

TEST(large_pages_end_the_walk)
{
	set_up();
	put(0x3008, 0x40000000 | ALL | LARGE);
	check_gpa(EMULATE_WRITE, 0x40001123);
	CHECK_EQ(at(0x3008), 0x40000000 | ALL | LARGE | ACCESSED | DIRTY);
	put(0x2008, 0x80000000 | ALL | LARGE);
	check_gpa(EMULATE_READ, 0x80201123);
}

TEST(pae_has_three_levels)
{
	set_up();
	walk.efer = EFER_NX;
	walk.cr3 = 0x5000;
	/* Neither rights nor accessed bits at the top. */
	put(0x5008, 0x3000 | PRESENT);
	check_gpa(EMULATE_WRITE, 0x123456123);
	CHECK_EQ(at(0x5008), 0x3000 | PRESENT);
}

TEST(paging_of_32_bits_has_two_levels)
{
	uint32_t entry = 0x6000 | ALL;

	set_up();
	walk.efer = 0;
	walk.cr4 = X86_CR4_PSE;
	walk.cr3 = 0x5000;
	memcpy(memory + 0x5000 + 0x100 * 4, &entry, 4);
	entry = 0x00777000 | ALL;
	memcpy(memory + 0x6000 + 0x201 * 4, &entry, 4);
	check_gpa(EMULATE_READ, 0x777123);
	/* 4 MiB, beyond 4 GiB */
	entry = 0x00c00000 | 1u << 13 | ALL | LARGE;
	memcpy(memory + 0x5000 + 0x100 * 4, &entry, 4);
	check_gpa(EMULATE_READ, 0x100e01123);
}

TEST(an_entry_that_is_not_present_is_a_fault)
{
	set_up();
	put(0x3008, 0);
	check_fault(EMULATE_READ, 0);
	check_fault(EMULATE_WRITE, 2);
	check_fault(EMULATE_FETCH, 0x10);
	walk.cpl = 3;
	check_fault(EMULATE_WRITE, 6);
}

TEST(users_reach_only_their_pages)
{
	set_up();
	walk.cpl = 3;
	check_gpa(EMULATE_WRITE, 0x123456123);
	put(0x2008, 0x3000 | PRESENT | WRITABLE);
	check_fault(EMULATE_READ, 5);
	check_fault(EMULATE_WRITE, 7);
}

TEST(a_page_that_is_read_only_anywhere_on_the_way_is_not_written)
{
	set_up();
	put(0x2008, 0x3000 | PRESENT | USER);
	check_gpa(EMULATE_READ, 0x123456123);
	check_fault(EMULATE_WRITE, 3);
	walk.cr0 &= ~X86_CR0_WP;
	check_gpa(EMULATE_WRITE, 0x123456123);
	walk.cpl = 3;
	check_fault(EMULATE_WRITE, 7);
}

TEST(what_may_not_be_executed_is_not_fetched)
{
	set_up();
	put(0x3008, 0x4000 | ALL | NO_EXECUTE);
	check_gpa(EMULATE_READ, 0x123456123);
	check_fault(EMULATE_FETCH, 0x11);
	/* Without NX the bit is reserved. */
	walk.efer = EFER_LMA;
	check_fault(EMULATE_READ, 9);
}

TEST(a_kernel_keeps_out_of_its_users_pages_if_it_wants)
{
	set_up();
	walk.cr4 |= X86_CR4_SMAP | X86_CR4_SMEP;
	check_fault(EMULATE_READ, 1);
	check_fault(EMULATE_FETCH, 0x11);
	walk.rflags = 1u << 18;
	check_gpa(EMULATE_READ, 0x123456123);
	check_fault(EMULATE_FETCH, 0x11);
}

TEST(protection_keys_are_kept)
{
	set_up();
	walk.cr4 |= X86_CR4_PKE;
	walk.cpl = 3;
	put(0x4008, 0x123456000 | ALL | 3ull << 59);
	walk.pkru = 2u << 6;
	check_gpa(EMULATE_READ, 0x123456123);
	check_fault(EMULATE_WRITE, 0x27);
	walk.pkru = 1u << 6;
	check_fault(EMULATE_READ, 0x25);
	check_gpa(EMULATE_FETCH, 0x123456123);
}

TEST(reserved_bits_are_a_fault)
{
	set_up();
	put(0x3008, 0x4000 | ALL | 1ull << 45);
	check_fault(EMULATE_READ, 9);
	put(0x3008, 0x40002000 | ALL | LARGE);
	check_fault(EMULATE_READ, 9);
	put(0x3008, 0x4000 | ALL);
	put(0x1000, 0x2000 | ALL | LARGE);
	check_fault(EMULATE_READ, 9);
}

TEST(a_hostile_guest_cannot_put_tables_where_no_memory_is)
{
	set_up();
	put(0x2008, 0x7ffffff000 | ALL);
	check_fault(EMULATE_WRITE, 2);
	walk.cr3 = UINT64_MAX;
	check_fault(EMULATE_READ, 0);
}

TEST(a_hostile_guest_cannot_hold_us_by_changing_its_tables)
{
	set_up();
	refusals = 1;
	check_gpa(EMULATE_WRITE, 0x123456123);
	CHECK_EQ(at(0x4008), 0x123456000 | ALL | ACCESSED | DIRTY);
	set_up();
	refusals = 1000000;
	check_gpa(EMULATE_WRITE, 0x123456123);
	CHECK(refusals > 999000);
}
