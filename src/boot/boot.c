/* SPDX-License-Identifier: MIT */
#include "boot/boot.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "boot/acpi.h"
#include "boot/kernel.h"
#include "boot/place.h"
#include "boot/tables.h"
#include "machine/layout.h"

#define HEAD_MIN          64u
#define MAGIC_OFFSET      0x202u /* of a bzImage */
#define OTHER_ARCH_OFFSET 56u /* of the magic of arm64's and RISC-V's Image */
#define MEMORY_MIN        (2ull << 20)

struct format {
	const char *magic;
	size_t bytes;
	size_t offset;
	int (*check)(const struct boot_loader *loader,
		     const struct boot_head *head);
	int (*load)(const struct boot_loader *loader,
		    const struct boot_head *head,
		    struct boot_kernel *ret_kernel);
	const char *rule; /* why not; NULL: it has functions */
};

/* clang-format off */
static const struct format formats[] = {
	{ "HdrS",             4, MAGIC_OFFSET,      bzimage_check, bzimage_load, NULL },
	{ ELFMAG,             4, 0,                 elf_check, elf_load, NULL },
	{ "ARM\x64",          4, OTHER_ARCH_OFFSET, NULL, NULL, "is for another architecture: an arm64 Image" },
	{ "RSC\x05",          4, OTHER_ARCH_OFFSET, NULL, NULL, "is for another architecture: a RISC-V Image" },
	{ "\x1f\x8b",         2, 0,                 NULL, NULL, "is compressed by gzip; unpack it first" },
	{ "\x28\xb5\x2f\xfd", 4, 0,                 NULL, NULL, "is compressed by zstd; unpack it first" },
	{ "\xfd" "7zXZ",      5, 0,                 NULL, NULL, "is compressed by xz; unpack it first" },
};
/* clang-format on */

static int read_head(struct boot_loader *loader, struct boot_head *ret_head)
{
	int r = boot_file_open(&loader->kernel);

	memset(ret_head, 0, sizeof(*ret_head));
	if (r < 0)
		return r;
	if (loader->kernel.bytes < HEAD_MIN)
		return refuse(loader->refusal, -EINVAL, "boot.kernel",
			      "is too short to be a kernel");
	ret_head->count =
		min_u64(loader->kernel.bytes, sizeof(ret_head->bytes));
	return boot_file_read(&loader->kernel, 0, ret_head->bytes,
			      ret_head->count);
}

static int find_format(struct boot_loader *loader, struct boot_head *ret_head,
		       const struct format **ret_format)
{
	int r = read_head(loader, ret_head);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
		const struct format *format = &formats[i];

		if (memcmp(ret_head->bytes + format->offset, format->magic,
			   format->bytes) != 0)
			continue;
		*ret_format = format;
		if (!format->rule)
			return 0;
		return refuse(loader->refusal, -EINVAL, "boot.kernel", "%s",
			      format->rule);
	}
	return refuse(loader->refusal, -EINVAL, "boot.kernel",
		      "is neither a bzImage nor an ELF file");
}

static int load_kernel(struct boot_loader *loader,
		       struct boot_kernel *ret_kernel)
{
	const struct format *format;
	struct boot_head head;
	int r = find_format(loader, &head, &format);

	return r < 0 ? r : format->load(loader, &head, ret_kernel);
}

int boot_check_kernel(int kernel_fd, struct refusal *ret_refusal)
{
	struct boot_loader loader = {
		.low_end = LAYOUT_LOW_END,
		.kernel = { .fd = kernel_fd,
			    .field = "boot.kernel",
			    .refusal = ret_refusal },
		.refusal = ret_refusal,
	};
	const struct format *format;
	struct boot_head head;
	int r = find_format(&loader, &head, &format);

	return r < 0 ? r : format->check(&loader, &head);
}

/* The highest place in [start, end) for this many bytes; 0: none. */
static gpa_t place_below(uint64_t start, uint64_t end, uint64_t bytes)
{
	if (end < bytes)
		return 0;
	end = (end - bytes) & ~(uint64_t)(LAYOUT_PAGE_BYTES - 1);
	return end < start ? 0 : end;
}

