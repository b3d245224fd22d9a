/* SPDX-License-Identifier: MIT */
/*
 * Starting programs. It costs no copy of our memory: the new process borrows it
 * until its program runs, and the caller waits for that.
 *
 * Threads    Any; who has the supervisor's turn steps aside (errand.h).
 */
#ifndef SUPERVISOR_SPAWN_CHILD_H
#define SUPERVISOR_SPAWN_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* What a program begins with; its standard input and output are nothing. All
 * descriptors are borrowed. */
struct spawn {
	int control_fd; /* becomes its descriptor CONTROL_CHILD_FD */
	int log_fd;     /* becomes its standard error; NO_FD: nothing */
	int group_fd;   /* of version 2, to be born in; or NO_FD */
};

struct spawned {
	pid_t pid;
	int pidfd; /* owned */
	bool is_in_group;
};

/*
 * Run `program` from `directory` (or, in a build tree, from its folder below
 * it). `name` shows in `ps`. A process that the kernel does not let be born in
 * its group is born all the same, outside of it.
 *
 * -ENOENT  the program is in neither place
 */
int spawn_child(const char *directory, const char *program, const char *name,
		const struct spawn *spawn, struct spawned *ret_spawned);

/*
 * Run a program that is not ours, found in the usual folders, with no
 * environment.
 *
 * -ENOENT  it is not installed
 */
int spawn_program(const char *const *arguments, const struct spawn *spawn,
		  struct spawned *ret_spawned);

#endif
