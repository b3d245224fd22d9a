/* SPDX-License-Identifier: MIT */
/* The bytes of a saved image's header; private to this folder. */
#ifndef SAVED_FORMAT_H
#define SAVED_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/count.h"
#include "base/crc32c.h"
#include "saved/image.h"

#define IMAGE_MAGIC   "BULKHEAD"
#define IMAGE_VERSION 1u

#define IMAGE_MEMORY_MAX   (1ull << 46) /* what a processor can address */
#define IMAGE_TABLE_OFFSET IMAGE_PAGE_BYTES

enum image_chunk_kind {
	CHUNK_ZERO = 0,
	CHUNK_DATA = 1,
};

/* The first page of the file, little endian; everything not named here is
 * zero. */
struct image_header {
	char magic[8];
	uint32_t version;
	uint32_t flags; /* none yet: 0 */
	uint32_t chunk_bytes;
	uint32_t chunk_count;
	uint64_t file_bytes;
	uint64_t memory_offset;
	uint64_t state_offset;
	uint64_t state_bytes;
	uint32_t state_checksum;
	uint32_t table_checksum;
	uint64_t memory_bytes;
	uint64_t xcr0;
	uint32_t xsave_bytes;
	uint32_t layout_version;
	uint32_t vcpu_count;
	uint32_t disk_count;
	uint32_t tsc_khz;
	char vendor[12];
	uint8_t unused[IMAGE_PAGE_BYTES - 116];
	uint32_t checksum; /* of the page before it */
};

_Static_assert(sizeof(struct image_header) == IMAGE_PAGE_BYTES, "one page");
_Static_assert(offsetof(struct image_header, unused) == 112, "stored");
_Static_assert(sizeof(struct image_chunk) == 8, "stored");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored");

static inline uint32_t image_header_checksum(const struct image_header *header)
{
	return crc32c(0, header, offsetof(struct image_header, checksum));
}

static inline uint64_t image_table_bytes(uint64_t chunk_count)
{
	return chunk_count * sizeof(struct image_chunk);
}

/* Where memory begins: after the table. */
static inline uint64_t image_memory_offset(uint64_t chunk_count)
{
	return IMAGE_TABLE_OFFSET +
	       align_up_u64(image_table_bytes(chunk_count), IMAGE_PAGE_BYTES);
}

static inline uint64_t image_chunk_count(uint64_t memory_bytes)
{
	return (memory_bytes + IMAGE_CHUNK_BYTES - 1) / IMAGE_CHUNK_BYTES;
}

#endif
