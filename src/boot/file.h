/* SPDX-License-Identifier: MIT */
/*
 * A file being loaded: a descriptor and the size it had when it was opened
 * here. Reading beyond that size, or from a file that has shrunk, is a refusal
 * that names the file's field.
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

/* -EINVAL: the file has fewer bytes there. */
int boot_file_check(const struct boot_file *file, uint64_t offset,
		    uint64_t bytes);

/*
 * Read exactly this much.
 *
 * -EINVAL  the file has fewer bytes, or has shrunk
 * other    errno of reading
 */
int boot_file_read(const struct boot_file *file, uint64_t offset, void *to,
		   size_t bytes);

/* The same, directly into guest memory; -E2BIG where there is none. */
int boot_file_load(const struct boot_file *file, uint64_t offset,
		   struct guestmem *memory, gpa_t gpa, uint64_t bytes);

#endif
