/* SPDX-License-Identifier: MIT */
#include "saved/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "saved/format.h"

static int read_at(int fd, void *to, uint64_t count, uint64_t offset)
{
	uint8_t *next = to;

	while (count > 0) {
		ssize_t got = pread(fd, next, count, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EBADMSG;
		next += got;
		offset += (uint64_t)got;
		count -= (uint64_t)got;
	}
	return 0;
}

static int refuse_damage(struct refusal *refusal, int error, const char *what)
{
	if (error == -EBADMSG)
		return refuse(refusal, error, "image",
			      "the saved image's %s is damaged or truncated",
			      what);
	return refuse(refusal, error, "image",
		      "the saved image's %s cannot be read: %s", what,
		      strerror(-error));
}

/* Of this program, of this version, and undamaged. */
static int read_header(int fd, struct image_header *header,
		       struct refusal *refusal)
{
	int r = read_at(fd, header, sizeof(*header), 0);

	if (r < 0)
		return refuse_damage(refusal, r, "header");
	if (memcmp(header->magic, IMAGE_MAGIC, sizeof(header->magic)) != 0)
		return refuse(refusal, -EBADMSG, "image",
			      "the file is not a saved partition");
	if (image_header_checksum(header) != header->checksum)
		return refuse_damage(refusal, -EBADMSG, "header");
	if (header->version != IMAGE_VERSION)
		return refuse(refusal, -ENOTSUP, "image",
			      "the saved image is of version %u, this program "
			      "reads version %u",
			      header->version, IMAGE_VERSION);
	return 0;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* Its numbers agree with each other; the sizes first (no sum wraps then). */
static bool shape_is_sound(const struct image_header *header)
{
	return header->flags == 0 &&
	       is_zero(header->unused, sizeof(header->unused)) &&
	       header->memory_bytes > 0 &&
	       header->memory_bytes <= IMAGE_MEMORY_MAX &&
	       header->memory_bytes % IMAGE_PAGE_BYTES == 0 &&
	       header->state_bytes <= IMAGE_STATE_MAX &&
	       header->chunk_bytes == IMAGE_CHUNK_BYTES &&
	       header->chunk_count == image_chunk_count(header->memory_bytes) &&
	       header->memory_offset ==
		       image_memory_offset(header->chunk_count) &&
	       header->state_offset ==
		       header->memory_offset + header->memory_bytes &&
	       header->file_bytes == header->state_offset + header->state_bytes;
}

static int check_shape(int fd, const struct image_header *header,
		       struct refusal *refusal)
{
	struct stat status;

	if (!shape_is_sound(header))
		return refuse(refusal, -EBADMSG, "image",
			      "the saved image contradicts itself");
	if (fstat(fd, &status) < 0)
		return refuse_damage(refusal, -errno, "size");
	if ((uint64_t)status.st_size != header->file_bytes)
		return refuse(refusal, -EBADMSG, "image",
			      "the saved image has %lld bytes where it should "
			      "have %llu",
			      (long long)status.st_size,
			      (unsigned long long)header->file_bytes);
	return 0;
}

static void take_machine(const struct image_header *header,
			 struct image_machine *machine)
{
	*machine = (struct image_machine){
		.memory_bytes = header->memory_bytes,
		.layout_version = header->layout_version,
		.vcpu_count = header->vcpu_count,
		.disk_count = header->disk_count,
		.tsc_khz = header->tsc_khz,
		.xcr0 = header->xcr0,
		.xsave_bytes = header->xsave_bytes,
	};
	memcpy(machine->vendor, header->vendor, sizeof(machine->vendor));
}

static int refuse_number(struct refusal *refusal, const char *field,
			 const char *what, uint64_t has, uint64_t wanted)
{
	return refuse(refusal, -ENOTSUP, field,
		      "the image was saved with %llu %s, not %llu",
		      (unsigned long long)has, what,
		      (unsigned long long)wanted);
}

/* The partition's side of it. */
static int check_partition(const struct image_machine *has,
			   const struct image_machine *wanted,
			   struct refusal *refusal)
{
	if (has->layout_version != wanted->layout_version)
		return refuse_number(refusal, "image", "as its machine version",
				     has->layout_version,
				     wanted->layout_version);
	if (has->vcpu_count != wanted->vcpu_count)
		return refuse_number(refusal, "cpu.virtual",
				     "virtual processors", has->vcpu_count,
				     wanted->vcpu_count);
	if (has->memory_bytes != wanted->memory_bytes)
		return refuse_number(refusal, "memory.size", "bytes of memory",
				     has->memory_bytes, wanted->memory_bytes);
	if (has->disk_count != wanted->disk_count)
		return refuse_number(refusal, "disks", "disks", has->disk_count,
				     wanted->disk_count);
	return 0;
}

/* The host's. */
static int check_host(const struct image_machine *has,
		      const struct image_machine *wanted,
		      struct refusal *refusal)
{
	if (memcmp(has->vendor, wanted->vendor, sizeof(has->vendor)) != 0)
		return refuse(refusal, -ENOTSUP, "image",
			      "the image was saved on a processor of %.12s, "
			      "this is one of %.12s",
			      has->vendor, wanted->vendor);
	if ((has->xcr0 & ~wanted->xcr0) != 0 ||
	    has->xsave_bytes > wanted->xsave_bytes)
		return refuse(refusal, -ENOTSUP, "image",
			      "the image needs processor registers that this "
			      "host lacks (XCR0 %#llx of %#llx)",
			      (unsigned long long)has->xcr0,
			      (unsigned long long)wanted->xcr0);
	return 0;
}

static bool chunk_is_sound(const struct image_chunk *chunk)
{
	return chunk->kind == CHUNK_DATA ||
	       (chunk->kind == CHUNK_ZERO && chunk->checksum == 0);
}

static int read_table(struct image *image, const struct image_header *header,
		      struct refusal *refusal)
{
	uint64_t bytes = image_table_bytes(header->chunk_count);
	int r;

	image->chunks = malloc(bytes);
	r = image->chunks ? read_at(image->fd, image->chunks, bytes,
				    IMAGE_TABLE_OFFSET)
			  : -ENOMEM;
	if (r == 0 && crc32c(0, image->chunks, bytes) != header->table_checksum)
		r = -EBADMSG;
	for (uint32_t i = 0; i < header->chunk_count && r == 0; i++)
		if (!chunk_is_sound(&image->chunks[i]))
			r = -EBADMSG;
	return r < 0 ? refuse_damage(refusal, r, "table of memory") : 0;
}

static int read_state(struct image *image, const struct image_header *header,
		      struct refusal *refusal)
{
	uint64_t bytes = header->state_bytes;
	int r;

	image->state = malloc(bytes ? bytes : 1);
	image->state_bytes = bytes;
	r = image->state ? read_at(image->fd, image->state, bytes,
				   header->state_offset)
			 : -ENOMEM;
	if (r == 0 && crc32c(0, image->state, bytes) != header->state_checksum)
		r = -EBADMSG;
	return r < 0 ? refuse_damage(refusal, r, "device state") : 0;
}

static int read_image(struct image *image, const struct image_machine *wanted,
		      struct refusal *refusal)
{
	struct image_header header;
	int r;

	r = read_header(image->fd, &header, refusal);
	if (r == 0)
		r = check_shape(image->fd, &header, refusal);
	if (r < 0)
		return r;
	take_machine(&header, &image->machine);
	/* Before anything is allocated by what the file says. */
	r = check_partition(&image->machine, wanted, refusal);
	if (r == 0)
		r = check_host(&image->machine, wanted, refusal);
	if (r < 0)
		return r;
	image->memory_offset = header.memory_offset;
	image->chunk_count = header.chunk_count;
	r = read_table(image, &header, refusal);
	return r < 0 ? r : read_state(image, &header, refusal);
}

int image_open(struct image *image, int fd, const struct image_machine *wanted,
	       struct refusal *ret_refusal)
{
	int r;

	*image = (struct image){ .fd = fd };
	r = read_image(image, wanted, ret_refusal);
	if (r < 0)
		image_close(image);
	return r;
}

void image_close(struct image *image)
{
	close_fd(&image->fd);
	free(image->chunks);
	free(image->state);
	image->chunks = NULL;
	image->state = NULL;
	image->chunk_count = 0;
}

bool image_page_is_zero(const uint8_t *page)
{
	return page[0] == 0 &&
	       memcmp(page, page + 1, IMAGE_PAGE_BYTES - 1) == 0;
}

uint32_t image_chunk_bytes(const struct image *image, uint32_t index)
{
	return (uint32_t)min_u64(IMAGE_CHUNK_BYTES,
				 image->machine.memory_bytes -
					 image_chunk_offset(index));
}

bool image_chunk_has_data(const struct image *image, uint32_t index)
{
	return image->chunks[index].kind == CHUNK_DATA;
}

int image_read_chunk(const struct image *image, uint32_t index, uint8_t *buffer)
{
	uint32_t bytes = image_chunk_bytes(image, index);
	int r;

	r = read_at(image->fd, buffer, bytes,
		    image->memory_offset + image_chunk_offset(index));
	if (r < 0)
		return r;
	return crc32c(0, buffer, bytes) == image->chunks[index].checksum
		       ? 0
		       : -EBADMSG;
}
