/* SPDX-License-Identifier: MIT */
/*
 * bzImage, the Linux boot protocol: Documentation/x86/boot.rst of Linux 6.1.
 * A boot sector and its setup code, which are for a BIOS and not loaded, then
 * the protected-mode part, which brings itself to where it runs.
 */
#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "boot/kernel.h"
#include "boot/place.h"

#define SECTOR_BYTES    512u
#define PARAGRAPH_BYTES 16u
#define HEADER_OFFSET   0x1f1u
#define HEADER_JUMP     0x201u  /* its byte says where the header ends */
#define VERSION_OLDEST  0x0206u /* the first to say cmdline_size */
#define VERSION_PAYLOAD 0x0208u
#define VERSION_PLACE   0x020au /* pref_address, init_size */
#define VERSION_XLOAD   0x020cu /* xloadflags */
#define ENTRY_64_OFFSET 0x200u
#define ALIGNMENT_MAX   (1u << 30)

/* Where the protected-mode part lies and where it will run. */
struct image {
	uint64_t file_offset;
	uint64_t bytes;
	gpa_t load;
	gpa_t run;
	uint64_t run_bytes;
};

static int bad(const struct boot_loader *loader, const char *rule)
{
	return refuse(loader->refusal, -EINVAL, "boot.kernel", "%s", rule);
}

/* Fields that this header's version does not have stay zero. */
static void take_header(const struct boot_head *head,
			struct setup_header *ret_header)
{
	size_t end = HEADER_JUMP + 1 + head->bytes[HEADER_JUMP];
	size_t bytes = min_u64(end - HEADER_OFFSET, sizeof(*ret_header));

	memset(ret_header, 0, sizeof(*ret_header));
	memcpy(ret_header, head->bytes + HEADER_OFFSET, bytes);
}

static int check_header(const struct boot_loader *loader,
			const struct setup_header *header)
{
	uint32_t alignment = header->kernel_alignment;

	if (header->version < VERSION_OLDEST)
		return refuse(loader->refusal, -EINVAL, "boot.kernel",
			      "uses boot protocol %u.%02u; the oldest "
			      "supported is 2.06",
			      header->version >> 8, header->version & 0xffu);
	if (!(header->loadflags & LOADED_HIGH))
		return bad(loader, "is a zImage, which loads below 1 MiB; "
				   "only a bzImage can be booted");
	if (!header->relocatable_kernel)
		return 0;
	if (alignment == 0 || (alignment & (alignment - 1)) != 0 ||
	    alignment > ALIGNMENT_MAX)
		return bad(loader, "has a setup header whose kernel_alignment "
				   "is no power of two up to 1 GiB");
	return 0;
}

/* syssize counts paragraphs, so the file may lack what fills the last one. */
static int find_image(const struct boot_loader *loader,
		      const struct setup_header *header, struct image *image)
{
	uint32_t sectors = header->setup_sects ? header->setup_sects : 4;
	uint64_t bytes = (uint64_t)header->syssize * PARAGRAPH_BYTES;
	uint64_t size = loader->kernel.bytes;

	image->file_offset = (uint64_t)(sectors + 1) * SECTOR_BYTES;
	if (bytes == 0 || image->file_offset >= size ||
	    bytes - (PARAGRAPH_BYTES - 1) > size - image->file_offset)
		return bad(loader, "is truncated: its setup header describes "
				   "more than the file contains");
	image->bytes = min_u64(bytes, size - image->file_offset);
	if (header->version >= VERSION_PAYLOAD &&
	    (header->payload_offset > image->bytes ||
	     header->payload_length > image->bytes - header->payload_offset))
		return bad(loader, "has a setup header whose payload_length "
				   "reaches beyond the kernel");
	return 0;
}

static bool is_in_memory(const struct boot_loader *loader, gpa_t gpa,
			 uint64_t bytes)
{
	return gpa >= PLACE_KERNEL && gpa <= loader->low_end &&
	       bytes <= loader->low_end - gpa;
}

/*
 * A relocatable kernel goes where it likes to be best; any other one loads at
 * its code32_start and moves itself to pref_address.
 */
static int find_place(const struct boot_loader *loader,
		      const struct setup_header *header, struct image *image)
{
	image->run = PLACE_KERNEL;
	image->run_bytes = image->bytes;
	if (header->version >= VERSION_PLACE) {
		image->run = min_u64(header->pref_address, UINT32_MAX);
		image->run_bytes = max_u64(header->init_size, image->bytes);
	}
	image->load = header->code32_start;
	if (header->relocatable_kernel) {
		image->run = align_up_u64(max_u64(image->run, PLACE_KERNEL),
					  header->kernel_alignment);
		image->load = image->run;
	}
	if (is_in_memory(loader, image->load, image->bytes) &&
	    is_in_memory(loader, image->run, image->run_bytes))
		return 0;
	return refuse(loader->refusal, -E2BIG, "boot.kernel",
		      "needs %llu bytes of memory from %#llx on; the "
		      "partition's ends at %#llx",
		      (unsigned long long)image->run_bytes,
		      (unsigned long long)image->run,
		      (unsigned long long)loader->low_end);
}

static bool has_flag(const struct setup_header *header, uint16_t flag)
{
	return header->version >= VERSION_XLOAD && (header->xloadflags & flag);
}

static void describe(const struct setup_header *header,
		     const struct image *image, struct boot_kernel *kernel)
{
	bool is_64 = has_flag(header, XLF_KERNEL_64) &&
		     image->bytes > ENTRY_64_OFFSET;

	*kernel = (struct boot_kernel){
		.protocol = is_64 ? BOOT_LINUX_64 : BOOT_LINUX_32,
		.entry = image->load + (is_64 ? ENTRY_64_OFFSET : 0),
		.end = max_u64(image->load + image->bytes,
			       image->run + image->run_bytes),
		.initrd_last = header->initrd_addr_max,
		.initrd_may_be_high =
			is_64 && has_flag(header, XLF_CAN_BE_LOADED_ABOVE_4G),
		.cmdline_max = header->cmdline_size,
		.header = *header,
	};
	kernel->header.code32_start = (uint32_t)image->load;
}

static int read_image(const struct boot_loader *loader,
		      const struct boot_head *head, struct setup_header *header,
		      struct image *image)
{
	int r;

	take_header(head, header);
	r = check_header(loader, header);
	if (r == 0)
		r = find_image(loader, header, image);
	if (r == 0)
		r = find_place(loader, header, image);
	return r;
}

int bzimage_check(const struct boot_loader *loader,
		  const struct boot_head *head)
{
	struct setup_header header;
	struct image image = { 0 };

	return read_image(loader, head, &header, &image);
}

int bzimage_load(const struct boot_loader *loader, const struct boot_head *head,
		 struct boot_kernel *ret_kernel)
{
	struct setup_header header;
	struct image image = { 0 };
	int r = read_image(loader, head, &header, &image);

	if (r == 0)
		r = boot_file_load(&loader->kernel, image.file_offset,
				   loader->memory, image.load, image.bytes);
	if (r < 0)
		return r;
	describe(&header, &image, ret_kernel);
	return 0;
}
