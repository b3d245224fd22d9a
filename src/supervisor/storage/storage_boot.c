/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "boot/boot.h"
#include "supervisor/storage/storage_lock.h"

/* A regular file with something in it, open for reading. */
static int open_image(const char *field, const char *path, int *ret_fd,
		      uint64_t *ret_bytes, struct refusal *refusal)
{
	/* O_PATH first: opening a device may already do something. */
	SCOPED(close_fd) int path_fd = open(path, O_PATH | O_CLOEXEC);
	struct stat status;
	int fd;

	if (path_fd < 0 || fstat(path_fd, &status) < 0)
		return refuse(refusal, -errno, field, "cannot be opened: %s",
			      strerror(errno));
	if (!S_ISREG(status.st_mode) || status.st_size == 0)
		return refuse(refusal, -EINVAL, field,
			      "is not a regular file or is empty");
	fd = storage_reopen(path_fd, O_RDONLY);
	if (fd < 0)
		return refuse(refusal, fd, field, "cannot be opened: %s",
			      strerror(-fd));
	*ret_fd = fd;
	*ret_bytes = (uint64_t)status.st_size;
	return 0;
}

int storage_open_kernel(const char *path, int *ret_fd,
			struct refusal *ret_refusal)
{
	SCOPED(close_fd) int fd = NO_FD;
	uint64_t bytes;
	int r = open_image("boot.kernel", path, &fd, &bytes, ret_refusal);

	if (r < 0)
		return r;
	r = boot_check_kernel(fd, ret_refusal);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

int storage_open_initrd(const char *path, int *ret_fd,
			struct refusal *ret_refusal)
{
	uint64_t bytes;

	return open_image("boot.initrd", path, ret_fd, &bytes, ret_refusal);
}
