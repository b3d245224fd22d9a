/* SPDX-License-Identifier: MIT */
/* Memory goes through one buffer that stays in the processor's cache: its
 * checksum is taken between the read and the write. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "saved/format.h"

/* The disk works on a few windows of what was written while we write the next
 * one: then the synchronisation at the end finds little left to do, and progress
 * is what it says. */
#define WINDOW_BYTES  (8ull << 20)
#define WINDOWS_AHEAD 4

/* A stretch of the memory file that has pages. */
struct extent {
	uint64_t begin;
	uint64_t end;
};

int image_writer_open(struct image_writer *writer, int fd, int memory_fd,
		      const struct image_machine *machine,
		      const struct image_progress *progress)
{
	*writer = (struct image_writer){
		.fd = fd,
		.memory_fd = memory_fd,
		.machine = *machine,
		.progress = *progress,
		.chunk_count =
			(uint32_t)image_chunk_count(machine->memory_bytes),
	};
	writer->chunks = calloc(writer->chunk_count, sizeof(*writer->chunks));
	writer->buffer = aligned_alloc(IMAGE_PAGE_BYTES, IMAGE_CHUNK_BYTES);
	if (writer->chunks && writer->buffer)
		return 0;
	image_writer_close(writer);
	return -ENOMEM;
}

void image_writer_close(struct image_writer *writer)
{
	free(writer->chunks);
	free(writer->buffer);
	writer->chunks = NULL;
	writer->buffer = NULL;
}

void image_writer_stop(struct image_writer *writer)
{
	__atomic_store_n(&writer->must_stop, true, __ATOMIC_RELEASE);
}

