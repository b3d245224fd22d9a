/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "probe/probe_rows.h"

#define SECONDS 5

/* ---- disk I/O ---- */

static void probe_io_uring(struct probe_table *table)
{
	char parameters[120] = { 0 }; /* struct io_uring_params */
	SCOPED(close_fd) int fd = NO_FD;

	fd = (int)syscall(SYS_io_uring_setup, 1, parameters);
	if (fd >= 0)
		probe_add(table, "io_uring", PROBE_YES, NULL,
			  "available; not used for disks, where it would break "
			  "the fence");
	else
		probe_add(table, "io_uring", PROBE_NO, NULL,
			  "%s; not used for disks anyway", strerror(errno));
}

static void probe_libaio(struct probe_table *table)
{
	unsigned long context = 0;

	if (syscall(SYS_io_setup, 1, &context) < 0) {
		probe_add(table, "libaio", PROBE_NO,
			  "disks with `cache: direct` use threads instead",
			  "%s", strerror(errno));
		return;
	}
	(void)syscall(SYS_io_destroy, context);
	probe_add(table, "libaio", PROBE_YES, NULL,
		  "asynchronous O_DIRECT for disks with `cache: direct`");
}

/* ---- control groups ---- */

/* Where the first hierarchy of this kind is mounted. */
static bool find_mount(const char *kind, char *path, size_t room)
{
	SCOPED(free_pointer) char *line = NULL;
	size_t bytes = 0;
	bool is_found = false;
	FILE *mounts = fopen("/proc/self/mounts", "re");

	while (mounts && !is_found && getline(&line, &bytes, mounts) > 0) {
		char where[200], type[32];

		if (sscanf(line, "%*s %199s %31s", where, type) != 2 ||
		    strcmp(type, kind) != 0)
			continue;
		is_found = snprintf(path, room, "%s", where) < (int)room;
	}
	if (mounts)
		(void)fclose(mounts);
	return is_found;
}

/* First line of a file, without its end; empty when it cannot be read. */
static void read_text(const char *path, char *text, size_t room)
{
	FILE *file = fopen(path, "re");

	text[0] = '\0';
	if (!file)
		return;
	if (!fgets(text, (int)room, file))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	(void)fclose(file);
}

/* The group of this process in the hierarchy of version 2. */
static void own_group(char *path, size_t room)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[256];

	(void)snprintf(path, room, "/");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "0::", 3) == 0) {
			line[strcspn(line, "\n")] = '\0';
			(void)snprintf(path, room, "%s", line + 3);
		}
	if (file)
		(void)fclose(file);
}

static void probe_cgroup2(struct probe_table *table)
{
	char mount[200], group[256], path[600], controllers[100];

	if (!find_mount("cgroup2", mount, sizeof(mount))) {
		probe_add(table, "cgroup.v2", PROBE_NO, NULL, "not mounted");
		return;
	}
	own_group(group, sizeof(group));
	(void)snprintf(path, sizeof(path), "%s%s/cgroup.controllers", mount,
		       group);
	read_text(path, controllers, sizeof(controllers));
	(void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", mount, group);
	if (!strstr(controllers, "memory"))
		probe_add(table, "cgroup.v2", PROBE_PARTIAL,
			  "version 1 is used where available",
			  "mounted without the memory controller (%s)",
			  controllers[0] ? controllers : "none");
	else if (access(path, W_OK) < 0)
		probe_add(table, "cgroup.v2", PROBE_PARTIAL,
			  "start bulkheadd from its unit (Delegate=yes)",
			  "controllers %s, not delegated to us", controllers);
	else
		probe_add(table, "cgroup.v2", PROBE_YES, NULL,
			  "controllers %s, delegated to us", controllers);
}

/* A hierarchy whose mount options name the controller. */
static bool find_cgroup1(const char *controller, char *path, size_t room)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[512];
	bool is_found = false;

	while (mounts && !is_found && fgets(line, sizeof(line), mounts)) {
		char where[200], type[32], options[200];

		if (sscanf(line, "%*s %199s %31s %199s", where, type,
			   options) != 3 ||
		    strcmp(type, "cgroup") != 0)
			continue;
		for (char *rest = options, *one = strsep(&rest, ","); one;
		     one = strsep(&rest, ","))
			is_found |= strcmp(one, controller) == 0;
		(void)snprintf(path, room, "%s", where);
	}
	if (mounts)
		(void)fclose(mounts);
	return is_found;
}

