/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "definition/partition.h"

#define LEDGER_PATH_SIZE (PATH_SIZE + 48)

static void name_folder(const char *runtime_dir, char path[LEDGER_PATH_SIZE])
{
	(void)snprintf(path, LEDGER_PATH_SIZE, "%s/volumes", runtime_dir);
}

static void name_file(const char *runtime_dir, uint64_t volume_id,
		      char path[LEDGER_PATH_SIZE])
{
	(void)snprintf(path, LEDGER_PATH_SIZE, "%s/volumes/%llu.ledger",
		       runtime_dir, (unsigned long long)volume_id);
}

int ledger_file_open_folder(const char *runtime_dir)
{
	char path[LEDGER_PATH_SIZE];

	name_folder(runtime_dir, path);
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int ledger_file_open(const char *runtime_dir, uint64_t volume_id, int *ret_fd)
{
	SCOPED(close_fd) int fd = NO_FD;
	char path[LEDGER_PATH_SIZE];

	name_file(runtime_dir, volume_id, path);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* A file that an earlier holder cut short would end the next one. */
	if (fd < 0 || ftruncate(fd, LEDGER_FILE_BYTES) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

int ledger_file_read(const char *runtime_dir, uint64_t volume_id, void *to,
		     size_t bytes)
{
	SCOPED(close_fd) int fd = NO_FD;
	char path[LEDGER_PATH_SIZE];
	ssize_t got;

	name_file(runtime_dir, volume_id, path);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Read, not mapped: its holder may cut it short at any time. */
	got = pread(fd, to, bytes, 0);
	if (got < 0)
		return -errno;
	return (size_t)got == bytes ? 0 : -EUCLEAN;
}

void ledger_file_remove(const char *runtime_dir, uint64_t volume_id)
{
	char path[LEDGER_PATH_SIZE];

	name_file(runtime_dir, volume_id, path);
	(void)unlink(path);
}
