/* SPDX-License-Identifier: MIT */
/*
 * What a SAVED partition keeps of its disks: the witnesses with their locks, so
 * that no other program writes what its guest believes to know, and the time at
 * which each image was changed last, which outlives us and the host. A restore
 * finds out what happened while nobody held the lock.
 *
 * Errors     -EINVAL with the refusal filled in: changed since it was saved.
 */
#ifndef SUPERVISOR_HOLD_H
#define SUPERVISOR_HOLD_H

#include "supervisor/partition.h"

/* Before launch_release() of a partition that becomes SAVED: its disks are
 * quiet. */
void hold_keep(struct partition *partition);

/* Note what a guest leaves behind whose save is complete. */
void hold_note(struct partition *partition);

/* At start, or after a restore was refused: take the locks anew. What cannot be
 * had is told as an event. */
void hold_open(struct partition *partition);

/* Let go. */
void hold_drop(struct partition *partition);

/* Has nobody written to it since? Its facts are fresh. */
int hold_check(const struct disk *disk, struct refusal *refusal);

#endif
