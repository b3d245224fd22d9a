/* SPDX-License-Identifier: MIT */
/*
 * Work that waits, kept off the supervisor's loop.
 *
 * The supervisor's loop replaces services while guests wait for them, so it
 * never waits for a disk, a commit of the store or the start of a process. What
 * has to is an errand: ordinary sequential code in a thread of its own. An
 * errand holds the supervisor's turn, as the loop does: exactly one of them
 * all runs at any time, the others stand still, so nothing in the supervisor
 * needs a lock. Around a call that may take long it steps aside:
 *
 *	errand_step_aside();
 *	r = storage_open_witness(...);
 *	errand_step_back();
 *
 * Between the two it touches nothing that belongs to the supervisor: only its
 * own variables, descriptors that are its own, and copies. Afterwards everything
 * may have changed, and what was checked before is checked again; objects that
 * must not go meanwhile are marked as busy (partition_occupy()).
 *
 * Where there is no errand (at start, in tests of single parts) stepping aside
 * does nothing and the call is simply made.
 *
 * Threads    errand_run() from whoever has the turn; stepping from anywhere.
 */
#ifndef SUPERVISOR_ERRAND_H
#define SUPERVISOR_ERRAND_H

#include <pthread.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

struct errands;

/* At most so many at once; more are carried out by the caller, who waits. */
#define ERRANDS_MAX 256

int errands_new(struct errands **ret_errands, sd_event *event);

/*
 * The loop has ended: let those that are about to come back end as well. False:
 * some wait for something that takes long, and never come back. Safe on NULL.
 */
bool errands_settle(struct errands *errands);

/* Only when they have settled. Safe on NULL. */
void errands_free(struct errands *errands);

/*
 * Carry out `work` at once. Returns when it has ended or stepped aside for the
 * first time. Without `errands`, and when no thread can be had, the caller
 * carries it out itself.
 */
void errand_run(struct errands *errands, void (*work)(void *context),
		void *context);

/* Let the supervisor go on while this errand waits; take the turn again. They do
 * not nest. */
void errand_step_aside(void);
void errand_step_back(void);

/* Is the caller an errand, so that it may wait? */
bool errand_is_current(void);

/*
 * Take a lock that an errand keeps while it is aside. Who waits for it steps
 * aside.
 *
 * -EBUSY  taken, and the caller is no errand, so it must not wait
 */
int errand_lock(pthread_mutex_t *lock);

/*
 * Close a descriptor whose end may be waited for: the last one of a device or a
 * file writes back, or frees, what is left of it. An errand waits for that; who
 * is none does not, unless there are no `errands`. NO_FD afterwards.
 */
void errand_close(struct errands *errands, int *fd);

#endif
