/* SPDX-License-Identifier: MIT */
#include "lib/boot_guest.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "machine/layout.h"

static void map(struct boot_guest *guest, int fd, gpa_t gpa, uint64_t offset,
		uint64_t bytes)
{
	const struct guestmem_place place = { gpa, gpa, bytes, offset };

	if (bytes != 0)
		CHECK_EQ(guestmem_add(&guest->memory, &place, fd), 0);
}

void boot_guest_open(struct boot_guest *guest, uint64_t memory_bytes)
{
	SCOPED(close_fd) int fd = memfd_create("memory", MFD_CLOEXEC);
	uint64_t low = min_u64(memory_bytes, LAYOUT_LOW_END);

	memset(guest, 0, sizeof(*guest));
	guestmem_init(&guest->memory);
	CHECK_EQ(ftruncate(fd, (off_t)memory_bytes), 0);
	map(guest, fd, 0, 0, low);
	map(guest, fd, LAYOUT_HIGH_BASE, low, memory_bytes - low);
	guest->config = (struct boot_config){ .kernel_fd = NO_FD,
					      .initrd_fd = NO_FD,
					      .cmdline = "",
					      .memory_bytes = memory_bytes,
					      .cpu_count = 1 };
}

void boot_guest_close(struct boot_guest *guest)
{
	guestmem_clear(&guest->memory);
	close_fd(&guest->config.kernel_fd);
	close_fd(&guest->config.initrd_fd);
}

static void fill(int *fd, const void *bytes, size_t count)
{
	close_fd(fd);
	*fd = memfd_create("file", MFD_CLOEXEC);
	CHECK(*fd >= 0);
	CHECK_EQ(write(*fd, bytes, count), (long long)count);
}

void boot_guest_kernel(struct boot_guest *guest, const void *bytes,
		       size_t count)
{
	fill(&guest->config.kernel_fd, bytes, count);
}

void boot_guest_initrd(struct boot_guest *guest, const void *bytes,
		       size_t count)
{
	fill(&guest->config.initrd_fd, bytes, count);
}

int boot_guest_load(struct boot_guest *guest)
{
	int checked = boot_check_kernel(guest->config.kernel_fd, NULL);
	int loaded;

	memset(&guest->refusal, 0, sizeof(guest->refusal));
	loaded = boot_load(&guest->memory, &guest->config, &guest->entry,
			   &guest->refusal);
	CHECK(checked == 0 || loaded < 0);
	return loaded;
}
