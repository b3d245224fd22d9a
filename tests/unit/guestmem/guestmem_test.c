/* SPDX-License-Identifier: MIT */
#include "guestmem/guestmem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/harness.h"

#define PAGE 4096ull

static struct guestmem memory;
static int file;

static void open_file(uint64_t bytes)
{
	guestmem_init(&memory);
	file = memfd_create("guest", MFD_CLOEXEC);
	CHECK(file >= 0);
	CHECK_EQ(ftruncate(file, (off_t)bytes), 0);
}

static void close_file(void)
{
	guestmem_clear(&memory);
	CHECK_EQ(close(file), 0);
}

static int add(gpa_t gpa, uint64_t user_address, uint64_t bytes,
	       uint64_t offset_bytes)
{
	const struct guestmem_place place = { gpa, user_address, bytes,
					      offset_bytes };

	return guestmem_add(&memory, &place, file);
}

static int remove_place(gpa_t gpa, uint64_t user_address, uint64_t bytes)
{
	const struct guestmem_place place = { gpa, user_address, bytes, 0 };

	return guestmem_remove(&memory, &place);
}

TEST(a_range_inside_a_region_is_found_by_both_addresses)
{
	open_file(8 * PAGE);
	CHECK_EQ(add(0x1000, 0x700000, 4 * PAGE, PAGE), 0);

	CHECK(guestmem_at(&memory, 0x1000, 4 * PAGE));
	CHECK(guestmem_at(&memory, 0x1010, 16) ==
	      guestmem_at_user(&memory, 0x700010, 16));
	CHECK_EQ(pwrite(file, "x", 1, PAGE + 0x10), 1);
	CHECK_EQ(*guestmem_at(&memory, 0x1010, 1), 'x');

	close_file();
}

TEST(an_offset_need_not_be_aligned_to_pages)
{
	open_file(2 * PAGE);
	CHECK_EQ(add(0x1000, 0x1000, PAGE, 24), 0);

	CHECK_EQ(pwrite(file, "y", 1, 24), 1);
	CHECK_EQ(*guestmem_at(&memory, 0x1000, 1), 'y');

	close_file();
}

TEST(a_hostile_guest_cannot_leave_a_region)
{
	open_file(4 * PAGE);
	CHECK_EQ(add(0x1000, 0x700000, 2 * PAGE, 0), 0);

	CHECK(!guestmem_at(&memory, 0xfff, 1));
	CHECK(!guestmem_at(&memory, 0x3000, 1));
	CHECK(!guestmem_at(&memory, 0x2fff, 2));
	CHECK(!guestmem_at(&memory, 0x1000, 2 * PAGE + 1));
	CHECK(!guestmem_at(&memory, 0x2000, UINT64_MAX));
	CHECK(!guestmem_at(&memory, UINT64_MAX, 2));
	CHECK(!guestmem_at(&memory, 0x1000, 0));
	CHECK(!guestmem_at_user(&memory, 0x702000, 1));
	CHECK(!guestmem_at_user(&memory, 0x701fff, UINT64_MAX));

	close_file();
}

TEST(a_hostile_guest_cannot_copy_around_the_end_of_the_address_space)
{
	char bytes[2 * PAGE];

	open_file(2 * PAGE);
	CHECK_EQ(add(0 - PAGE, 0x10000, PAGE, 0), 0);
	CHECK_EQ(add(0, 0x20000, PAGE, PAGE), 0);

	CHECK_EQ(guestmem_read(&memory, bytes, 0 - PAGE, PAGE), 0);
	CHECK_EQ(guestmem_read(&memory, bytes, 0 - PAGE, PAGE + 1), -EFAULT);
	CHECK_EQ(guestmem_write(&memory, 0 - PAGE, bytes, PAGE + 1), -EFAULT);
	CHECK_EQ(guestmem_check(&memory, UINT64_MAX, 2), -EFAULT);

	close_file();
}

TEST(a_copy_runs_through_regions_that_touch)
{
	char in[PAGE] = { [0] = 'a', [PAGE - 1] = 'z' };
	char out[PAGE] = { 0 };

	open_file(8 * PAGE);
	CHECK_EQ(add(0x2000, 0x20000, PAGE, 0), 0);
	CHECK_EQ(add(0x1000, 0x90000, PAGE, 4 * PAGE), 0);

	CHECK_EQ(guestmem_write(&memory, 0x1800, in, sizeof(in)), 0);
	CHECK_EQ(guestmem_read(&memory, out, 0x1800, sizeof(out)), 0);
	CHECK_EQ(memcmp(in, out, sizeof(in)), 0);
	CHECK(!guestmem_at(&memory, 0x1800, sizeof(in)));
	CHECK_EQ(guestmem_check(&memory, 0x1800, sizeof(in)), 0);
	CHECK_EQ(guestmem_check(&memory, 0x1800, 2 * PAGE), -EFAULT);

	close_file();
}

