/* SPDX-License-Identifier: MIT */
#include "boot/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/count.h"

/* What one pread() may be asked for. */
#define PART_BYTES (1u << 30)

int boot_file_open(struct boot_file *file)
{
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return refuse(file->refusal, -errno, file->field,
			      "cannot be examined: %s", strerror(errno));
	if (!S_ISREG(status.st_mode))
		return refuse(file->refusal, -EINVAL, file->field,
			      "must be a regular file");
	file->bytes = (uint64_t)status.st_size;
	return 0;
}

static int read_all(const struct boot_file *file, uint64_t offset, uint8_t *to,
		    uint64_t bytes)
{
	while (bytes != 0) {
		ssize_t got = pread(file->fd, to, min_u64(bytes, PART_BYTES),
				    (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse(file->refusal, -errno, file->field,
				      "cannot be read: %s", strerror(errno));
		if (got == 0)
			return refuse(file->refusal, -EINVAL, file->field,
				      "shrank while it was being read");
		to += got;
		offset += (uint64_t)got;
		bytes -= (uint64_t)got;
	}
	return 0;
}

int boot_file_check(const struct boot_file *file, uint64_t offset,
		    uint64_t bytes)
{
	if (offset <= file->bytes && bytes <= file->bytes - offset)
		return 0;
	return refuse(file->refusal, -EINVAL, file->field,
		      "is truncated: its headers describe more than the %llu "
		      "bytes it has",
		      (unsigned long long)file->bytes);
}

int boot_file_read(const struct boot_file *file, uint64_t offset, void *to,
		   size_t bytes)
{
	int r = boot_file_check(file, offset, bytes);

	return r < 0 ? r : read_all(file, offset, to, bytes);
}

int boot_file_load(const struct boot_file *file, uint64_t offset,
		   struct guestmem *memory, gpa_t gpa, uint64_t bytes)
{
	int r = boot_file_check(file, offset, bytes);
	uint8_t *to = guestmem_at(memory, gpa, bytes);

	if (r < 0 || bytes == 0)
		return r;
	if (!to)
		return refuse(file->refusal, -E2BIG, file->field,
			      "needs memory that the partition does not have");
	return read_all(file, offset, to, bytes);
}
