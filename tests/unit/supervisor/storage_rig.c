/* SPDX-License-Identifier: MIT */
#include "storage_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

void storage_rig_make(struct storage_rig *rig, off_t bytes)
{
	int fd;

	memset(&rig->disk, 0, sizeof(rig->disk));
	(void)strcpy(rig->disk.file, "/var/tmp/storage_test_XXXXXX");
	fd = mkstemp(rig->disk.file);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, bytes), 0);
	CHECK_EQ(close(fd), 0);
	if (bytes == 0)
		CHECK_EQ(unlink(rig->disk.file), 0);
}

void storage_rig_write(struct storage_rig *rig, const void *from, size_t bytes,
		       off_t offset)
{
	int fd = open(rig->disk.file, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, from, bytes, offset), (long long)bytes);
	CHECK_EQ(close(fd), 0);
}

int storage_rig_inspect(struct storage_rig *rig)
{
	memset(&rig->refusal, 0, sizeof(rig->refusal));
	return storage_inspect(&rig->disk, 3, &rig->facts, &rig->refusal);
}

int storage_rig_witness(struct storage_rig *rig)
{
	int fd = NO_FD;
	int r = storage_open_witness(&rig->disk, 3, &fd, &rig->facts,
				     &rig->refusal);

	return r < 0 ? r : fd;
}

int storage_rig_generation(struct storage_rig *rig, int witness)
{
	int fd = NO_FD;
	int r = storage_open_generation(witness, 5, &rig->disk, &fd);

	return r < 0 ? r : fd;
}
