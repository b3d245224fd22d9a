/* SPDX-License-Identifier: MIT */
/*
 * The store's copy: its pages, taken into memory while nobody else uses it and
 * written while everybody may. Only a whole one takes the place of the last.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/store/store_sql.h"

#define NEW_COPY "store.copy.new"
/* In the header: how it is written and read. 1: without a WAL. */
#define FORMAT_AT 18

bool store_has_file(const struct store *store, const char *name)
{
	struct stat status;

	return fstatat(store->directory_fd, name, &status,
		       AT_SYMLINK_NOFOLLOW) == 0 &&
	       status.st_size > 0;
}

bool store_is_ahead(const struct store *store)
{
	return store->commit_count != store->copied_count;
}

static void free_image(unsigned char **image)
{
	sqlite3_free(*image);
}

/* It may have to be read from the disk. */
static unsigned char *take_image(struct store *store, sqlite3_int64 *ret_bytes)
{
	unsigned char *image;

	store->copied_count = store->commit_count;
	errand_step_aside();
	image = sqlite3_serialize(store->database, "main", ret_bytes, 0);
	errand_step_back();
	if (image && *ret_bytes > FORMAT_AT + 1)
		image[FORMAT_AT] = image[FORMAT_AT + 1] = 1;
	return image;
}

static int check_image(unsigned char *image, sqlite3_int64 bytes)
{
	sqlite3 *database = NULL;
	int code = sqlite3_open(":memory:", &database);

	if (code == SQLITE_OK)
		code = sqlite3_deserialize(database, "main", image, bytes,
					   bytes, SQLITE_DESERIALIZE_READONLY);
	if (code == SQLITE_OK)
		code = store_check_pages(database);
	(void)sqlite3_close(database);
	if (code == SQLITE_OK)
		return 0;
	return code == SQLITE_NOMEM ? -ENOMEM : -EUCLEAN;
}

static int write_all(int fd, const unsigned char *image, sqlite3_int64 bytes)
{
	while (bytes > 0) {
		ssize_t written = write(fd, image, (size_t)bytes);

		if (written < 0)
			return -errno;
		image += written;
		bytes -= written;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int write_new(int directory, const unsigned char *image,
		     sqlite3_int64 bytes)
{
	SCOPED(close_fd) int fd = NO_FD;

	fd = openat(directory, NEW_COPY,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	return write_all(fd, image, bytes);
}

static int put_in_place(int directory)
{
	(void)failpoint("copy.written");
	if (renameat(directory, STORE_COPY, directory, STORE_OLD_COPY) < 0 &&
	    errno != ENOENT)
		return -errno;
	(void)failpoint("copy.between");
	if (renameat(directory, NEW_COPY, directory, STORE_COPY) < 0)
		return -errno;
	return fsync(directory) < 0 ? -errno : 0;
}

static int write_copy(int directory, unsigned char *image, sqlite3_int64 bytes)
{
	int r = check_image(image, bytes);

	if (r == 0)
		r = write_new(directory, image, bytes);
	if (r == 0)
		r = put_in_place(directory);
	if (r < 0)
		(void)unlinkat(directory, NEW_COPY, 0);
	return r;
}

int store_copy(struct store *store)
{
	SCOPED(free_image) unsigned char *image = NULL;
	sqlite3_int64 bytes = 0;
	int r = store_lock(store);

	if (r < 0)
		return r;
	image = take_image(store, &bytes);
	store_unlock(store);
	if (!image)
		return -ENOMEM;
	errand_step_aside();
	r = write_copy(store->directory_fd, image, bytes);
	errand_step_back();
	return r;
}
