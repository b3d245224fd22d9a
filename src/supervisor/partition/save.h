/* SPDX-License-Identifier: MIT */
/*
 * Saving a partition and restoring it, each wholly or not at all.
 *
 *   save     SAVING; stop the processors; the monitor writes the image; the
 *            image gets its name and is recorded; the monitor is ended; after
 *            the fence of every disk SAVED
 *   restore  RESTORING; a new monitor is given the image; when it is READY
 *            the record of the image goes in the same write as RUNNING or
 *            PAUSED, then the file, and only then may the guest run
 *
 * The record of the image decides: a save without one is taken back, and the
 * guest runs on; a save with one is carried through, whoever dies. No guest
 * runs on from one image twice: before its first instruction there is none any
 * more (invariant I5).
 *
 * Every step between is a failpoint.
 *
 * Errors     As the verbs of partition.h.
 */
#ifndef SUPERVISOR_SAVE_H
#define SUPERVISOR_SAVE_H

#include "supervisor/partition/partition.h"

int partition_save(struct partition *partition, const struct ticket *ticket,
		   struct refusal *refusal);
int partition_restore(struct partition *partition, const struct ticket *ticket,
		      struct refusal *refusal);

/* Store a record that has changed in more than one way; then it is true. In an
 * errand, with the partition occupied: nothing else changes its state. */
int save_store_record(struct partition *partition,
		      const struct partition_record *record);

/* STOP of a SAVED partition: its image goes. */
int save_discard(struct partition *partition, const struct ticket *ticket,
		 struct refusal *refusal);

/* In SAVING: the monitor answered the step under way. */
void save_answered(struct partition *partition, int status, const char *text);

/* In SAVING: may it still be given up? Not once its image is recorded. */
bool save_is_undecided(const struct partition *partition);

/* It is STOPPING instead: nothing is left of the save. */
void save_give_up(struct partition *partition);

/* In SAVING: a monitor is back and the question was lost. */
void save_reconcile(struct partition *partition);

/* In SAVING or RESTORING: MONITOR_PROGRESS. */
void save_progressed(struct partition *partition, uint32_t request_id,
		     const struct progress *progress);

/* In RESTORING: the monitor has the guest ready. */
void restore_ready(struct partition *partition);

/* Restored, and its processors were not told to run, or that is not known. */
bool restore_is_unfinished(const struct partition *partition);
void restore_resume(struct partition *partition);
void restore_done(struct partition *partition);

/* The partition has no image any more, if its record says so. */
void save_forget_image(struct partition *partition);

/* At start: remove images that no record has, and hold the disks of those that
 * one has. */
void save_recover(struct supervisor *supervisor);

#endif
