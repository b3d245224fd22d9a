/* SPDX-License-Identifier: MIT */
#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/scope.h"
#include "base/text.h"

#define LINE_SIZE 512

/* Of a group of ours, in a hundredth of which a recovery passes; and of all of
 * them: what is left is for other supervisors of the host. */
#define REAL_TIME_US             4000
#define REAL_TIME_PERIOD_US      200000
#define REAL_TIME_BASE_US        100000
#define REAL_TIME_BASE_PERIOD_US 1000000

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
	char line[LINE_SIZE];
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), file)) {
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
			r = 0;
	}
	(void)fclose(file);
	return r;
}

/* Where the hierarchy is mounted: version 2, or a version 1 with `kind`. */
static int find_mount(const char *type, uint32_t kind, char *path, size_t room,
		      uint32_t *ret_kinds)
{
	FILE *file = fopen("/proc/self/mounts", "re");
	char line[LINE_SIZE];
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), file)) {
		char where[256], name[32], options[160];

		if (sscanf(line, "%*s %255s %31s %159s", where, name,
			   options) != 3 ||
		    strcmp(name, type) != 0)
			continue;
		*ret_kinds = kinds_of(options, ",");
		if (kind && !(*ret_kinds & kind))
			continue;
		if (snprintf(path, room, "%s", where) < (int)room)
			r = 0;
	}
	(void)fclose(file);
	return r;
}

static int open_own(const char *mount, const char *controller)
{
	char group[256], path[520];
	int r = own_group(controller, group, sizeof(group));

	if (r < 0)
		return r;
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
	char list[LINE_SIZE];
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

static bool is_below_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

/* systemd marks the groups that it has left to others (Delegate=). */
static bool is_delegated(int group)
{
	char value[8];

	return fgetxattr(group, "user.delegate", value, sizeof(value)) > 0 ||
	       fgetxattr(group, "trusted.delegate", value, sizeof(value)) > 0;
}

static int hand_on(int group, uint32_t kinds)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_COUNT(controllers); i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "+%s", controllers[i].name);
		if (kinds & controllers[i].kind)
			r = write_at(group, "cgroup.subtree_control", text);
	}
	return r;
}

/* Version 2 lets no group that hands controllers on hold processes (EBUSY). */
static int move_inside(int group, const char *name, uint64_t pid)
{
	SCOPED(close_fd) int inside = make_folder(group, name);

	if (inside < 0)
		return take_fd(&inside);
	return write_number(inside, "cgroup.procs", pid);
}

/* 0 when there is none. */
static uint64_t first_process(int group)
{
	SCOPED(close_fd) int fd = NO_FD;
	char text[24] = "";

	fd = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	return strtoull(text, NULL, 10);
}

/* What keeps the unit there waits for nothing but its end. */
static int open_unit(int own)
{
	SCOPED(close_fd) int unit = open_folder(own, "../" CGROUP_UNIT);
	uint64_t pid;

	if (unit < 0 || !is_delegated(unit))
		return -EOPNOTSUPP;
	pid = first_process(unit);
	if (pid)
		(void)move_inside(unit, "keeper", pid);
	return take_fd(&unit);
}

/*
 * The group to make ours in. Below systemd that is another unit's, in which
 * nothing is started again: our own would hand controllers on as long as a child
 * lives in it, and systemd could not start the next supervisor there.
 */
static int open_parent(const char *mount)
{
	SCOPED(close_fd) int own = open_own(mount, "");
	int r;

	if (own < 0)
		return take_fd(&own);
	if (is_below_systemd())
		return open_unit(own);
	if (!(read_kinds(own) & CGROUP_MEMORY))
		return -EOPNOTSUPP;
	r = move_inside(own, "bulkheadd", (uint64_t)getpid());
	return r < 0 ? r : take_fd(&own);
}

static int open_v2(const char *name, struct cgroup_base *base)
{
	SCOPED(close_fd) int parent = NO_FD;
	SCOPED(close_fd) int folder = NO_FD;
	char mount[256];
	uint32_t kinds = 0;
	int r = find_mount("cgroup2", 0, mount, sizeof(mount), &kinds);

	if (r < 0)
		return r;
	parent = open_parent(mount);
	if (parent < 0)
		return take_fd(&parent);
	kinds = read_kinds(parent);
	if (!(kinds & CGROUP_MEMORY))
		return -EOPNOTSUPP;
	r = hand_on(parent, kinds);
	if (r < 0)
		return r;
	folder = make_folder(parent, name);
	if (folder < 0)
		return take_fd(&folder);
	r = hand_on(folder, kinds);
	if (r < 0)
		return r;
	base->version = CGROUP_V2;
	add_tree(base, take_fd(&folder), kinds);
	return 0;
}

/*
 * A kernel with CONFIG_RT_GROUP_SCHED lets nobody into a real-time class whose
 * group has no budget for it. Other kernels and version 2 have no such file.
 */
static void give_real_time(int folder, uint64_t runtime_us, uint64_t period_us)
{
	if (write_number(folder, "cpu.rt_period_us", period_us) == 0)
		(void)write_number(folder, "cpu.rt_runtime_us", runtime_us);
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
	if (folder < 0)
		return;
	if (kinds & CGROUP_CPU)
		give_real_time(folder, REAL_TIME_BASE_US,
			       REAL_TIME_BASE_PERIOD_US);
	add_tree(base, folder, kinds);
}

