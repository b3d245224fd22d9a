/* SPDX-License-Identifier: MIT */
/*
 * A file system with one slow or failing file, for tests of fences and errors.
 *
 *   slowfs BACKING MOUNTPOINT
 *
 * MOUNTPOINT/disk is BACKING, seen through delays: a read or write sleeps
 * first, then happens, so that what has landed can be watched in BACKING. A
 * loop device over it is a slow disk whose requests are in the kernel.
 *
 * MOUNTPOINT/control takes lines "NAME VALUE" and shows them when read:
 *   write_ms, read_ms, flush_ms   delay of each request
 *   write_error, flush_error, read_error   errno to fail with; 0 for none
 *   begun, landed, flushes   writes begun and done, and flushes begun so far
 *                            (setting resets)
 *
 * Runs in the foreground until it is unmounted.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int backing;

static struct {
	const char *name;
	long value; /* atomic */
} settings[] = {
	{ "write_ms", 0 },    { "read_ms", 0 },    { "write_error", 0 },
	{ "flush_error", 0 }, { "read_error", 0 }, { "begun", 0 },
	{ "landed", 0 },      { "flush_ms", 0 },   { "flushes", 0 },
};

enum {
	WRITE_MS,
	READ_MS,
	WRITE_ERROR,
	FLUSH_ERROR,
	READ_ERROR,
	BEGUN,
	LANDED,
	FLUSH_MS,
	FLUSHES
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

static long setting(int which)
{
	return __atomic_load_n(&settings[which].value, __ATOMIC_SEQ_CST);
}

static void count(int which)
{
	(void)__atomic_add_fetch(&settings[which].value, 1, __ATOMIC_SEQ_CST);
}

static int is_control(const char *path)
{
	return strcmp(path, "/control") == 0;
}

static void delay(int which)
{
	(void)usleep((useconds_t)setting(which) * 1000);
}

static int get_attributes(const char *path, struct stat *status,
			  struct fuse_file_info *info)
{
	struct stat real;

	*status = (struct stat){ .st_nlink = 1, .st_mode = S_IFREG | 0600 };
	if (strcmp(path, "/") == 0)
		status->st_mode = S_IFDIR | 0700;
	else if (strcmp(path, "/disk") == 0 && fstat(backing, &real) == 0)
		status->st_size = real.st_size;
	else if (!is_control(path))
		return -ENOENT;
	return 0;
}

/* Past the page cache, so that every request comes to us. */
static int open_file(const char *path, struct fuse_file_info *info)
{
	info->direct_io = 1;
	return 0;
}

static int read_control(char *to, size_t room, off_t at)
{
	char text[512];
	size_t used = 0;

	for (size_t i = 0; i < SETTING_COUNT; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s %ld\n", settings[i].name,
					 setting((int)i));
	if ((size_t)at >= used)
		return 0;
	used -= (size_t)at;
	if (used > room)
		used = room;
	memcpy(to, text + at, used);
	return (int)used;
}

static int read_file(const char *path, char *to, size_t room, off_t at,
		     struct fuse_file_info *info)
{
	ssize_t got;

	if (is_control(path))
		return read_control(to, room, at);
	delay(READ_MS);
	if (setting(READ_ERROR))
		return -(int)setting(READ_ERROR);
	got = pread(backing, to, room, at);
	return got < 0 ? -errno : (int)got;
}

static void set_line(const char *line)
{
	char name[32];
	long value;

	if (sscanf(line, "%31s %ld", name, &value) != 2)
		return;
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (strcmp(name, settings[i].name) == 0)
			__atomic_store_n(&settings[i].value, value,
					 __ATOMIC_SEQ_CST);
}

static int write_control(const char *from, size_t bytes)
{
	char text[512], *rest = NULL;

	if (bytes >= sizeof(text))
		return -EINVAL;
	memcpy(text, from, bytes);
	text[bytes] = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		set_line(line);
	return (int)bytes;
}

static int write_file(const char *path, const char *from, size_t bytes,
		      off_t at, struct fuse_file_info *info)
{
	ssize_t wrote;

	if (is_control(path))
		return write_control(from, bytes);
	count(BEGUN);
	delay(WRITE_MS);
	if (setting(WRITE_ERROR))
		return -(int)setting(WRITE_ERROR);
	wrote = pwrite(backing, from, bytes, at);
	if (wrote < 0)
		return -errno;
	count(LANDED);
	return (int)wrote;
}

static int flush_file(const char *path, int data_only,
		      struct fuse_file_info *info)
{
	int error = (int)setting(FLUSH_ERROR);

	count(FLUSHES);
	delay(FLUSH_MS);
	return -error;
}

/* A shell's "> control". */
static int truncate_file(const char *path, off_t bytes,
			 struct fuse_file_info *info)
{
	return is_control(path) ? 0 : -EPERM;
}

static const struct fuse_operations operations = {
	.getattr = get_attributes,
	.open = open_file,
	.read = read_file,
	.write = write_file,
	.fsync = flush_file,
	.truncate = truncate_file,
};

int main(int argc, char **argv)
{
	char foreground[] = "-f";
	char *arguments[] = { argv[0], foreground, NULL, NULL };

	if (argc != 3) {
		(void)fprintf(stderr, "usage: slowfs BACKING MOUNTPOINT\n");
		return 2;
	}
	backing = open(argv[1], O_RDWR | O_CLOEXEC);
	if (backing < 0) {
		perror(argv[1]);
		return 1;
	}
	arguments[2] = argv[2];
	return fuse_main(3, arguments, &operations, NULL);
}
