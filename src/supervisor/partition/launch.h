/* SPDX-License-Identifier: MIT */
/*
 * Starting a monitor: first everything that can be refused, touching nothing,
 * then the process and its messages.
 */
#ifndef SUPERVISOR_LAUNCH_H
#define SUPERVISOR_LAUNCH_H

#include "supervisor/partition/partition.h"

/*
 * Open what the partition needs: witnesses with their locks, the console ring;
 * check kernel, memory and engine. On failure everything is closed again and
 * the refusal says which field is at fault.
 */
int launch_prepare(struct partition *partition, struct refusal *refusal);

/*
 * Prepare it for a START or a RESTORE that was asked for, and apply that event:
 * launch_go() is next. In an errand.
 */
int launch_begin(struct partition *partition, enum partition_event event,
		 struct refusal *refusal);

/* Undo launch_prepare(). */
void launch_release(struct partition *partition);

/*
 * Spawn the monitor and send it everything. A failure ends the partition as a
 * start that failed.
 */
void launch_go(struct partition *partition);

/* Send a new monitor what was prepared, and MONITOR_LAUNCH. A failure is its
 * end. */
int launch_send(struct partition *partition, struct refusal *refusal);

/* Open the witnesses again for a partition whose monitor died while we were
 * away, for the fence; disks that cannot be opened are treated as released. */
void launch_reopen_witnesses(struct partition *partition);

/* Fill in disks[] from the definition and the stored attachments. */
int launch_load_disks(struct partition *partition);

#endif
