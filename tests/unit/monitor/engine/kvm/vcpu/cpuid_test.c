/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/vcpu/cpuid.h"

#include <errno.h>

#include "lib/harness.h"

static struct cpuid_table cpuid;

static void add(uint32_t leaf, uint32_t index, uint32_t eax, uint32_t ebx,
		uint32_t ecx, uint32_t edx)
{
	cpuid.entries[cpuid.table.nent++] = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = index,
		.eax = eax,
		.ebx = ebx,
		.ecx = ecx,
		.edx = edx,
	};
}

/* What a host says of itself: its own ids, nested virtualization, counters. */
static void fill_intel(void)
{
	cpuid.table.nent = 0;
	add(0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69);
	add(1, 0, 0x50657, 0x07100800, 0x20 | 1u << 24, 1u << 28);
	add(4, 0, 0xfc004121, 0x1c0003f, 0x3f, 0);
	add(4, 2, 0xfc004143, 0x3c0003f, 0x3ff, 0);
	add(4, 3, 0xfc07c163, 0x280003f, 0x7fff, 4);
	add(4, 4, 0, 0, 0, 0);
	add(0xa, 0, 0x7300404, 0, 0, 0x603);
	add(0xb, 0, 1, 2, 0x100, 7);
	add(0xb, 1, 6, 40, 0x201, 7);
	add(0x1f, 0, 1, 2, 0x100, 7);
	add(0x80000000, 0, 0x80000008, 0, 0, 0);
}

