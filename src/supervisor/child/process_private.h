/* SPDX-License-Identifier: MIT */
/* What the files of processes share. */
#ifndef SUPERVISOR_PROCESS_PRIVATE_H
#define SUPERVISOR_PROCESS_PRIVATE_H

#include "supervisor/child/process.h"

/* The one place that writes process->state. */
void process_apply(struct process *process, enum process_event event);

/* It is killed unless it is READY, or back, in `ms`. */
void process_await(struct process *process, uint64_t ms);

/* Take its messages; see its death. */
int process_watch_control(struct process *process);
int process_watch_death(struct process *process);

/* It cannot be started: its owner hears of it from the loop. */
void process_give_up(struct process *process, int error);

void process_flush_outbox(struct process *process);

/* The link has ended, or means nothing any more. */
void process_drop_link(struct process *process);

void process_free(struct process *process);

/* An errand: reap one that has died and that nobody finds any more, end what it
 * left behind, and free it. */
void process_bury(void *process);

#endif
