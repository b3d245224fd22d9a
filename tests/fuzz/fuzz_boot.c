/* SPDX-License-Identifier: MIT */
/*
 * The input is a kernel file: whatever it says, loading it ends, writes within
 * the guest's memory, and either names a rule or leaves an entry point inside
 * that memory; what loads is a kernel to who only asks. A byte before it
 * chooses the command line and whether there is an initrd.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "boot/boot.h"

#define MEMORY_BYTES (20u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct guestmem memory;

static void insist(int condition)
{
	if (!condition)
		abort();
}

static int make_file(const void *bytes, size_t count)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	insist(fd >= 0);
	insist(write(fd, bytes, count) == (ssize_t)count);
	return fd;
}

static void map_memory(void)
{
	const struct guestmem_place place = { .bytes = MEMORY_BYTES };
	SCOPED(close_fd) int fd = memfd_create("memory", MFD_CLOEXEC);

	guestmem_init(&memory);
	insist(ftruncate(fd, MEMORY_BYTES) == 0);
	insist(guestmem_add(&memory, &place, fd) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	SCOPED(close_fd) int kernel = NO_FD;
	SCOPED(close_fd) int initrd = NO_FD;
	struct boot_config config = { .initrd_fd = NO_FD,
				      .cmdline = "console=ttyS0",
				      .memory_bytes = MEMORY_BYTES,
				      .cpu_count = 1 };
	struct boot_entry entry;
	struct refusal refusal = { .field = "" };
	int is_kernel;

	if (bytes < 1 || bytes > 1 << 16)
		return 0;
	if (memory.count == 0)
		map_memory();
	kernel = make_file(data + 1, bytes - 1);
	config.kernel_fd = kernel;
	if (data[0] & 1) {
		initrd = make_file("initrd", 6);
		config.initrd_fd = initrd;
	}
	if (data[0] & 2)
		config.cmdline = "";
	is_kernel = boot_check_kernel(kernel, NULL) == 0;
	if (boot_load(&memory, &config, &entry, &refusal) < 0) {
		insist(strncmp(refusal.field, "boot.", 5) == 0);
		insist(refusal.text[0] != '\0');
		return 0;
	}
	insist(is_kernel);
	insist(entry.rip >= 0x100000 && entry.rip < MEMORY_BYTES);
	insist(entry.mode == BOOT_LONG || entry.cr3 == 0);
	return 0;
}
