/* SPDX-License-Identifier: MIT */
/*
 * Moves processes into their control groups, in a thread of its own.
 *
 * To move one takes the kernel a grace period of RCU: ten milliseconds, and a
 * hundred when the machine is busy. The supervisor must not wait for that while
 * guests wait for a service. The thread alone makes and removes groups, so that
 * none is swept away before its process is in it.
 *
 * There are never more placements than processes: who drops those of the dead
 * (placer_drop) bounds the queue.
 *
 * Threads    All functions are called with the supervisor's turn (errand.h), but
 *            for placer_place(), which any thread may call at any time.
 * Errors     0 or a negative errno.
 */
#ifndef SUPERVISOR_PLACER_H
#define SUPERVISOR_PLACER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "sandbox/cgroup.h"

struct placer;

struct placement {
	uint64_t id; /* the caller's, never reused */
	pid_t pid;
	int pidfd; /* of the same process */
	char group[NAME_SIZE];
	struct cgroup_limits limits;
	/* Of cgroup_place(), -ESRCH when the process had ended before. */
	int result;
};

/* Borrows `base`, which nobody else changes, until placer_free(). */
int placer_new(struct placer **ret_placer, const struct cgroup_base *base);

/* Waits for the placement at hand; those that wait are dropped. Safe on NULL,
 * as are placer_drop() and placer_sweep(). */
void placer_free(struct placer *placer);

/* Readable when placer_take() has something; owned by the placer. */
int placer_fd(const struct placer *placer);

/*
 * Have it done, soon. Until it is taken or dropped the pid must not be reaped
 * by the caller, or it may come to mean another process. The pidfd is
 * duplicated.
 */
int placer_put(struct placer *placer, const struct placement *placement);

/* Have it done before all that wait, and wait for it. Returns its result. */
int placer_place(struct placer *placer, const struct placement *placement);

/* One that is done; the pidfd is the caller's now. False when none is left. */
bool placer_take(struct placer *placer, struct placement *ret_placement);

/* Its process has ended. False when it is at hand or done, and will be taken.
 */
bool placer_drop(struct placer *placer, uint64_t id);

/* Kill, soon, what is left in this group. Safe on NULL. */
void placer_end(struct placer *placer, const char *group);

/* Remove, soon, every group that has no process left. */
void placer_sweep(struct placer *placer);

#endif
