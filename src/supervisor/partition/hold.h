/* SPDX-License-Identifier: MIT */
/*
 * What a partition without a monitor keeps of its disks while a guest still
 * relies on their contents: the witnesses with their locks, so that no other
 * program writes to them. There are two such cases:
 *
 * - SAVED. The time of each image's last modification is stored as well, so that
 *   a restore detects what was written while nobody held the lock, such as
 *   across a restart of the host. A block device has no such time; the kernel's
 *   count of sectors written takes its place, until the host restarts or the
 *   device is set up anew, which an event then says.
 * - The monitor of a foreign VMM restarts while its guest runs on. Another open
 *   file description of each image, which nobody syncs, keeps a write-back error
 *   that the old monitor had seen and died with.
 *
 * Errors     -EINVAL with the refusal filled in: changed since it was saved.
 */
#ifndef SUPERVISOR_HOLD_H
#define SUPERVISOR_HOLD_H

#include "supervisor/partition/partition.h"

/* Keep the witnesses of quiescent disks. Called before launch_release(), which
 * then does not release them. */
void hold_keep(struct partition *partition);

/* The save is complete: record when each image was last modified. */
void hold_note(struct partition *partition);

bool hold_has_any(const struct partition *partition);

/* At start, or after a restore was refused: take the locks that are missing.
 * One that cannot be taken is reported as an event. */
void hold_open(struct partition *partition);

/* Keep write-back errors of this disk from now on, if its guest can outlive its
 * monitor. Idempotent. */
void hold_listen(struct disk *disk);

/* Did an error occur since that a new monitor does not know of? */
bool hold_owes_error(struct disk *disk);

/* Release everything. */
void hold_drop(struct partition *partition);

/* 0 if nobody has written to it since; disk->facts must be current. */
int hold_check(const struct disk *disk, struct refusal *refusal);

#endif
