/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/scope.h"
#include "definition/partition.h"

#define IMAGE   ".image"
#define PARTIAL ".partial"

#define IMAGE_PATH_SIZE (PATH_SIZE + NAME_SIZE + 32)

static void name_folder(const char *state_dir, char path[IMAGE_PATH_SIZE])
{
	(void)snprintf(path, IMAGE_PATH_SIZE, "%s/saved", state_dir);
}

static void name_file(const char *state_dir, const char *partition,
		      const char *suffix, char path[IMAGE_PATH_SIZE])
{
	(void)snprintf(path, IMAGE_PATH_SIZE, "%s/saved/%s%s", state_dir,
		       partition, suffix);
}

int image_open_folder(const char *state_dir)
{
	char path[IMAGE_PATH_SIZE];

	name_folder(state_dir, path);
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_file(const char *path, int flags, int *ret_fd)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int image_create(const char *state_dir, const char *partition, int *ret_fd)
{
	char path[IMAGE_PATH_SIZE];

	name_file(state_dir, partition, PARTIAL, path);
	(void)unlink(path);
	return open_file(path, O_RDWR | O_CREAT | O_EXCL, ret_fd);
}

/* A name is kept when its folder is. */
static int sync_folder(const char *state_dir)
{
	char path[IMAGE_PATH_SIZE];
	SCOPED(close_fd) int fd = NO_FD;

	name_folder(state_dir, path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int image_publish(const char *state_dir, const char *partition,
		  uint64_t *ret_bytes)
{
	char partial[IMAGE_PATH_SIZE], image[IMAGE_PATH_SIZE];
	struct stat status;

	name_file(state_dir, partition, PARTIAL, partial);
	name_file(state_dir, partition, IMAGE, image);
	if (stat(partial, &status) < 0 || rename(partial, image) < 0)
		return -errno;
	*ret_bytes = (uint64_t)status.st_blocks * 512;
	return sync_folder(state_dir);
}

int image_open(const char *state_dir, const char *partition, int *ret_fd)
{
	char path[IMAGE_PATH_SIZE];

	name_file(state_dir, partition, IMAGE, path);
	return open_file(path, O_RDONLY, ret_fd);
}

static const char *const suffixes[IMAGE_FILE_COUNT] = { PARTIAL, IMAGE };

int image_open_files(const char *state_dir, const char *partition,
		     int ret_fds[IMAGE_FILE_COUNT])
{
	char path[IMAGE_PATH_SIZE];
	int result = 0;

	for (int i = 0; i < IMAGE_FILE_COUNT; i++) {
		int r;

		ret_fds[i] = NO_FD;
		name_file(state_dir, partition, suffixes[i], path);
		r = open_file(path, O_RDWR, &ret_fds[i]);
		if (r < 0 && r != -ENOENT)
			result = r;
	}
	return result;
}

void image_remove(const char *state_dir, const char *partition)
{
	char path[IMAGE_PATH_SIZE];

	for (int i = 0; i < IMAGE_FILE_COUNT; i++) {
		name_file(state_dir, partition, suffixes[i], path);
		(void)unlink(path);
	}
}

int image_keep(const char *state_dir, const char *partition)
{
	char image[IMAGE_PATH_SIZE], folder[IMAGE_PATH_SIZE];
	char kept[IMAGE_PATH_SIZE + NAME_SIZE + 32];

	name_file(state_dir, partition, IMAGE, image);
	(void)snprintf(folder, sizeof(folder), "%s/saved/kept", state_dir);
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return -errno;
	(void)snprintf(kept, sizeof(kept), "%s/%s-%llu" IMAGE, folder,
		       partition, (unsigned long long)time(NULL));
	return rename(image, kept) < 0 ? -errno : 0;
}

/* The partition whose image has this file name. */
static bool read_name(const char *file, char partition[NAME_SIZE])
{
	size_t length = strlen(file);
	size_t suffix = strlen(IMAGE);

	if (length <= suffix || length - suffix >= NAME_SIZE ||
	    strcmp(file + length - suffix, IMAGE) != 0)
		return false;
	memcpy(partition, file, length - suffix);
	partition[length - suffix] = '\0';
	return true;
}

unsigned image_sweep(const char *state_dir,
		     bool (*is_kept)(void *context, const char *partition),
		     void *context)
{
	char path[IMAGE_PATH_SIZE], partition[NAME_SIZE];
	const struct dirent *entry;
	unsigned removed = 0;
	DIR *folder;

	name_folder(state_dir, path);
	folder = opendir(path);
	if (!folder)
		return 0;
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.' ||
		    (read_name(entry->d_name, partition) &&
		     is_kept(context, partition)))
			continue;
		removed += unlinkat(dirfd(folder), entry->d_name, 0) == 0;
	}
	(void)closedir(folder);
	return removed;
}
