/* SPDX-License-Identifier: MIT */
#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "base/text.h"

#define LINE_ROOM 512

static const struct {
	const char *name;
	enum cgroup_kind kind;
} controllers[] = {
	{ "memory", CGROUP_MEMORY },
	{ "pids", CGROUP_PIDS },
	{ "cpu", CGROUP_CPU },
};

static uint32_t kinds_of(char *list, const char *separators)
{
	uint32_t kinds = 0;

	for (char *one = strsep(&list, separators); one;
	     one = strsep(&list, separators))
		for (size_t i = 0; i < ARRAY_COUNT(controllers); i++)
			if (strcmp(one, controllers[i].name) == 0)
				kinds |= controllers[i].kind;
	return kinds;
}

static int write_at(int folder, const char *name, const char *text)
{
	SCOPED(close_fd) int fd = NO_FD;
	ssize_t written;

	fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	written = write(fd, text, strlen(text));
	return written < 0 ? -errno : 0;
}

static int write_number(int folder, const char *name, uint64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return write_at(folder, name, text);
}

static int open_folder(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int make_folder(int at, const char *path)
{
	if (mkdirat(at, path, 0755) < 0 && errno != EEXIST)
		return -errno;
	return open_folder(at, path);
}

/*
 * The group of this process in the hierarchy with this controller; "" names
 * version 2. A line of /proc/self/cgroup is "number:controllers:path".
 */
static int own_group(const char *controller, char *path, size_t room)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[LINE_ROOM];
	int result = -ENOENT;

	if (!file)
		return -errno;
	while (result < 0 && fgets(line, sizeof(line), file)) {
		char *rest = line, *number, *names;
		bool is_match = false;

		line[strcspn(line, "\n")] = '\0';
		number = strsep(&rest, ":");
		names = strsep(&rest, ":");
		if (!number || !names || !rest)
			continue;
		if (!*controller)
			is_match = strcmp(number, "0") == 0;
		for (char *one = strsep(&names, ","); one && *controller;
		     one = strsep(&names, ","))
			is_match |= strcmp(one, controller) == 0;
		if (is_match && snprintf(path, room, "%s", rest) < (int)room)
			result = 0;
	}
	(void)fclose(file);
	return result;
}

/* Where the hierarchy is mounted: version 2, or a version 1 with `kind`. */
static int find_mount(const char *type, uint32_t kind, char *path, size_t room,
		      uint32_t *ret_kinds)
{
	FILE *file = fopen("/proc/self/mounts", "re");
	char line[LINE_ROOM];
	int result = -ENOENT;

	if (!file)
		return -errno;
	while (result < 0 && fgets(line, sizeof(line), file)) {
		char where[256], name[32], options[160];

		if (sscanf(line, "%*s %255s %31s %159s", where, name,
			   options) != 3 ||
		    strcmp(name, type) != 0)
			continue;
		*ret_kinds = kinds_of(options, ",");
		if (kind && !(*ret_kinds & kind))
			continue;
		if (snprintf(path, room, "%s", where) < (int)room)
			result = 0;
	}
	(void)fclose(file);
	return result;
}

static int open_own(const char *mount, const char *controller)
{
	char group[256], path[520];
	int error = own_group(controller, group, sizeof(group));

	if (error < 0)
		return error;
	(void)snprintf(path, sizeof(path), "%s%s", mount, group);
	return open_folder(AT_FDCWD, path);
}

static void add_tree(struct cgroup_base *base, int fd, uint32_t kinds)
{
	base->fds[base->tree_count] = fd;
	base->kinds[base->tree_count++] = kinds;
}

static bool is_covered(const struct cgroup_base *base, uint32_t kind)
{
	for (uint32_t i = 0; i < base->tree_count; i++)
		if (base->kinds[i] & kind)
			return true;
	return false;
}

static uint32_t read_kinds(int folder)
{
	SCOPED(close_fd) int fd = NO_FD;
	char list[LINE_ROOM];
	ssize_t bytes;

	fd = openat(folder, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	bytes = read(fd, list, sizeof(list) - 1);
	if (bytes < 0)
		return 0;
	list[bytes] = '\0';
	return kinds_of(list, " \n");
}

/* Below systemd a group belongs to its manager, unless it is marked as
 * delegated (systemd.resource-control(5), Delegate=). */
static bool is_ours(int own)
{
	char value[8];

	if (access("/run/systemd/system", F_OK) < 0)
		return true;
	return fgetxattr(own, "user.delegate", value, sizeof(value)) > 0 ||
	       fgetxattr(own, "trusted.delegate", value, sizeof(value)) > 0;
}

/*
 * Hand the controllers on to the groups below. Version 2 refuses it (EBUSY)
 * to a group that holds processes, so the supervisor itself first moves into
 * a group of its own.
 */
static int delegate(int own, uint32_t kinds)
{
	SCOPED(close_fd) int inside = NO_FD;
	int error = 0;

	inside = make_folder(own, "bulkheadd");
	if (inside < 0)
		return take_fd(&inside);
	error = write_number(inside, "cgroup.procs", (uint64_t)getpid());
	for (size_t i = 0; error == 0 && i < ARRAY_COUNT(controllers); i++) {
		char text[16];

		if (!(kinds & controllers[i].kind))
			continue;
		(void)snprintf(text, sizeof(text), "+%s", controllers[i].name);
		error = write_at(own, "cgroup.subtree_control", text);
	}
	return error;
}

static int open_v2(const char *name, struct cgroup_base *base)
{
	SCOPED(close_fd) int own = NO_FD;
	SCOPED(close_fd) int folder = NO_FD;
	char mount[256];
	uint32_t kinds = 0;
	int error = find_mount("cgroup2", 0, mount, sizeof(mount), &kinds);

	if (error < 0)
		return error;
	own = open_own(mount, "");
	if (own < 0)
		return take_fd(&own);
	kinds = read_kinds(own);
	if (!(kinds & CGROUP_MEMORY) || !is_ours(own))
		return -EOPNOTSUPP;
	error = delegate(own, kinds);
	if (error < 0)
		return error;
	folder = make_folder(own, name);
	if (folder < 0)
		return take_fd(&folder);
	for (size_t i = 0; error == 0 && i < ARRAY_COUNT(controllers); i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "+%s", controllers[i].name);
		if (kinds & controllers[i].kind)
			error = write_at(folder, "cgroup.subtree_control",
					 text);
	}
	if (error < 0)
		return error;
	base->version = CGROUP_V2;
	add_tree(base, take_fd(&folder), kinds);
	return 0;
}

