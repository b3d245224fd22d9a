/* SPDX-License-Identifier: MIT */
/*
 * Who recovers runs before those who compute.
 *
 * On a busy host whoever was asleep waits for a processor behind everyone's
 * computations, and a recovery is a dozen such waits in a row. So those whom it
 * has to pass have a share of their own, as far as the host grants it
 * (CAP_SYS_NICE):
 *
 * - The supervisor's turn (errand.h) is in the real-time class SCHED_RR. A
 *   thread that steps aside is like everyone, and so is the turn when it has
 *   taken more than a quarter of a processor: a child that keeps the supervisor
 *   busy starves nobody.
 * - A thread of a child that a recovery waits for is lent the same between a
 *   death and the first answers (loan.h).
 *
 * Weights and nice values are no help: a new process is in nobody's group yet,
 * sessions have groups of their own, and even the greatest weight waits for the
 * end of a neighbour's slice. Nor is SCHED_DEADLINE, which has a bound of its
 * own: it needs every processor of the host, a sum of all shares that fits, and
 * on Linux 6.18 what a process had is never given back.
 *
 * Threads    The turn's functions from whoever has, or is about to get, the
 *            turn; the others from anywhere.
 */
#ifndef SUPERVISOR_URGENCY_H
#define SUPERVISOR_URGENCY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What has been taken of a share: all zero to begin with. */
struct share {
	uint64_t paid_until_ns; /* when all that was taken will be earned */
};

/* Charge what was taken until `now_ns`, of a share of one part in `parts`. */
void share_charge(struct share *share, uint64_t taken_ns, unsigned parts,
		  uint64_t now_ns);

/* Has more been taken at once than `most_ns`, and not been earned since? */
bool share_is_spent(const struct share *share, uint64_t most_ns, unsigned parts,
		    uint64_t now_ns);

/* -- the turn -- */

/* From now on the turn, which the caller has, is urgent. A host that does not
 * allow it leaves it as it is; false then. */
bool urgency_open(void);

/* The caller has got the turn; it is about to give it up, or has worked for a
 * while. */
void urgency_begin_turn(void);
void urgency_end_turn(void);

/* When a turn that is like everyone is urgent again; 0 when it is. */
uint64_t urgency_spent_until_ns(void);

/* The caller has not the turn, and is like everyone. */
void urgency_rest(void);

/* Born of a thread that may have had the turn, as every thread is. */
void urgency_inherit(void);

/* -- what is lent to a child -- */

/* What is started between the two is like everyone, or else as urgent as the
 * turn from its first instruction on, which makes it a loan then. */
void urgency_begin_birth(bool is_urgent_too);
void urgency_end_birth(void);
void urgency_lend_newborn(pid_t pid);

/* Lend to this thread, unless an operator chose a class for it. Refused with a
 * negative errno, it goes on like everyone. */
int urgency_lend(pid_t thread);

/* It is like everyone again. */
void urgency_take_back(pid_t thread);

/* So are all threads of a process, whatever an earlier supervisor lent them. */
void urgency_take_all_back(pid_t pid);

/* The thread of this name; 0 when there is none, or it cannot be seen. */
pid_t urgency_find_thread(pid_t pid, const char *name);

#endif