static void probe_cgroup1(struct probe_table *table)
{
	static const char *const wanted[] = { "memory", "pids", "cpu" };
	char found[64] = "", path[200];
	size_t count = 0, writable = 0;

	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
		if (!find_cgroup1(wanted[i], path, sizeof(path)))
			continue;
		(void)strcat(strcat(found, count++ ? "," : ""), wanted[i]);
		writable += access(path, W_OK) == 0;
	}
	if (count == 0)
		probe_add(table, "cgroup.v1", PROBE_NO, NULL, "not mounted");
	else
		probe_add(table, "cgroup.v1",
			  writable == ARRAY_COUNT(wanted) ? PROBE_YES
							  : PROBE_PARTIAL,
			  NULL, "controllers %s, %zu of them delegated to us",
			  found, writable);
}

/* ---- isolation ---- */

struct namespace
{
	const char *id;
	int flag;
};

static const struct namespace namespaces[] = {
	{ "namespace.mount", CLONE_NEWNS },
	{ "namespace.net", CLONE_NEWNET },
	{ "namespace.ipc", CLONE_NEWIPC },
	{ "namespace.uts", CLONE_NEWUTS },
	{ "namespace.pid", CLONE_NEWPID },
	{ "namespace.cgroup", CLONE_NEWCGROUP },
};

/* As the sandbox does it: an ordinary user through a user namespace. */
static void ask_namespace(const void *argument, struct probe_answer *answer)
{
	const struct namespace *which = argument;
	int flags = which->flag | (geteuid() ? CLONE_NEWUSER : 0);

	if (unshare(flags) < 0)
		answer->error = -errno;
}

static void probe_namespaces(struct probe_table *table)
{
	for (size_t i = 0; i < ARRAY_COUNT(namespaces); i++) {
		struct probe_answer answer;

		probe_in_child(ask_namespace, &namespaces[i], SECONDS, &answer);
		if (answer.error == 0)
			probe_add(table, namespaces[i].id, PROBE_YES, NULL,
				  "can be created %s",
				  geteuid() ? "in a user namespace"
					    : "as root");
		else
			probe_add(table, namespaces[i].id, PROBE_NO,
				  "see namespace.user", "%s",
				  strerror(-answer.error));
	}
}

/* Asked as an ordinary user would, also for root: passt is one. */
static void probe_user_namespace(struct probe_table *table)
{
	char refusal[128];

	if (probe_userns(refusal, sizeof(refusal)) == 0)
		probe_add(table, "namespace.user", PROBE_YES, NULL,
			  "ordinary users can create them");
	else
		probe_add(table, "namespace.user", PROBE_NO,
			  "without them, passt and QEMU cannot run for "
			  "ordinary users; see bulkheadd.conf(5)",
			  "%s", refusal);
}

static void probe_landlock(struct probe_table *table)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);

	if (abi < 0)
		probe_add(table, "landlock", PROBE_NO,
			  "boot with lsm=landlock,... on Linux 5.13 or later",
			  "%s", strerror(errno));
	else
		probe_add(table, "landlock",
			  abi >= 6 ? PROBE_YES : PROBE_PARTIAL,
			  abi >= 6 ? NULL
				   : "Linux 6.12 scopes signals and sockets",
			  "ABI %ld", abi);
}

static void probe_seccomp(struct probe_table *table)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		probe_add(table, "seccomp", PROBE_YES, NULL,
			  "filters kill a process that violates them");
	else
		probe_add(table, "seccomp", PROBE_NO,
			  "use a kernel with CONFIG_SECCOMP_FILTER", "%s",
			  strerror(errno));
}

/* ---- processors ---- */

