/* SPDX-License-Identifier: MIT */
/* Formats of images, told by how they begin. */
#ifndef SUPERVISOR_STORAGE_FORMAT_H
#define SUPERVISOR_STORAGE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_SECTOR_BYTES 512

/*
 * The name of the format of an image with this first and last sector, or NULL
 * for one without a header of its own: raw, as far as anyone can tell.
 */
const char *storage_format(const uint8_t first[FORMAT_SECTOR_BYTES],
			   const uint8_t last[FORMAT_SECTOR_BYTES]);

/* Whether a file of so many bytes begins as a tape does (scsi/tape_image.h); an
 * empty one is a tape on which nothing is recorded. */
bool storage_is_tape(int fd, uint64_t bytes);

#endif