int cgroup_base_open(const char *name, struct cgroup_base *ret_base)
{
	memset(ret_base, 0, sizeof(*ret_base));
	if (!text_is_name(name, NAME_SIZE) ||
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
	int r = 0;

	if ((kinds & CGROUP_MEMORY) && limits->memory_bytes)
		r = write_number(folder, "memory.limit_in_bytes",
				 limits->memory_bytes);
	if (r == 0 && (kinds & CGROUP_PIDS) && limits->process_count)
		r = write_number(folder, "pids.max", limits->process_count);
	if (kinds & CGROUP_CPU)
		give_real_time(folder, REAL_TIME_US, REAL_TIME_PERIOD_US);
	/* The usual share is 100 in version 2 and 1024 in version 1. */
	if (r == 0 && (kinds & CGROUP_CPU) && limits->cpu_weight)
		r = write_number(
			folder, "cpu.shares",
			max_u64(2, limits->cpu_weight * 1024ull / 100));
	return r;
}

static int limit_v2(int folder, uint32_t kinds,
		    const struct cgroup_limits *limits)
{
	int r = 0;

	if ((kinds & CGROUP_MEMORY) && limits->memory_bytes)
		r = write_number(folder, "memory.max", limits->memory_bytes);
	if (r == 0 && (kinds & CGROUP_PIDS) && limits->process_count)
		r = write_number(folder, "pids.max", limits->process_count);
	if (r == 0 && (kinds & CGROUP_CPU) && limits->cpu_weight)
		r = write_number(folder, "cpu.weight", limits->cpu_weight);
	return r;
}

/* Its folder, with the limits in force. */
static int open_group(const struct cgroup_base *base, uint32_t tree,
		      const char *group, const struct cgroup_limits *limits)
{
	SCOPED(close_fd) int folder = make_folder(base->fds[tree], group);
	int r;

	if (folder < 0)
		return take_fd(&folder);
	r = base->version == CGROUP_V2
		    ? limit_v2(folder, base->kinds[tree], limits)
		    : limit_v1(folder, base->kinds[tree], limits);
	return r < 0 ? r : take_fd(&folder);
}

int cgroup_create(const struct cgroup_base *base, const char *group,
		  const struct cgroup_limits *limits)
{
	if (!text_is_name(group, NAME_SIZE))
		return -EINVAL;
	return base->version == CGROUP_V2 ? open_group(base, 0, group, limits)
					  : -EOPNOTSUPP;
}

static int place_in_tree(const struct cgroup_base *base, uint32_t tree,
			 const char *group, pid_t pid,
			 const struct cgroup_limits *limits)
{
	SCOPED(close_fd) int folder = open_group(base, tree, group, limits);

	if (folder < 0)
		return take_fd(&folder);
	return write_number(folder, "cgroup.procs", (uint64_t)pid);
}

static void remove_group(const struct cgroup_base *base, const char *group)
{
	for (uint32_t i = 0; i < base->tree_count; i++)
		(void)unlinkat(base->fds[i], group, AT_REMOVEDIR);
}

int cgroup_place(const struct cgroup_base *base, const char *group, pid_t pid,
		 const struct cgroup_limits *limits)
{
	int r = base->tree_count ? 0 : -EOPNOTSUPP;

	if (!text_is_name(group, NAME_SIZE))
		return -EINVAL;
	for (uint32_t i = 0; r == 0 && i < base->tree_count; i++)
		r = place_in_tree(base, i, group, pid, limits);
	if (r < 0)
		remove_group(base, group);
	return r;
}

static FILE *open_members(int folder)
{
	SCOPED(close_fd) int fd = NO_FD;
	FILE *file;

	fd = openat(folder, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (file)
		(void)take_fd(&fd);
	return file;
}

static bool is_in(int folder, pid_t wanted)
{
	FILE *members = open_members(folder);
	int pid = 0;

	if (!members)
		return false;
	while (pid != wanted && fscanf(members, "%d", &pid) == 1)
		;
	(void)fclose(members);
	return pid == wanted;
}

/* Asked again with the pidfd open: its number means it from then on. */
static void kill_member(int folder, pid_t pid)
{
	SCOPED(close_fd) int pidfd = pidfd_open(pid, 0);

	if (pidfd < 0)
		pidfd = NO_FD;
	else if (is_in(folder, pid))
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
}

static void kill_each(int folder)
{
	FILE *members = open_members(folder);
	int pid;

	while (members && fscanf(members, "%d", &pid) == 1)
		kill_member(folder, pid);
	if (members)
		(void)fclose(members);
}

static void end_members(int folder, uint32_t wait_ms)
{
	const struct timespec pause = { .tv_nsec = NS_PER_MS };

	while (first_process(folder)) {
		if (write_at(folder, "cgroup.kill", "1") < 0)
			kill_each(folder);
		if (wait_ms-- == 0)
			break;
		(void)nanosleep(&pause, NULL);
	}
}

void cgroup_kill(const struct cgroup_base *base, const char *group,
		 uint32_t wait_ms)
{
	if (!text_is_name(group, NAME_SIZE))
		return;
	for (uint32_t i = 0; i < base->tree_count; i++) {
		SCOPED(close_fd) int folder = open_folder(base->fds[i], group);

		if (folder < 0)
			folder = NO_FD;
		else
			end_members(folder, wait_ms);
	}
	remove_group(base, group);
}