static void fill_amd(void)
{
	cpuid.table.nent = 0;
	add(0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
	add(1, 0, 0x800f12, 0x03080800, 0, 0);
	add(0x80000001, 0, 0x800f12, 0, 1u << 2 | 1u << 22, 0);
	add(0x80000008, 0, 0x3030, 0, 0x7007, 0);
	add(0x8000000a, 0, 1, 0x8000, 0, 0xff);
	add(0x8000001d, 0, 0x4121, 0x1c0003f, 0x3f, 0);
	add(0x8000001d, 3, 0x1c163, 0x3c0003f, 0x1fff, 1);
	add(0x8000001e, 0, 3, 0x101, 0x1, 0);
}

static const struct kvm_cpuid_entry2 *find(uint32_t leaf, uint32_t index)
{
	static const struct kvm_cpuid_entry2 none;

	for (uint32_t i = 0; i < cpuid.table.nent; i++)
		if (cpuid.entries[i].function == leaf &&
		    cpuid.entries[i].index == index)
			return &cpuid.entries[i];
	return &none;
}

static uint32_t bits(uint32_t word, unsigned int low, unsigned int count)
{
	return word >> low & ((1u << count) - 1);
}

TEST(bits_hold_every_number_below_a_count)
{
	CHECK_EQ(cpuid_bits(1), 0);
	CHECK_EQ(cpuid_bits(2), 1);
	CHECK_EQ(cpuid_bits(3), 2);
	CHECK_EQ(cpuid_bits(64), 6);
}

TEST(a_guest_sees_one_package_with_a_core_per_processor)
{
	fill_intel();

	CHECK_EQ(cpuid_shape(&cpuid, 3, true), 0);

	CHECK_EQ(bits(find(1, 0)->ebx, 16, 8), 4);
	CHECK_EQ(find(0xb, 0)->eax, 0);
	CHECK_EQ(find(0xb, 0)->ebx, 1);
	CHECK_EQ(find(0xb, 0)->ecx, 0x100);
	CHECK_EQ(find(0xb, 1)->eax, 2);
	CHECK_EQ(find(0xb, 1)->ebx, 3);
	CHECK_EQ(find(0xb, 1)->ecx, 0x201);
	CHECK_EQ(find(0x1f, 1)->ebx, 3);
	CHECK_EQ(find(0x1f, 2)->ecx, 2);
}

TEST(each_processor_has_a_number_of_its_own_in_every_leaf)
{
	fill_intel();
	CHECK_EQ(cpuid_shape(&cpuid, 4, true), 0);

	cpuid_number(&cpuid, 3);

	CHECK_EQ(bits(find(1, 0)->ebx, 24, 8), 3);
	CHECK_EQ(bits(find(1, 0)->ebx, 0, 16), 0x0800);
	CHECK_EQ(find(0xb, 0)->edx, 3);
	CHECK_EQ(find(0xb, 1)->edx, 3);
	CHECK_EQ(find(0x1f, 1)->edx, 3);
}

TEST(a_core_has_two_levels_of_cache_and_shares_the_third)
{
	fill_intel();

	CHECK_EQ(cpuid_shape(&cpuid, 4, true), 0);

	CHECK_EQ(bits(find(4, 0)->eax, 14, 12), 0);
	CHECK_EQ(bits(find(4, 2)->eax, 14, 12), 0);
	CHECK_EQ(bits(find(4, 3)->eax, 14, 12), 3);
	CHECK_EQ(bits(find(4, 3)->eax, 26, 6), 3);
	CHECK_EQ(find(4, 4)->eax, 0);
}

TEST(one_processor_has_no_threads_and_no_siblings)
{
	fill_intel();

	CHECK_EQ(cpuid_shape(&cpuid, 1, true), 0);

	CHECK_EQ(find(1, 0)->edx & 1u << 28, 0);
	CHECK_EQ(bits(find(1, 0)->ebx, 16, 8), 1);
	CHECK_EQ(find(0xb, 1)->eax, 0);
	CHECK_EQ(find(0xb, 1)->ebx, 1);
}

TEST(an_amd_guest_sees_the_same_topology)
{
	fill_amd();

	CHECK_EQ(cpuid_shape(&cpuid, 6, false), 0);
	cpuid_number(&cpuid, 5);

	CHECK_EQ(bits(find(0x80000008, 0)->ecx, 0, 8), 5);
	CHECK_EQ(bits(find(0x80000008, 0)->ecx, 12, 4), 3);
	CHECK_EQ(bits(find(0x8000001d, 0)->eax, 14, 12), 0);
	CHECK_EQ(bits(find(0x8000001d, 3)->eax, 14, 12), 7);
	CHECK_EQ(find(0x8000001e, 0)->eax, 5);
	CHECK_EQ(find(0x8000001e, 0)->ebx, 5);
	CHECK_EQ(find(0x8000001e, 0)->ecx, 0);
	CHECK_EQ(find(0xb, 0)->function, 0xb);
	CHECK_EQ(find(0x1f, 0)->function, 0);
}

TEST(a_guest_is_offered_nothing_that_cannot_be_saved)
{
	fill_intel();
	CHECK_EQ(cpuid_shape(&cpuid, 2, true), 0);
	CHECK_EQ(find(1, 0)->ecx & 1u << 5, 0);
	CHECK_EQ(find(0xa, 0)->eax, 0);

	fill_amd();
	CHECK_EQ(cpuid_shape(&cpuid, 2, true), 0);
	CHECK_EQ(find(0x80000001, 0)->ecx & 1u << 2, 0);
	CHECK_EQ(find(0x8000000a, 0)->function, 0);
}

TEST(a_guest_is_offered_no_counters)
{
	fill_intel();
	cpuid.entries[1].ecx |= 1u << 15;
	CHECK_EQ(cpuid_shape(&cpuid, 2, true), 0);
	CHECK_EQ(find(1, 0)->ecx & 1u << 15, 0);
	CHECK_EQ(find(0xa, 0)->function, 0);

	fill_amd();
	cpuid.entries[2].ecx |= 1u << 23 | 1u << 24 | 1u << 28;
	add(0x80000022, 0, 1, 6, 0, 0);
	CHECK_EQ(cpuid_shape(&cpuid, 2, true), 0);
	CHECK_EQ(find(0x80000001, 0)->ecx & (1u << 23 | 1u << 24 | 1u << 28),
		 0);
	CHECK_EQ(find(0x80000022, 0)->function, 0);
}

TEST(a_guest_knows_that_it_is_one)
{
	fill_amd();

	CHECK_EQ(cpuid_shape(&cpuid, 2, true), 0);

	CHECK(find(1, 0)->ecx & 1u << 31);
}

TEST(the_deadline_timer_is_offered_where_kvm_has_it)
{
	fill_intel();
	CHECK_EQ(cpuid_shape(&cpuid, 1, false), 0);
	CHECK_EQ(find(1, 0)->ecx & 1u << 24, 0);

	fill_amd();
	CHECK_EQ(cpuid_shape(&cpuid, 1, true), 0);
	CHECK(find(1, 0)->ecx & 1u << 24);
}

TEST(a_table_without_room_is_refused)
{
	fill_intel();
	while (cpuid.table.nent < CPUID_SIZE)
		add(0x80000002, 0, 0, 0, 0, 0);

	CHECK_EQ(cpuid_shape(&cpuid, 2, true), -E2BIG);
}
