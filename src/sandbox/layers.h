/* SPDX-License-Identifier: MIT */
/*
 * The steps that sandbox_enter() and jail_start() share; nobody else includes
 * this. Every step returns 0 or a negative errno; the caller records it.
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
 * As the first step in a new user namespace: map `uid` and `gid`, which the
 * process had outside, onto themselves. It gives an ordinary user the rights
 * for the other namespaces, and nothing outside.
 */
int layers_map_user(uid_t uid, gid_t gid);

/* Leave the host's mount, network, IPC and UTS namespaces. */
void layers_unshare(struct sandbox_layers *layers);

/* Become uid and gid with no other group; -EPERM when not root. */
int layers_become(uid_t uid, gid_t gid);

/* Set a soft and a hard limit. */
int layers_limit(int resource, uint64_t value);

/* Empty the bounding set; before layers_become(). */
void layers_drop_bounding(void);

/* Empty the other capability sets; after layers_become(). */
int layers_drop_capabilities(void);

/* Refuse every path; `may_signal` as in struct sandbox. */
int layers_landlock(bool may_signal);

/* From now on lines without an error are allowed, the others refused with it,
 * and every call that has no line is allowed. */
int layers_refuse(const struct sandbox_call *calls, size_t count);

/*
 * A descriptor for the same file through the mounts of our own namespace: one
 * opened before unshare() cannot be mounted. Found by its name in /proc and
 * compared; NO_FD is never returned.
 *
 * -ESTALE  the name leads elsewhere by now
 */
int layers_reopen(int fd, int flags);

/* Make `tree`, a detached or attached mount, the root of this mount namespace;
 * what was there is let go of. The working directory becomes "/". */
int layers_pivot_to(int tree);

/* Make the directory `root_fd` the root of this mount namespace and let go of
 * every other mount. */
int layers_pivot(int root_fd);

#endif