/* As the supervisor does it; a child's group is another matter. */
static void ask_real_time(const void *argument, struct probe_answer *answer)
{
	const struct sched_param least = { .sched_priority = 1 };

	if (syscall(SYS_sched_setscheduler, 0, SCHED_RR, &least) < 0)
		answer->error = -errno;
}

static void probe_real_time(struct probe_table *table)
{
	struct probe_answer answer;

	probe_in_child(ask_real_time, NULL, SECONDS, &answer);
	if (answer.error == 0)
		probe_add(table, "real-time", PROBE_YES, NULL,
			  "recoveries run ahead of ordinary processes");
	else
		probe_add(table, "real-time", PROBE_NO,
			  "recoveries take longer on a busy host; root has "
			  "CAP_SYS_NICE, unless its control group has no "
			  "real-time budget (CONFIG_RT_GROUP_SCHED)",
			  "%s", strerror(-answer.error));
}

/* ---- hardware and kernel ---- */

static size_t count_entries(const char *path)
{
	DIR *folder = opendir(path);
	size_t count = 0;

	if (!folder)
		return 0;
	for (struct dirent *entry = readdir(folder); entry;
	     entry = readdir(folder))
		count += entry->d_name[0] != '.';
	(void)closedir(folder);
	return count;
}

static void probe_iommu(struct probe_table *table)
{
	size_t count = count_entries("/sys/kernel/iommu_groups");

	if (count)
		probe_add(table, "iommu", PROBE_YES, NULL, "%zu groups", count);
	else
		probe_add(table, "iommu", PROBE_NO,
			  "only needed to assign devices to partitions; enable "
			  "it in the firmware and boot with intel_iommu=on",
			  "no groups");
}

/* A number of /proc/meminfo, in its unit; 0 when it is not there. */
static unsigned long long memory_field(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long value = 0;
	size_t length = strlen(name);
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			value = strtoull(line + length + 1, NULL, 10);
	if (file)
		(void)fclose(file);
	return value;
}

static void probe_memory(struct probe_table *table)
{
	unsigned long long total_mib = memory_field("MemTotal") >> 10;
	unsigned long long free_mib = memory_field("MemAvailable") >> 10;
	unsigned long long pages = memory_field("HugePages_Total");

	probe_add(table, "memory", free_mib >= 512 ? PROBE_YES : PROBE_PARTIAL,
		  free_mib >= 512 ? NULL : "little is left for partitions",
		  "%llu MiB, %llu MiB of them available", total_mib, free_mib);
	if (pages)
		probe_add(table, "hugepages", PROBE_YES, NULL,
			  "%llu of %llu kB, %llu free", pages,
			  memory_field("Hugepagesize"),
			  memory_field("HugePages_Free"));
	else
		probe_add(table, "hugepages", PROBE_NO, NULL,
			  "none reserved; transparent huge pages are used");
}

static void probe_descriptors(struct probe_table *table)
{
	SCOPED(close_fd) int memory = NO_FD;
	SCOPED(close_fd) int process = NO_FD;

	memory = memfd_create("probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory >= 0 && fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
		probe_add(table, "memfd", PROBE_YES, NULL, "with seals");
	else
		probe_add(table, "memfd", PROBE_NO,
			  "channels need it: use Linux 5.10 or later", "%s",
			  strerror(errno));
	process = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (process >= 0)
		probe_add(table, "pidfd", PROBE_YES, NULL,
			  "process exits are noticed at once");
	else
		probe_add(table, "pidfd", PROBE_NO,
			  "fencing needs it: use Linux 5.10 or later", "%s",
			  strerror(errno));
}

void probe_host(struct probe_table *table)
{
	probe_user_namespace(table);
	probe_namespaces(table);
	probe_landlock(table);
	probe_seccomp(table);
	probe_cgroup2(table);
	probe_cgroup1(table);
	probe_real_time(table);
	probe_libaio(table);
	probe_io_uring(table);
	probe_memory(table);
	probe_iommu(table);
	probe_descriptors(table);
}
