/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/storage_format.h"

#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "scsi/tape_image.h"

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

static bool read_mark(int fd, uint64_t offset, uint8_t *ret_mark)
{
	return pread(fd, ret_mark, TAPE_MARK_BYTES, (off_t)offset) ==
	       TAPE_MARK_BYTES;
}

bool storage_is_tape(int fd, uint64_t bytes)
{
	uint8_t mark[TAPE_MARK_BYTES], far_mark[TAPE_MARK_BYTES];
	struct tape_object first;

	if (bytes == 0)
		return true;
	if (!read_mark(fd, 0, mark))
		return false;
	first = tape_object_ahead(mark, 0, bytes);
	if (first.kind == TAPE_BLOCK)
		return read_mark(fd, first.far_mark, far_mark) &&
		       memcmp(mark, far_mark, sizeof(mark)) == 0;
	return first.kind != TAPE_BROKEN;
}