static int write_all(int fd, const void *bytes, uint64_t count, uint64_t offset)
{
	const uint8_t *from = bytes;

	while (count > 0) {
		ssize_t written = pwrite(fd, from, count, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -errno : -EIO;
		from += written;
		offset += (uint64_t)written;
		count -= (uint64_t)written;
	}
	return 0;
}

static int read_all(int fd, void *bytes, uint64_t count, uint64_t offset)
{
	uint8_t *to = bytes;

	while (count > 0) {
		ssize_t got = pread(fd, to, count, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		to += got;
		offset += (uint64_t)got;
		count -= (uint64_t)got;
	}
	return 0;
}

/* The first stretch with pages that ends after `from`; none: begins at `end`. */
static int find_extent(const struct image_writer *writer, uint64_t from,
		       struct extent *ret_extent)
{
	uint64_t end = writer->machine.memory_bytes;
	off_t begin = lseek(writer->memory_fd, (off_t)from, SEEK_DATA);

	*ret_extent = (struct extent){ end, end };
	if (begin < 0 && errno == EINVAL) {
		/* A file of huge pages does not say. */
		ret_extent->begin = from;
		return 0;
	}
	if (begin < 0)
		return errno == ENXIO ? 0 : -errno;
	ret_extent->begin = min_u64((uint64_t)begin, end);
	begin = lseek(writer->memory_fd, begin, SEEK_HOLE);
	if (begin < 0)
		return -errno;
	ret_extent->end = min_u64((uint64_t)begin, end);
	return 0;
}

/* Write the pages of a chunk that are not zero, in as few calls as that
 * takes. */
static int write_pages(struct image_writer *writer, uint64_t offset,
		       uint32_t bytes, bool *ret_has_data)
{
	uint32_t begin = 0;
	int r = 0;

	*ret_has_data = false;
	while (begin < bytes && r == 0) {
		uint32_t end = begin;

		while (end < bytes && !image_page_is_zero(writer->buffer + end))
			end += IMAGE_PAGE_BYTES;
		if (end > begin) {
			*ret_has_data = true;
			r = write_all(writer->fd, writer->buffer + begin,
				      end - begin, offset + begin);
		}
		begin = end + IMAGE_PAGE_BYTES;
	}
	return r;
}

static uint32_t chunk_bytes_of(const struct image_writer *writer,
			       uint32_t index)
{
	return (uint32_t)min_u64(IMAGE_CHUNK_BYTES,
				 writer->machine.memory_bytes -
					 image_chunk_offset(index));
}

static int write_chunk(struct image_writer *writer, uint32_t index)
{
	uint64_t offset = image_chunk_offset(index);
	uint32_t bytes = chunk_bytes_of(writer, index);
	bool has_data;
	int r;

	r = read_all(writer->memory_fd, writer->buffer, bytes, offset);
	if (r == 0)
		r = write_pages(writer,
				image_memory_offset(writer->chunk_count) +
					offset,
				bytes, &has_data);
	if (r == 0 && has_data)
		writer->chunks[index] = (struct image_chunk){
			.checksum = crc32c(0, writer->buffer, bytes),
			.kind = CHUNK_DATA,
		};
	return r;
}

/* An error found while waiting is told once: it is not to be lost. That a file
 * system cannot do this is none. */
static int sync_window(const struct image_writer *writer, uint64_t end,
		       unsigned flags)
{
	if (sync_file_range(writer->fd, (off_t)(end - WINDOW_BYTES),
			    WINDOW_BYTES, flags) == 0 ||
	    errno == EINVAL || errno == ESPIPE || errno == ENOSYS)
		return 0;
	return -errno;
}

/* The window that ends at this offset in memory was written. */
static int write_behind(const struct image_writer *writer, uint64_t offset)
{
	uint64_t end = image_memory_offset(writer->chunk_count) + offset;
	uint64_t before = WINDOWS_AHEAD * WINDOW_BYTES;
	int r = sync_window(writer, end, SYNC_FILE_RANGE_WRITE);

	if (r < 0 || offset <= before)
		return r;
	return sync_window(writer, end - before,
			   SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				   SYNC_FILE_RANGE_WAIT_AFTER);
}

static void tell_progress(const struct image_writer *writer, uint64_t done)
{
	if (writer->progress.made)
		writer->progress.made(writer->progress.context, done,
				      writer->machine.memory_bytes);
}

int image_writer_memory(struct image_writer *writer)
{
	struct extent extent = { 0, 0 };
	int r = 0;

	for (uint32_t i = 0; i < writer->chunk_count && r == 0; i++) {
		uint64_t offset = image_chunk_offset(i);

		if (__atomic_load_n(&writer->must_stop, __ATOMIC_ACQUIRE))
			return -ECANCELED;
		if (offset >= extent.end)
			r = find_extent(writer, offset, &extent);
		if (r == 0 && extent.begin < offset + chunk_bytes_of(writer, i))
			r = write_chunk(writer, i);
		if (r == 0 && offset > 0 && offset % WINDOW_BYTES == 0) {
			r = write_behind(writer, offset);
			tell_progress(writer, offset);
		}
	}
	if (r == 0)
		tell_progress(writer, writer->machine.memory_bytes);
	return r;
}

static void fill_header(const struct image_writer *writer,
			struct image_header *header)
{
	const struct image_machine *machine = &writer->machine;

	*header = (struct image_header){
		.magic = IMAGE_MAGIC,
		.version = IMAGE_VERSION,
		.chunk_bytes = IMAGE_CHUNK_BYTES,
		.chunk_count = writer->chunk_count,
		.memory_offset = image_memory_offset(writer->chunk_count),
		.memory_bytes = machine->memory_bytes,
		.xcr0 = machine->xcr0,
		.xsave_bytes = machine->xsave_bytes,
		.layout_version = machine->layout_version,
		.vcpu_count = machine->vcpu_count,
		.disk_count = machine->disk_count,
		.tsc_khz = machine->tsc_khz,
	};
	memcpy(header->vendor, machine->vendor, sizeof(header->vendor));
	header->state_offset =
		header->memory_offset +
		align_up_u64(machine->memory_bytes, IMAGE_PAGE_BYTES);
}

static int write_header(const struct image_writer *writer,
			struct image_header *header)
{
	int r;

	header->checksum = image_header_checksum(header);
	r = write_all(writer->fd, header, sizeof(*header), 0);
	if (r == 0 && fsync(writer->fd) < 0)
		return -errno;
	return r;
}

int image_writer_finish(struct image_writer *writer, const uint8_t *state,
			size_t state_bytes)
{
	uint64_t table_bytes = image_table_bytes(writer->chunk_count);
	struct image_header header;
	int r;

	if (state_bytes > IMAGE_STATE_MAX)
		return -E2BIG;
	fill_header(writer, &header);
	header.state_bytes = state_bytes;
	header.file_bytes = header.state_offset + state_bytes;
	header.state_checksum = crc32c(0, state, state_bytes);
	header.table_checksum = crc32c(0, writer->chunks, table_bytes);
	r = write_all(writer->fd, writer->chunks, table_bytes,
		      IMAGE_TABLE_OFFSET);
	if (r == 0)
		r = write_all(writer->fd, state, state_bytes,
			      header.state_offset);
	if (r == 0 && ftruncate(writer->fd, (off_t)header.file_bytes) < 0)
		r = -errno;
	/* Everything else first: a header makes an image of a file. */
	if (r == 0 && fdatasync(writer->fd) < 0)
		r = -errno;
	return r < 0 ? r : write_header(writer, &header);
}
