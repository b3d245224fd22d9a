/* SPDX-License-Identifier: MIT */
/*
 * Keeps the store's copy (store_copy()) close behind the store: a moment after
 * a change, and no more often than every few seconds.
 *
 * Threads    The supervisor's turn; the copy is made by an errand.
 */
#ifndef SUPERVISOR_COPIER_H
#define SUPERVISOR_COPIER_H

struct supervisor;

/* Something may have been written. Nothing happens before copier_open(). */
void copier_note(struct supervisor *supervisor);

/* -ENOMEM */
int copier_open(struct supervisor *supervisor);
void copier_close(struct supervisor *supervisor);

#endif
