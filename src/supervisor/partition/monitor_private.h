/* SPDX-License-Identifier: MIT */
/* What the files of a partition's side of its monitor share: monitor.c has how
 * its life begins and goes on, monitor_end.c how it ends, monitor_messages.c
 * what it says. */
#ifndef SUPERVISOR_MONITOR_PRIVATE_H
#define SUPERVISOR_MONITOR_PRIVATE_H

#include "supervisor/partition/partition.h"

/* How long a monitor has to end when it is asked to. */
#define QUIT_MS 3000
/* Why a partition is paused that will be resumed without being asked; stored
 * with its state. */
#define POLICY_PAUSE "until its disk is back"

/* For struct process_ops. */
void monitor_ready(struct process *process);
void monitor_died(struct process *process, const char *reason);

/* Its guest has switched itself off: the store knows before the monitor, whose
 * word it is, is ended. */
void monitor_guest_off(struct partition *partition);

/* What the death of its monitor is to a partition, by its state and policy. */
enum partition_event monitor_end_event(struct partition *partition,
				       bool is_failure);

#endif