/* Low memory first: every kernel can reach it, and without page faults. */
static gpa_t place_initrd(const struct boot_loader *loader,
			  const struct boot_kernel *kernel, uint64_t bytes)
{
	uint64_t start = align_up_u64(kernel->end, LAYOUT_PAGE_BYTES);
	uint64_t end = min_u64(loader->low_end, kernel->initrd_last + 1);
	gpa_t gpa = place_below(start, end, bytes);

	if (gpa == 0 && kernel->initrd_may_be_high)
		gpa = place_below(LAYOUT_HIGH_BASE, loader->high_end, bytes);
	return gpa;
}

static int load_initrd(const struct boot_loader *loader,
		       const struct boot_kernel *kernel, int fd,
		       struct boot_initrd *ret_initrd)
{
	struct boot_file file = { .fd = fd,
				  .field = "boot.initrd",
				  .refusal = loader->refusal };
	int r;

	memset(ret_initrd, 0, sizeof(*ret_initrd));
	if (fd == NO_FD)
		return 0;
	r = boot_file_open(&file);
	if (r < 0 || file.bytes == 0)
		return r;
	ret_initrd->bytes = file.bytes;
	ret_initrd->gpa = place_initrd(loader, kernel, file.bytes);
	if (ret_initrd->gpa == 0)
		return refuse(loader->refusal, -E2BIG, "boot.initrd",
			      "has %llu bytes, which do not fit into the "
			      "partition's memory together with the kernel",
			      (unsigned long long)file.bytes);
	return boot_file_load(&file, 0, loader->memory, ret_initrd->gpa,
			      file.bytes);
}

static int write_cmdline(const struct boot_loader *loader,
			 const struct boot_kernel *kernel, const char *cmdline)
{
	uint64_t room = min_u64(kernel->cmdline_max, PLACE_CMDLINE_MAX - 1);
	size_t bytes = strlen(cmdline);

	if (bytes > room)
		return refuse(loader->refusal, -EINVAL, "boot.cmdline",
			      "is %zu bytes long; this kernel takes %llu",
			      bytes, (unsigned long long)room);
	return guestmem_write(loader->memory, PLACE_CMDLINE, cmdline,
			      bytes + 1);
}

static int write_tables(const struct boot_loader *loader,
			const struct boot_kernel *kernel,
			const struct boot_initrd *initrd, uint32_t cpu_count,
			struct boot_entry *ret_entry)
{
	struct memory_map map;
	gpa_t rsdp;
	int r = acpi_write(loader->memory, cpu_count, &rsdp);

	if (r < 0)
		return r;
	memory_map_fill(&map, loader->low_end, loader->high_end);
	if (kernel->protocol == BOOT_PVH)
		r = pvh_tables_write(loader->memory, initrd, &map, rsdp);
	else
		r = linux_tables_write(loader->memory, kernel, initrd, &map,
				       rsdp);
	if (r < 0)
		return r;
	return entry_make(loader->memory, kernel, ret_entry);
}

static int check_memory(const struct boot_loader *loader, uint64_t bytes)
{
	uint64_t high = loader->high_end - LAYOUT_HIGH_BASE;

	if (bytes < MEMORY_MIN)
		return refuse(loader->refusal, -EINVAL, "memory.size",
			      "must be at least 2 MiB");
	if (guestmem_check(loader->memory, 0, loader->low_end) == 0 &&
	    guestmem_check(loader->memory, LAYOUT_HIGH_BASE, high) == 0)
		return 0;
	return refuse(loader->refusal, -EFAULT, "memory.size",
		      "exceeds the memory that is mapped");
}

int boot_load(struct guestmem *memory, const struct boot_config *config,
	      struct boot_entry *ret_entry, struct refusal *ret_refusal)
{
	uint64_t low = min_u64(config->memory_bytes, LAYOUT_LOW_END);
	struct boot_loader loader = {
		.memory = memory,
		.low_end = low,
		.high_end = LAYOUT_HIGH_BASE + (config->memory_bytes - low),
		.kernel = { .fd = config->kernel_fd,
			    .field = "boot.kernel",
			    .refusal = ret_refusal },
		.refusal = ret_refusal,
	};
	struct boot_kernel kernel;
	struct boot_initrd initrd;
	int r = check_memory(&loader, config->memory_bytes);

	if (r == 0)
		r = load_kernel(&loader, &kernel);
	if (r == 0)
		r = load_initrd(&loader, &kernel, config->initrd_fd, &initrd);
	if (r == 0)
		r = write_cmdline(&loader, &kernel, config->cmdline);
	if (r == 0)
		r = write_tables(&loader, &kernel, &initrd, config->cpu_count,
				 ret_entry);
	return r;
}
