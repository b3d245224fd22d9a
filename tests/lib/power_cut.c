/* SPDX-License-Identifier: MIT */
#include "lib/power_cut.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"

#define PATH_BYTES  256
#define CHANGES_MAX 64

enum kind { MADE, MOVED, REMOVED };

struct change {
	enum kind kind;
	char path[PATH_BYTES];  /* the name that it is about */
	char other[PATH_BYTES]; /* before a MOVED, now of a MADE, kept of a
				   REMOVED */
	bool is_durable;
	bool has_contents; /* of a MADE: they are durable */
};

static struct {
	char folder[PATH_BYTES];
	char attic[PATH_BYTES];
	unsigned count;
	unsigned kept_count;
	struct change changes[CHANGES_MAX];
} * record;

int __wrap_open64(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_rename(const char *from, const char *to);
int __real_rename(const char *from, const char *to);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to,
		     unsigned int flags);
int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to,
		     unsigned int flags);
int __wrap_unlink(const char *path);
int __real_unlink(const char *path);
int __wrap_fsync(int fd);
int __real_fsync(int fd);
int __wrap_fdatasync(int fd);
int __real_fdatasync(int fd);

static void copy(char to[PATH_BYTES], const char *path)
{
	CHECK(strlen(path) < PATH_BYTES);
	(void)strcpy(to, path);
}

static bool is_watched(const char *path)
{
	return record && record->folder[0] &&
	       strncmp(path, record->folder, strlen(record->folder)) == 0;
}

static struct change *note(enum kind kind, const char *path, const char *other)
{
	struct change *change = &record->changes[record->count++];

	CHECK(record->count <= CHANGES_MAX);
	*change = (struct change){ .kind = kind };
	copy(change->path, path);
	copy(change->other, other);
	return change;
}

void power_watch(const char *folder, const char *attic)
{
	if (!record)
		record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(record != MAP_FAILED);
	memset(record, 0, sizeof(*record));
	copy(record->folder, folder);
	copy(record->attic, attic);
}

/* What changes names. ---------------------------------------------------------- */

int __wrap_open64(const char *path, int flags, ...)
{
	bool is_new =
		flags & O_CREAT && is_watched(path) && access(path, F_OK) < 0;
	va_list arguments;
	mode_t mode = 0;
	int fd;

	va_start(arguments, flags);
	if (flags & O_CREAT)
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	fd = __real_open64(path, flags, mode);
	if (fd >= 0 && is_new)
		(void)note(MADE, path, path);
	return fd;
}

static void move(const char *from, const char *to)
{
	for (unsigned i = 0; i < record->count; i++)
		if (record->changes[i].kind == MADE &&
		    strcmp(record->changes[i].other, from) == 0)
			copy(record->changes[i].other, to);
}

static int note_move(int result, const char *from, const char *to)
{
	if (result < 0 || !is_watched(to))
		return result;
	move(from, to);
	(void)note(MOVED, to, from);
	return result;
}

int __wrap_rename(const char *from, const char *to)
{
	return note_move(__real_rename(from, to), from, to);
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to,
		     unsigned int flags)
{
	return note_move(__real_renameat2(from_fd, from, to_fd, to, flags),
			 from, to);
}

int __wrap_unlink(const char *path)
{
	char kept[PATH_BYTES + 16];

	if (!is_watched(path) || access(path, F_OK) < 0)
		return __real_unlink(path);
	(void)snprintf(kept, sizeof(kept), "%s/%u", record->attic,
		       record->kept_count++);
	CHECK_EQ(__real_rename(path, kept), 0);
	(void)note(REMOVED, path, kept);
	return 0;
}

/* What makes them durable. ----------------------------------------------------- */

static bool is_same(const char *path, const struct stat *wanted)
{
	struct stat status;

	return stat(path, &status) == 0 && status.st_dev == wanted->st_dev &&
	       status.st_ino == wanted->st_ino;
}

static bool is_in(const char *path, const struct stat *folder)
{
	char name[PATH_BYTES];

	copy(name, path);
	*strrchr(name, '/') = '\0';
	return is_same(name, folder);
}

static int note_sync(int result, int fd)
{
	struct stat status;

	if (result < 0 || !record || fstat(fd, &status) < 0)
		return result;
	for (unsigned i = 0; i < record->count; i++) {
		struct change *change = &record->changes[i];

		change->is_durable |=
			S_ISDIR(status.st_mode) && is_in(change->path, &status);
		change->has_contents |=
			change->kind == MADE && is_same(change->other, &status);
	}
	return result;
}

int __wrap_fsync(int fd)
{
	return note_sync(__real_fsync(fd), fd);
}

int __wrap_fdatasync(int fd)
{
	return note_sync(__real_fdatasync(fd), fd);
}

/* The cut. --------------------------------------------------------------------- */

static void undo(const struct change *change)
{
	if (change->kind == MADE)
		CHECK_EQ(__real_unlink(change->path), 0);
	else
		CHECK_EQ(__real_rename(change->kind == MOVED ? change->path
							     : change->other,
				       change->kind == MOVED ? change->other
							     : change->path),
			 0);
	if (change->kind == MOVED)
		move(change->path, change->other);
}

void power_cut(void)
{
	for (unsigned i = record->count; i-- > 0;)
		if (!record->changes[i].is_durable)
			undo(&record->changes[i]);
	for (unsigned i = 0; i < record->count; i++) {
		const struct change *change = &record->changes[i];

		if (change->kind == MADE && change->is_durable &&
		    !change->has_contents && access(change->other, F_OK) == 0)
			CHECK_EQ(truncate(change->other, 0), 0);
	}
	record->count = 0;
}
