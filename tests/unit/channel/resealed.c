/* SPDX-License-Identifier: MIT */
#include "resealed.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"

const int wanted_seals[SEAL_COUNT] = { F_SEAL_SHRINK, F_SEAL_GROW,
				       F_SEAL_SEAL };

int resealed_without(int memfd, int left_out)
{
	int copy = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct stat status;
	off_t at = 0;

	if (left_out >= 0)
		seals &= ~wanted_seals[left_out];
	CHECK_EQ(fstat(memfd, &status), 0);
	CHECK_EQ(sendfile(copy, memfd, &at, (size_t)status.st_size),
		 status.st_size);
	CHECK_EQ(fcntl(copy, F_ADD_SEALS, seals), 0);
	CHECK_EQ(close(memfd), 0);
	return copy;
}
