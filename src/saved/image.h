/* SPDX-License-Identifier: MIT */
/*
 * A saved partition: one sparse file.
 *
 *   header   one page: identification, requirements, where the rest is
 *   table    a checksum for each chunk of memory
 *   memory   at its own offset: byte N of the guest's memory file is byte
 *            memory_offset + N; pages that were never touched, or are zero,
 *            are holes
 *   state    the machine's, as machine/state.h writes it; last, so that a
 *            truncated file lacks it
 *
 * Header, table and state are checked when the image is opened, a chunk when it
 * is read. The header is written last: an unfinished file is not an image.
 *
 * Trust      Whoever can write the file may write anything. A checksum detects
 *            damage, not malice: every number is validated as well, and no size
 *            may exceed what the partition's own definition allows (I7).
 * Threads    image_read_chunk() may be called by one thread besides the owner.
 * Errors     0 or a negative errno.
 */
#ifndef SAVED_IMAGE_H
#define SAVED_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/refusal.h"

#define IMAGE_PAGE_BYTES  4096u
#define IMAGE_CHUNK_BYTES 262144u
#define IMAGE_STATE_MAX   (16u << 20)

/* What the machine is, and what it requires of its host. */
struct image_machine {
	uint64_t memory_bytes;
	uint32_t layout_version; /* of the board */
	uint32_t vcpu_count;
	uint32_t disk_count;
	uint32_t tsc_khz;
	uint64_t xcr0;        /* register sets that the host must be able to
				 save */
	uint32_t xsave_bytes; /* room for them */
	char vendor[12];      /* of the processor, from CPUID */
};

/* Progress of the writing, reported on the thread that writes. */
struct image_progress {
	void (*made)(void *context, uint64_t done_bytes, uint64_t total_bytes);
	void *context;
};

struct image_chunk {
	uint32_t checksum;
	uint32_t kind; /* enum image_chunk_kind */
};

struct image_writer {
	int fd;        /* borrowed */
	int memory_fd; /* borrowed */
	struct image_machine machine;
	struct image_progress progress;
	uint32_t chunk_count;
	struct image_chunk *chunks; /* owned */
	uint8_t *buffer;            /* owned; a chunk */
	bool must_stop;             /* atomic; by any thread */
};

/*
 * Begin an image in the empty file `fd` of the memory in `memory_fd`.
 *
 * -ENOMEM
 */
int image_writer_open(struct image_writer *writer, int fd, int memory_fd,
		      const struct image_machine *machine,
		      const struct image_progress *progress);
void image_writer_close(struct image_writer *writer);

/*
 * Write all of memory, which must not change meanwhile. Blocks on the disk.
 *
 * -ENOSPC     the file system is full
 * -ECANCELED  image_writer_stop()
 * other       errno of writing the file
 */
int image_writer_memory(struct image_writer *writer);

/* Make image_writer_memory() return soon. */
void image_writer_stop(struct image_writer *writer);

/* Write the rest and sync everything to stable storage. Errors as above;
 * -E2BIG: more state than IMAGE_STATE_MAX. */
int image_writer_finish(struct image_writer *writer, const uint8_t *state,
			size_t state_bytes);

struct image {
	int fd; /* owned */
	struct image_machine machine;
	uint64_t memory_offset;
	uint32_t chunk_count;
	struct image_chunk *chunks; /* owned */
	uint8_t *state;             /* owned */
	size_t state_bytes;
};

/*
 * Open the image in `fd` (taken) for the machine `wanted`: shape and processor
 * vendor must match, `xcr0` and `xsave_bytes` suffice; `tsc_khz` is not
 * compared, it is for the code that sets the clock. The refusal is one sentence
 * for an operator.
 *
 * -EBADMSG  not an image, damaged, or truncated
 * -ENOTSUP  another version, or it needs another host or partition
 * -ENOMEM, -EIO
 */
int image_open(struct image *image, int fd, const struct image_machine *wanted,
	       struct refusal *ret_refusal);

/* Release everything. Safe twice. */
void image_close(struct image *image);

/* Pages of zeros are not stored and need not be restored. */
bool image_page_is_zero(const uint8_t *page);

static inline uint64_t image_chunk_offset(uint32_t index)
{
	return (uint64_t)index * IMAGE_CHUNK_BYTES;
}

/* Bytes of this chunk: the last one may be shorter. */
uint32_t image_chunk_bytes(const struct image *image, uint32_t index);

/* False: all of it is zero, and there is nothing to read. */
bool image_chunk_has_data(const struct image *image, uint32_t index);

/*
 * Read a chunk that has data into `buffer`, of IMAGE_CHUNK_BYTES.
 *
 * -EBADMSG  it is damaged, or the file was truncated
 * other     errno of reading the file
 */
int image_read_chunk(const struct image *image, uint32_t index,
		     uint8_t *buffer);

#endif
