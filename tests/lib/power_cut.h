/* SPDX-License-Identifier: MIT */
/*
 * What a power cut takes on the strictest file system: names that were made,
 * changed or removed since their folder was made durable, and the contents of
 * a new file that was not.
 *
 * Who links this (power_cut_dep) has its own calls of open(), rename(),
 * renameat2(), unlink(), fsync() and fdatasync() watched, not those of
 * libraries. The record outlives the process, as what it did outlives it.
 */
#ifndef TESTS_POWER_CUT_H
#define TESTS_POWER_CUT_H

/* From now on, in this process and its children, watch the names below
 * `folder`. Below `attic`, which is not, removed files are kept. */
void power_watch(const char *folder, const char *attic);

/* Take what was not durable; watch on. */
void power_cut(void);

#endif
