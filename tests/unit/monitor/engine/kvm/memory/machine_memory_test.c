/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/harness.h"
#include "machine/layout.h"
#include "monitor/engine/kvm/memory/memory.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

TEST(small_memory_is_one_range_from_zero)
{
	struct memory_range ranges[MEMORY_RANGE_MAX];

	CHECK_EQ(memory_split(128 * MIB, ranges), 1);
	CHECK_EQ(ranges[0].gpa, 0);
	CHECK_EQ(ranges[0].bytes, 128 * MIB);
	CHECK_EQ(ranges[0].offset_bytes, 0);
}

TEST(memory_that_just_reaches_the_devices_is_one_range)
{
	struct memory_range ranges[MEMORY_RANGE_MAX];

	CHECK_EQ(memory_split(LAYOUT_LOW_END, ranges), 1);
	CHECK_EQ(memory_split(LAYOUT_LOW_END + 4096, ranges), 2);
	CHECK_EQ(ranges[1].bytes, 4096);
}

TEST(large_memory_leaves_a_hole_for_devices_and_none_in_its_file)
{
	struct memory_range ranges[MEMORY_RANGE_MAX];

	CHECK_EQ(memory_split(8 * GIB, ranges), 2);
	CHECK_EQ(ranges[0].bytes, LAYOUT_LOW_END);
	CHECK_EQ(ranges[1].gpa, LAYOUT_HIGH_BASE);
	CHECK_EQ(ranges[1].offset_bytes, LAYOUT_LOW_END);
	CHECK_EQ(ranges[0].bytes + ranges[1].bytes, 8 * GIB);
}

TEST(memory_reads_as_zeros_and_cannot_change_its_size)
{
	struct kvm_memory memory;

	CHECK_EQ(kvm_memory_open(&memory, 4 * MIB, false, NULL), 0);

	CHECK_EQ(memory.map[4 * MIB - 1], 0);
	CHECK(ftruncate(memory.fd, 0) < 0);
	CHECK(ftruncate(memory.fd, 8 * (off_t)MIB) < 0);
	CHECK(fcntl(memory.fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	kvm_memory_close(&memory);
}

/* The VmFlags of the mapping that begins there. */
static void read_flags(const void *map, char *line, int room)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char begin[32];

	CHECK(file);
	(void)snprintf(begin, sizeof(begin), "%llx-",
		       (unsigned long long)(uintptr_t)map);
	do
		CHECK(fgets(line, room, file));
	while (strncmp(line, begin, strlen(begin)) != 0);
	do
		CHECK(fgets(line, room, file));
	while (strncmp(line, "VmFlags:", 8) != 0);
	CHECK_EQ(fclose(file), 0);
}

TEST(memory_is_in_no_core_dump_and_in_no_child)
{
	struct kvm_memory memory;
	char flags[512];

	CHECK_EQ(kvm_memory_open(&memory, 4 * MIB, false, NULL), 0);
	read_flags(memory.map, flags, sizeof(flags));

	CHECK(strstr(flags, " dd "));
	CHECK(strstr(flags, " dc "));
	kvm_memory_close(&memory);
}

TEST(what_one_borrower_writes_another_reads)
{
	struct guestmem one;
	struct guestmem other;
	struct kvm_memory memory;

	guestmem_init(&one);
	guestmem_init(&other);
	CHECK_EQ(kvm_memory_open(&memory, 4 * MIB, false, NULL), 0);
	CHECK_EQ(kvm_memory_lend(&memory, &one), 0);
	CHECK_EQ(kvm_memory_lend(&memory, &other), 0);

	*guestmem_at(&one, 0x1000, 1) = 42;
	guestmem_clear(&one);

	CHECK_EQ(*guestmem_at_user(&other, 0x1000, 1), 42);
	guestmem_clear(&other);
	kvm_memory_close(&memory);
}

TEST(a_hostile_guest_cannot_reach_beyond_its_memory)
{
	struct guestmem guest;
	struct kvm_memory memory;

	guestmem_init(&guest);
	CHECK_EQ(kvm_memory_open(&memory, 4 * MIB, false, NULL), 0);
	CHECK_EQ(kvm_memory_lend(&memory, &guest), 0);

	CHECK(!guestmem_at(&guest, 4 * MIB - 1, 2));
	CHECK(!guestmem_at(&guest, UINT64_MAX, 2));
	CHECK(!guestmem_at(&guest, LAYOUT_PCI_BASE, 1));
	guestmem_clear(&guest);
	kvm_memory_close(&memory);
}

TEST(memory_of_no_whole_pages_is_refused_with_a_sentence)
{
	struct refusal refusal = { 0 };
	struct kvm_memory memory;

	CHECK_EQ(kvm_memory_open(&memory, 4097, false, &refusal), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "memory.size"), 0);
	CHECK(refusal.text[0]);
	CHECK_EQ(kvm_memory_open(&memory, 0, false, NULL), -EINVAL);
}

TEST(more_memory_than_there_is_address_space_is_refused)
{
	struct refusal refusal = { 0 };
	struct kvm_memory memory;

	CHECK(kvm_memory_open(&memory, 1ull << 60, false, &refusal) < 0);
	CHECK(strstr(refusal.text, "the host cannot give"));
}

TEST(huge_pages_that_the_host_has_not_are_refused)
{
	struct refusal refusal = { 0 };
	struct kvm_memory memory;

	CHECK(kvm_memory_open(&memory, 1ull << 50, true, &refusal) < 0);
	CHECK(strstr(refusal.text, "in huge pages"));
}
