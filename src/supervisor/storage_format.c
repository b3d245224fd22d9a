/* SPDX-License-Identifier: MIT */
#include "supervisor/storage_format.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/count.h"

struct magic {
	const char *format;
	bool at_end; /* in the last sector instead of the first */
	size_t offset;
	size_t bytes;
	const char *text;
};

/* clang-format off */
static const struct magic magics[] = {
	{ "qcow",      false,  0,  4, "QFI\xfb" },
	{ "qed",       false,  0,  4, "QED\0" },
	{ "vmdk",      false,  0,  4, "KDMV" },
	{ "vmdk",      false,  0,  4, "COWD" },
	{ "vmdk",      false,  0, 21, "# Disk DescriptorFile" },
	{ "vhdx",      false,  0,  8, "vhdxfile" },
	{ "vhd",       false,  0,  8, "conectix" },
	{ "vhd",       true,   0,  8, "conectix" },
	{ "vdi",       false, 64,  4, "\x7f\x10\xda\xbe" },
	{ "parallels", false,  0, 16, "WithoutFreeSpace" },
	{ "parallels", false,  0, 16, "WithouFreSpacExt" },
	{ "dmg",       true,   0,  4, "koly" },
};
/* clang-format on */

const char *storage_format(const uint8_t first[FORMAT_SECTOR_BYTES],
			   const uint8_t last[FORMAT_SECTOR_BYTES])
{
	for (size_t i = 0; i < ARRAY_COUNT(magics); i++) {
		const struct magic *magic = &magics[i];
		const uint8_t *sector = magic->at_end ? last : first;

		if (memcmp(sector + magic->offset, magic->text, magic->bytes) ==
		    0)
			return magic->format;
	}
	return NULL;
}

/*
 * Offsets of the setup header: Documentation/arch/x86/boot.rst. Its size is in
 * paragraphs, so the file may lack what fills the last one.
 */
static int check_bzimage(const uint8_t *header, uint64_t file_bytes)
{
	uint64_t setup_sectors = header[0x1f1] ? header[0x1f1] : 4;
	uint32_t paragraphs;

	(void)memcpy(&paragraphs, header + 0x1f4, sizeof(paragraphs));
	if ((setup_sectors + 1) * 512 + 16ull * le32toh(paragraphs) >
	    file_bytes + 15)
		return -ENODATA;
	return 0;
}

static int check_elf(const uint8_t *header, uint64_t file_bytes)
{
	Elf64_Ehdr elf;

	(void)memcpy(&elf, header, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64)
		return -EINVAL;
	/* No sum here can wrap: the table is at most 65535 * 65535 bytes. */
	if (elf.e_phoff > file_bytes ||
	    (uint64_t)elf.e_phnum * elf.e_phentsize > file_bytes - elf.e_phoff)
		return -ENODATA;
	return 0;
}

int storage_kernel_format(const uint8_t header[1024], uint64_t file_bytes)
{
	if (memcmp(header, ELFMAG, SELFMAG) == 0)
		return check_elf(header, file_bytes);
	if (memcmp(header + 0x202, "HdrS", 4) == 0)
		return check_bzimage(header, file_bytes);
	return -EINVAL;
}
