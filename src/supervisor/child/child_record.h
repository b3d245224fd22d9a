/* SPDX-License-Identifier: MIT */
/*
 * Children remembered across the supervisor's own death: their rows in the
 * store and their control groups.
 *
 * Threads    Called with the supervisor's turn (errand.h).
 */
#ifndef SUPERVISOR_CHILD_RECORD_H
#define SUPERVISOR_CHILD_RECORD_H

#include <stdint.h>

struct process;
struct supervisor;

/* Find where control groups are made; a host that has none goes without. */
int children_open(struct supervisor *supervisor);
void children_close(struct supervisor *supervisor);

/* Into its control group, or back where a dead supervisor may have left it: a
 * new monitor now, the others soon (placer.h). */
void child_place(struct process *process);

/* A monitor's row is written before its settings are sent, a service's behind
 * the recovery. */
void child_remember(struct supervisor *supervisor, struct process *process);
/* The row alone, later: it is placed already. */
void child_note(struct supervisor *supervisor, const struct process *process);
/* One that has ended: with its row goes what it started and left behind. */
void child_forget(struct supervisor *supervisor, uint64_t id);

#endif
