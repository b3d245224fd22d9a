/* SPDX-License-Identifier: MIT */
/*
 * Urgency (urgency.h) that is lent to a child which a recovery waits for: to
 * its main thread, and to a monitor's I/O thread.
 *
 * A loan ends by itself, at the latest after LOAN_MS. How long it was is charged
 * to the process, which may have a tenth of all time and no more, so a guest
 * whose service dies again and again buys little. What a supervisor that died
 * had lent is taken back by the next one.
 *
 * An instance of a service that was not born in its control group is moved there
 * when the loan of its birth is over: where groups have real-time budgets, a
 * process that has something on loan cannot be moved, and it has better things
 * to do.
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

/* It is needed for the next `ms`. Said again, the later word counts. A process
 * that borrowed too much lately gets nothing. */
void loan_make(struct process *process, uint64_t ms);

/* It was just born, of a thread that may have been urgent. */
void loan_take_effect(struct process *process);

/* It was adopted: an earlier supervisor may have lent it something. */
void loan_take_back_all(const struct process *process);

/* Place it now, or when the loan is over. */
void loan_place(struct process *process);

/* The process is about to be forgotten. */
void loan_forget(struct process *process);

#endif
