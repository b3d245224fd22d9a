/* SPDX-License-Identifier: MIT */
/*
 * The steps that sandbox_enter() and jail_start() share; private to this
 * folder. Every step returns 0 or a negative errno; the caller records it.
 */
#ifndef SANDBOX_LAYERS_H
#define SANDBOX_LAYERS_H

#include "sandbox/sandbox.h"

/* Record the outcome of taking one layer. */
void layers_record(struct sandbox_layers *layers, enum sandbox_layer layer,
		   int error);

/* -EPERM when one of `required` is missing. */
int layers_check(const struct sandbox_layers *layers, uint32_t required);

/*
 * The first step in a new user namespace: map `uid` and `gid`, those the
 * process had outside, onto themselves. This gives an ordinary user the right
 * to create the other namespaces, and no right outside.
 */
int layers_map_user(uid_t uid, gid_t gid);

/* Leave the host's mount, network, IPC and UTS namespaces. */
void layers_unshare(struct sandbox_layers *layers);

/* Switch to uid and gid without supplementary groups; -EPERM when not root. */
int layers_become(uid_t uid, gid_t gid);

/* Set a soft and a hard limit. */
int layers_limit(int resource, uint64_t value);

/* Empty the bounding set; before layers_become(). */
void layers_drop_bounding(void);

/* Empty the other capability sets; after layers_become(). */
int layers_drop_capabilities(void);

/* Refuse every path; `may_signal` as in struct sandbox. */
int layers_landlock(bool may_signal);

/* Install a filter: lines with an error are refused with it, every other call
 * is allowed. */
int layers_refuse(const struct sandbox_call *calls, size_t count);

/*
 * Reopen a file through the mounts of our own namespace: one opened before
 * unshare() cannot be mounted. It is found by its name in /proc and compared;
 * NO_FD is never returned.
 *
 * -ESTALE  the name now refers to another file
 */
int layers_reopen(int fd, int flags);

/* Make `tree`, a detached or attached mount, the root of this mount namespace
 * and detach the old root. The working directory becomes "/". */
int layers_pivot_to(int tree);

/* Make the directory `root_fd` the root of this mount namespace and detach
 * every other mount. */
int layers_pivot(int root_fd);

#endif
