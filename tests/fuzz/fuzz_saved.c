/* SPDX-License-Identifier: MIT */
/*
 * A saved image whose checksums all fit, as whoever can write the file would
 * have them: it is opened or refused, and each chunk of one that was opened is
 * read or found damaged.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "saved/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* make_saved_corpus.py knows these. */
static const struct image_machine wanted = {
	.memory_bytes = 8192,
	.layout_version = 1,
	.vcpu_count = 2,
	.disk_count = 1,
	.xcr0 = 7,
	.xsave_bytes = 832,
	.vendor = "AuthenticAMD",
};

/* The sum of a part of the file; as it is, if the part is not inside. */
static void fit(uint32_t *checksum, const uint8_t *file, size_t bytes,
		uint64_t offset, uint64_t count)
{
	if (offset <= bytes && count <= bytes - offset)
		*checksum = crc32c(0, file + offset, count);
}

static void fit_checksums(uint8_t *file, size_t bytes)
{
	struct image_header header;

	if (bytes < sizeof(header))
		return;
	memcpy(&header, file, sizeof(header));
	fit(&header.table_checksum, file, bytes, IMAGE_TABLE_OFFSET,
	    image_table_bytes(header.chunk_count));
	fit(&header.state_checksum, file, bytes, header.state_offset,
	    header.state_bytes);
	header.checksum = image_header_checksum(&header);
	memcpy(file, &header, sizeof(header));
}

static void read_chunks(const struct image *image)
{
	static uint8_t buffer[IMAGE_CHUNK_BYTES];

	for (uint32_t i = 0; i < image->chunk_count; i++)
		if (image_chunk_has_data(image, i))
			(void)image_read_chunk(image, i, buffer);
}

static void open_and_read(int fd)
{
	struct refusal refusal;
	struct image image;

	if (image_open(&image, fd, &wanted, &refusal) == 0)
		read_chunks(&image);
	image_close(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	uint8_t *file = malloc(bytes + 1);

	if (fd < 0 || !file)
		abort();
	memcpy(file, data, bytes);
	fit_checksums(file, bytes);
	if (write(fd, file, bytes) != (ssize_t)bytes)
		abort();
	free(file);
	open_and_read(fd);
	return 0;
}
