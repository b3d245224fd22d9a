/* SPDX-License-Identifier: MIT */
/*
 * Real-time priority (urgency.h) that is lent to a child while a recovery waits
 * for it: to its main thread, and to a monitor's I/O thread.
 *
 * A loan ends by itself, at the latest after LOAN_MS. Its time is charged to the
 * process, which may have at most a tenth of all time, so a guest cannot gain
 * from a service that dies again and again. A new supervisor takes back what its
 * predecessor had lent.
 *
 * An instance of a service that was not started in its control group is moved
 * there when its first loan is over: a process with real-time priority cannot be
 * moved where groups have real-time budgets, and the move would delay the
 * recovery.
 *
 * Threads    Whoever has the supervisor's turn.
 */
#ifndef SUPERVISOR_LOAN_H
#define SUPERVISOR_LOAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "supervisor/errand/urgency.h"

struct process;

/* At most; and when both ends of a channel have it, until the first answers. */
#define LOAN_MS        100
#define LOAN_ANSWER_MS 4

/* All zero: nothing was lent yet. */
struct loan {
	bool is_made;    /* it takes effect as soon as the process is born */
	bool must_place; /* when it is over */
	uint64_t began_ns;
	pid_t io_thread; /* of a monitor; 0: not known yet */
	struct share share;
	sd_event_source *source; /* its end */
};

/* Lend for the next `ms`; a later call replaces an earlier one. A process that
 * has used up its share gets nothing. */
void loan_make(struct process *process, uint64_t ms);

/* It was just started, by a thread that may have had real-time priority. */
void loan_take_effect(struct process *process);

/* It was adopted: take back what an earlier supervisor may have lent it. */
void loan_take_back_all(const struct process *process);

/* Move it into its control group now, or when the loan is over. */
void loan_place(struct process *process);

/* The process is about to be forgotten. */
void loan_forget(struct process *process);

#endif
