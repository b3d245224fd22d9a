/* SPDX-License-Identifier: MIT */
/* Image formats that are not raw, told by their magic. */
#ifndef SUPERVISOR_STORAGE_FORMAT_H
#define SUPERVISOR_STORAGE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_SECTOR_BYTES 512

/*
 * The name of the format of an image with this first and last sector, or NULL
 * for one without a header of its own: raw, as far as anyone can tell.
 */
const char *storage_format(const uint8_t first[FORMAT_SECTOR_BYTES],
			   const uint8_t last[FORMAT_SECTOR_BYTES]);

#endif
