/* SPDX-License-Identifier: MIT */
/*
 * A control group per child process, as far as the host lets us.
 *
 * Version 2 where it has controllers and our part of it is writable (below
 * systemd the delegated unit CGROUP_UNIT), else the version 1 hierarchies of memory,
 * pids and cpu. An optional layer: a process without one runs all the same.
 *
 * Errors     0 or a negative errno.
 */
#ifndef SANDBOX_CGROUP_H
#define SANDBOX_CGROUP_H

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

#define CGROUP_TREE_MAX 3

/* Below systemd: the unit beside ours that children's groups are made in. */
#define CGROUP_UNIT "bulkhead-children.service"

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

/* Where our groups are made: a folder below the caller's own group. */
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
 * Find and prepare the place for our groups, a folder `name` (a name of ours),
 * which tells two supervisors on one host apart. With version 2 and without
 * systemd the caller itself moves into a group "bulkheadd" beside it: a group
 * that hands on controllers may hold no process.
 *
 * -EINVAL      not a name
 * -EOPNOTSUPP  no hierarchy with a controller is writable
 */
int cgroup_base_open(const char *name, struct cgroup_base *ret_base);

/* Close; removes the base folder when it is empty. Safe on a zeroed base. */
void cgroup_base_close(struct cgroup_base *base);

/*
 * Make a group (or take over one left by an earlier supervisor) and move `pid`
 * into it. `group` is a name of ours (text_is_name).
 *
 * -EINVAL      not a name
 * -EOPNOTSUPP  the base is empty
 * -ESRCH       the process is gone; the group was removed
 */
int cgroup_place(const struct cgroup_base *base, const char *group, pid_t pid,
		 const struct cgroup_limits *limits);

/* Remove every group of ours that has no process left: the ends of those that
 * were still dying when cgroup_remove() was called. */
void cgroup_sweep(const struct cgroup_base *base);

/*
 * Kill every process in a group: its own has ended, and what that one started
 * may not have ended with it. Where the kernel has no cgroup.kill (version 1)
 * one that multiplies faster than it is killed may be left.
 */
void cgroup_end(const struct cgroup_base *base, const char *group);

/*
 * Remove the group of a process that has ended.
 *
 * -EBUSY  a process is still in it; try again later
 */
int cgroup_remove(const struct cgroup_base *base, const char *group);

#endif
