/* SPDX-License-Identifier: MIT */
/* Starting the program of a role. */
#ifndef SUPERVISOR_SPAWN_CHILD_H
#define SUPERVISOR_SPAWN_CHILD_H

#include <sys/types.h>

/*
 * Run `program` from `directory` (or, in a build tree, from its folder below
 * it) with `control_fd` as descriptor CONTROL_CHILD_FD, `log_fd` as standard error
 * and nothing else. `name` shows in `ps`. Costs no copy of our memory.
 *
 * -ENOENT  the program is in neither place
 */
int spawn_child(const char *directory, const char *program, const char *name,
		int control_fd, int log_fd, pid_t *ret_pid);

/*
 * Start a program that is not ours, found in the usual folders, with `fd`
 * (borrowed) as its descriptor 3, no environment and nothing to write to.
 *
 * -ENOENT  it is not installed
 */
int spawn_program(const char *const *arguments, int fd, pid_t *ret_pid);

#endif