static void open_v1_tree(const char *name, size_t index,
			 struct cgroup_base *base)
{
	SCOPED(close_fd) int own = NO_FD;
	char mount[256];
	uint32_t kinds = 0;
	int folder;

	if (is_covered(base, controllers[index].kind) ||
	    find_mount("cgroup", controllers[index].kind, mount, sizeof(mount),
		       &kinds) < 0)
		return;
	own = open_own(mount, controllers[index].name);
	if (own < 0)
		return;
	folder = make_folder(own, name);
	if (folder >= 0)
		add_tree(base, folder, kinds);
}

int cgroup_base_open(const char *name, struct cgroup_base *ret_base)
{
	memset(ret_base, 0, sizeof(*ret_base));
	if (!text_is_name(name, NAME_ROOM) ||
	    text_copy(ret_base->name, sizeof(ret_base->name), name) < 0)
		return -EINVAL;
	if (open_v2(name, ret_base) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_COUNT(controllers); i++)
		open_v1_tree(name, i, ret_base);
	if (ret_base->tree_count == 0)
		return -EOPNOTSUPP;
	ret_base->version = CGROUP_V1;
	return 0;
}

static void sweep_tree(int folder)
{
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 3);
	DIR *groups = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!groups) {
		close_fd(&copy);
		return;
	}
	rewinddir(groups);
	while ((entry = readdir(groups)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			(void)unlinkat(folder, entry->d_name, AT_REMOVEDIR);
	(void)closedir(groups);
}

void cgroup_sweep(const struct cgroup_base *base)
{
	for (uint32_t i = 0; i < base->tree_count; i++)
		sweep_tree(base->fds[i]);
}

void cgroup_base_close(struct cgroup_base *base)
{
	cgroup_sweep(base);
	for (uint32_t i = 0; i < base->tree_count; i++) {
		SCOPED(close_fd) int above = open_folder(base->fds[i], "..");

		if (above >= 0)
			(void)unlinkat(above, base->name, AT_REMOVEDIR);
		close_fd(&base->fds[i]);
	}
	base->tree_count = 0;
	base->version = CGROUP_NONE;
}

static int limit_v1(int folder, uint32_t kinds,
		    const struct cgroup_limits *limits)
{
	int error = 0;

	if ((kinds & CGROUP_MEMORY) && limits->memory_bytes)
		error = write_number(folder, "memory.limit_in_bytes",
				     limits->memory_bytes);
	if (error == 0 && (kinds & CGROUP_PIDS) && limits->process_count)
		error = write_number(folder, "pids.max", limits->process_count);
	/* The usual share is 100 in version 2 and 1024 in version 1. */
	if (error == 0 && (kinds & CGROUP_CPU) && limits->cpu_weight)
		error = write_number(
			folder, "cpu.shares",
			max_u64(2, limits->cpu_weight * 1024ull / 100));
	return error;
}

static int limit_v2(int folder, uint32_t kinds,
		    const struct cgroup_limits *limits)
{
	int error = 0;

	if ((kinds & CGROUP_MEMORY) && limits->memory_bytes)
		error = write_number(folder, "memory.max",
				     limits->memory_bytes);
	if (error == 0 && (kinds & CGROUP_PIDS) && limits->process_count)
		error = write_number(folder, "pids.max", limits->process_count);
	if (error == 0 && (kinds & CGROUP_CPU) && limits->cpu_weight)
		error = write_number(folder, "cpu.weight", limits->cpu_weight);
	return error;
}

static int place_in_tree(const struct cgroup_base *base, uint32_t tree,
			 const char *group, pid_t pid,
			 const struct cgroup_limits *limits)
{
	SCOPED(close_fd) int folder = make_folder(base->fds[tree], group);
	int error;

	if (folder < 0)
		return take_fd(&folder);
	error = base->version == CGROUP_V2
			? limit_v2(folder, base->kinds[tree], limits)
			: limit_v1(folder, base->kinds[tree], limits);
	if (error == 0)
		error = write_number(folder, "cgroup.procs", (uint64_t)pid);
	return error;
}

int cgroup_place(const struct cgroup_base *base, const char *group, pid_t pid,
		 const struct cgroup_limits *limits)
{
	int error = base->tree_count ? 0 : -EOPNOTSUPP;

	if (!text_is_name(group, NAME_ROOM))
		return -EINVAL;
	for (uint32_t i = 0; error == 0 && i < base->tree_count; i++)
		error = place_in_tree(base, i, group, pid, limits);
	if (error < 0)
		(void)cgroup_remove(base, group);
	return error;
}

int cgroup_remove(const struct cgroup_base *base, const char *group)
{
	int error = 0;

	if (!text_is_name(group, NAME_ROOM))
		return -EINVAL;
	for (uint32_t i = 0; i < base->tree_count; i++)
		if (unlinkat(base->fds[i], group, AT_REMOVEDIR) < 0 &&
		    errno != ENOENT)
			error = -errno;
	return error;
}
