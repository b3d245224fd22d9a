/* SPDX-License-Identifier: MIT */
/*
 * Children remembered across the supervisor's own death: their rows in the
 * store and their control groups.
 *
 * Threads    Called with the supervisor's turn (errand.h).
 */
#ifndef SUPERVISOR_CHILD_RECORD_H
#define SUPERVISOR_CHILD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

struct process;
struct supervisor;

/* Find where control groups are made, and remove those that an earlier
 * supervisor left empty; a host that has none goes without. */
int children_open(struct supervisor *supervisor);
void children_close(struct supervisor *supervisor);

/* The group that a new child is born in, owned; NO_FD where it has to be moved
 * there. May wait for the kernel, and touches nothing that changes. */
int child_create_group(const struct process *process);

/*
 * Move it into its control group, or back where a dead supervisor may have left
 * it: an errand, but a new monitor waits for it (we are its errand then), so
 * that no guest runs without limits.
 */
void child_place(struct process *process);

/* A monitor's row is written before its settings are sent, a service's behind
 * the recovery. Who was not born in its group is moved there. */
void child_remember(struct supervisor *supervisor, struct process *process,
		    bool is_in_group);
/* The row alone, later: it is placed already. */
void child_note(struct supervisor *supervisor, const struct process *process);
/* One that has ended is reaped, if `pidfd` is not NO_FD and it is our child; with
 * its row goes what it started and left behind. An errand waits for that. */
void child_forget(struct supervisor *supervisor, uint64_t id, int pidfd);

#endif
