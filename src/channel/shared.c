/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "channel/position.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int shared_create(const char *name, uint64_t bytes, const void *header,
		  size_t header_bytes, int *ret_memfd)
{
	SCOPED(close_fd)
	int memfd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (memfd < 0 || ftruncate(memfd, (off_t)bytes) < 0 ||
	    pwrite(memfd, header, header_bytes, 0) < 0 ||
	    fcntl(memfd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	*ret_memfd = take_fd(&memfd);
	return 0;
}

int shared_map(int memfd, size_t least_bytes, void **ret_map, size_t *ret_bytes)
{
	struct stat status;
	int seals = fcntl(memfd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS ||
	    fstat(memfd, &status) < 0 || (size_t)status.st_size < least_bytes)
		return -EBADMSG;
	*ret_bytes = (size_t)status.st_size;
	*ret_map = mmap(NULL, *ret_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			memfd, 0);
	if (*ret_map == MAP_FAILED)
		return -errno;
	/* It holds what guests store: not for core dumps. */
	(void)madvise(*ret_map, *ret_bytes, MADV_DONTDUMP);
	return 0;
}
