/* SPDX-License-Identifier: MIT */
/*
 * What a partition without a monitor keeps of its disks, while a guest believes
 * to know them: the witnesses with their locks, so that no other program writes
 * to them. One is SAVED; then also the time at which each image was changed
 * last is kept, which outlives us and the host, so that a restore finds out
 * what happened while nobody held the lock. The other is the restart of a
 * monitor whose guest, a foreign VMM's, runs on; then also a description of each
 * image that nobody synchronises, for an error of its data that the old monitor
 * was told of and died with.
 *
 * A device has no such time; the kernel counts what is written to it instead,
 * until the host or the device is started anew. Then an event says so.
 *
 * Errors     -EINVAL with the refusal filled in: changed since it was saved.
 */
#ifndef SUPERVISOR_HOLD_H
#define SUPERVISOR_HOLD_H

#include "supervisor/partition/partition.h"

/* Before launch_release(), which then leaves these locks alone: the disks are
 * quiet. */
void hold_keep(struct partition *partition);

/* Note what a guest leaves behind whose save is complete. */
void hold_note(struct partition *partition);

bool hold_has_any(const struct partition *partition);

/* At start, or after a restore was refused: take the locks that are missing.
 * What cannot be had is told as an event. */
void hold_open(struct partition *partition);

/* Listen to errors of this disk's data from now on, if its guest may outlive its
 * monitor; again is no harm. */
void hold_listen(struct disk *disk);

/* Was an error heard since, that a new monitor does not know of? */
bool hold_owes_error(struct disk *disk);

/* Let go of everything. */
void hold_drop(struct partition *partition);

/* Has nobody written to it since? Its facts are fresh. */
int hold_check(const struct disk *disk, struct refusal *refusal);

#endif
