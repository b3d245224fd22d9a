/* SPDX-License-Identifier: MIT */
/*
 * A control group per child process, as far as the host allows.
 *
 * Version 2 where it has controllers and our subtree is writable (under systemd
 * the delegated unit CGROUP_UNIT), else the version 1 hierarchies of memory,
 * pids and cpu. An optional layer: a process runs without it as well.
 *
 * Errors     0 or a negative errno.
 */
#ifndef SANDBOX_CGROUP_H
#define SANDBOX_CGROUP_H

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

#define CGROUP_TREE_MAX 3

/* Under systemd: the sibling unit in which children's groups are created. */
#define CGROUP_UNIT "bulkhead-children.service"

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

/* Where our groups are created: a directory below the caller's own group. */
struct cgroup_base {
	enum cgroup_version version;
	char name[NAME_SIZE];
	uint32_t tree_count;             /* 1 for version 2 */
	int fds[CGROUP_TREE_MAX];        /* owned folders */
	uint32_t kinds[CGROUP_TREE_MAX]; /* enum cgroup_kind bits each */
};

enum cgroup_kind {
	CGROUP_MEMORY = 1u << 0,
	CGROUP_PIDS = 1u << 1,
	CGROUP_CPU = 1u << 2,
};

/* Zero means no limit. */
struct cgroup_limits {
	uint64_t memory_bytes;
	uint64_t process_count; /* threads count */
	uint32_t cpu_weight;    /* 1 to 10000, 100 is the usual share */
};

/*
 * Find and prepare the parent of our groups, a directory `name` (text_is_name),
 * which distinguishes two supervisors on one host. With version 2 and without
 * systemd the caller itself moves into a sibling group "bulkheadd": a group
 * that enables controllers for its children may not contain processes.
 *
 * -EINVAL      not a name
 * -EOPNOTSUPP  no hierarchy with a controller is writable
 */
int cgroup_base_open(const char *name, struct cgroup_base *ret_base);

/* Close; removes the base folder when it is empty. Safe on a zeroed base. */
void cgroup_base_close(struct cgroup_base *base);

/*
 * Create a group (or reuse one left by an earlier supervisor) with these limits,
 * for a process to be created in: an owned descriptor for clone3(). `group`
 * satisfies text_is_name().
 *
 * -EINVAL      not a name
 * -EOPNOTSUPP  not version 2: a process has to be moved
 */
int cgroup_create(const struct cgroup_base *base, const char *group,
		  const struct cgroup_limits *limits);

/*
 * Create a group likewise and move `pid` into it, which takes an RCU grace
 * period: ten milliseconds, and a hundred when the host is busy.
 *
 * -EINVAL      not a name
 * -EOPNOTSUPP  the base is empty
 * -ESRCH       the process is gone; the group was removed
 */
int cgroup_place(const struct cgroup_base *base, const char *group, pid_t pid,
		 const struct cgroup_limits *limits);

/* Remove every group of ours that is empty, including one just created. */
void cgroup_sweep(const struct cgroup_base *base);

/*
 * Kill every process in a group, wait at most `wait_ms` until they have exited,
 * and remove the group: its main process has ended, but its children may not
 * have. What has not exited by then leaves the group to cgroup_sweep(). Without
 * cgroup.kill (version 1), processes that fork faster than they are killed may
 * survive.
 */
void cgroup_kill(const struct cgroup_base *base, const char *group,
		 uint32_t wait_ms);

#endif