TEST(a_hostile_peer_cannot_map_what_the_file_does_not_hold)
{
	int pipes[2];

	open_file(4 * PAGE);

	CHECK_EQ(add(0, 0, 5 * PAGE, 0), -EINVAL);
	CHECK_EQ(add(0, 0, PAGE, 4 * PAGE), -EINVAL);
	CHECK_EQ(add(0, 0, PAGE, UINT64_MAX - 100), -EINVAL);
	CHECK_EQ(add(0, 0, 0, 0), -EINVAL);
	CHECK_EQ(add(UINT64_MAX, 0, PAGE, 0), -EINVAL);
	CHECK_EQ(add(0, UINT64_MAX, PAGE, 0), -EINVAL);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(guestmem_add(&memory,
			      &(struct guestmem_place){ .bytes = PAGE },
			      pipes[0]),
		 -EINVAL);
	CHECK_EQ(close(pipes[0]) + close(pipes[1]), 0);
	CHECK_EQ(memory.count, 0);

	close_file();
}

TEST(a_hostile_peer_cannot_overlap_regions)
{
	open_file(8 * PAGE);
	CHECK_EQ(add(0x2000, 0x20000, 2 * PAGE, 0), 0);

	CHECK_EQ(add(0x1000, 0x90000, 2 * PAGE, 0), -EINVAL);
	CHECK_EQ(add(0x3000, 0x90000, PAGE, 0), -EINVAL);
	CHECK_EQ(add(0x8000, 0x21000, PAGE, 0), -EINVAL);
	CHECK_EQ(add(0x1000, 0x90000, PAGE, 0), 0);

	close_file();
}

TEST(a_hostile_peer_cannot_fill_more_than_the_slots)
{
	open_file(PAGE);
	for (uint64_t i = 0; i < GUESTMEM_REGION_MAX; i++)
		CHECK_EQ(add(i * PAGE, i * PAGE, PAGE, 0), 0);

	CHECK_EQ(add(GUESTMEM_REGION_MAX * PAGE, GUESTMEM_REGION_MAX * PAGE,
		     PAGE, 0),
		 -ENOSPC);

	close_file();
}

TEST(a_removed_region_is_gone_for_every_look_up)
{
	open_file(4 * PAGE);
	CHECK_EQ(add(0x1000, 0x10000, PAGE, 0), 0);
	CHECK_EQ(add(0x9000, 0x90000, PAGE, 0), 0);
	CHECK(guestmem_at(&memory, 0x9000, 1));

	CHECK_EQ(remove_place(0x9000, 0x90001, PAGE), -ENOENT);
	CHECK_EQ(remove_place(0x9000, 0x90000, PAGE), 0);
	CHECK(!guestmem_at(&memory, 0x9000, 1));
	CHECK(!guestmem_at_user(&memory, 0x90000, 1));
	CHECK_EQ(remove_place(0x1000, 0x10000, PAGE), 0);
	CHECK(!guestmem_at(&memory, 0x1000, 1));
	CHECK_EQ(add(0x1000, 0x10000, PAGE, 0), 0);

	close_file();
}

/* True if a line of smaps begins the mapping that holds this address. */
static bool begins_mapping_of(const char *line, const void *address)
{
	char *rest;
	uintptr_t from = strtoul(line, &rest, 16), to;

	if (*rest != '-')
		return false;
	to = strtoul(rest + 1, &rest, 16);
	return *rest == ' ' && (uintptr_t)address >= from &&
	       (uintptr_t)address < to;
}

/* VmFlags of the mapping that holds this address, from the kernel. */
static void read_vm_flags(const void *address, char *flags, size_t room)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	bool is_here = false;
	char line[512];

	CHECK(maps);
	flags[0] = '\0';
	while (fgets(line, sizeof(line), maps)) {
		is_here = is_here || begins_mapping_of(line, address);
		if (!is_here || strncmp(line, "VmFlags:", 8) != 0)
			continue;
		(void)snprintf(flags, room, "%s", line);
		break;
	}
	(void)fclose(maps);
}

TEST(guest_memory_is_left_out_of_dumps_and_children)
{
	char flags[512];

	open_file(PAGE);
	CHECK_EQ(add(0x1000, 0x10000, PAGE, 0), 0);

	read_vm_flags(guestmem_at(&memory, 0x1000, 1), flags, sizeof(flags));
	CHECK(strstr(flags, " dd"));
	CHECK(strstr(flags, " dc"));

	close_file();
}
