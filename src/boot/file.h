/* SPDX-License-Identifier: MIT */
/*
 * A file that is loaded: a descriptor and the size it had when it was opened
 * here. Reading beyond that size, or a file that has become shorter, is a
 * refusal that names the file's field.
 */
#ifndef BOOT_FILE_H
#define BOOT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/refusal.h"
#include "guestmem/guestmem.h"

struct boot_file {
	int fd;            /* borrowed */
	const char *field; /* "boot.kernel" */
	uint64_t bytes;
	struct refusal *refusal; /* borrowed */
};

/* `file` has all its fields but `bytes`. -EINVAL: not a regular file. */
int boot_file_open(struct boot_file *file);

/* -EINVAL: it does not have this much there. */
int boot_file_check(const struct boot_file *file, uint64_t offset,
		    uint64_t bytes);

/*
 * Read exactly this much.
 *
 * -EINVAL  the file does not have it (any more)
 * other    what reading said
 */
int boot_file_read(const struct boot_file *file, uint64_t offset, void *to,
		   size_t bytes);

/* The same, straight into guest memory; -E2BIG where there is none. */
int boot_file_load(const struct boot_file *file, uint64_t offset,
		   struct guestmem *memory, gpa_t gpa, uint64_t bytes);

#endif
