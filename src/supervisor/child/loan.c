/* SPDX-License-Identifier: MIT */
#include "supervisor/child/loan.h"

#include <signal.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "supervisor/child/child_record.h"
#include "supervisor/supervisor.h"

/* Of all its time a process may borrow one part in so many, and so much at
 * once. */
#define PARTS   10
#define MOST_NS (200 * NS_PER_MS)

/* An adopted child is reaped by others: its number may be somebody else's. */
static bool is_alive(const struct process *process)
{
	return process->pidfd != NO_FD &&
	       pidfd_send_signal(process->pidfd, 0, NULL, 0) == 0;
}

/* A hostile monitor can end it, and its number be used again. */
static bool has_io_thread(const struct process *process)
{
	pid_t thread = process->loan.io_thread;

	return thread && tgkill(process->pid, thread, 0) == 0;
}

static void lend(struct process *process)
{
	struct loan *loan = &process->loan;

	if (process->role == ROLE_MONITOR && !loan->io_thread)
		loan->io_thread = urgency_find_thread(process->pid, "io");
	if (urgency_lend(process->pid) == 0 && has_io_thread(process))
		(void)urgency_lend(loan->io_thread);
}

static int on_over(sd_event_source *source, uint64_t usec, void *data)
{
	struct process *process = data;
	struct loan *loan = &process->loan;
	uint64_t now_ns = clock_now_ns();

	loan->source = sd_event_source_disable_unref(loan->source);
	loan->is_made = false;
	share_charge(&loan->share, now_ns - loan->began_ns, PARTS, now_ns);
	if (is_alive(process)) {
		urgency_take_back(process->pid);
		if (has_io_thread(process))
			urgency_take_back(loan->io_thread);
	}
	if (loan->must_place)
		child_place(process);
	loan->must_place = false;
	return 0;
}

static int arm(struct process *process, uint64_t ms)
{
	struct loan *loan = &process->loan;

	if (loan->source)
		return sd_event_source_set_time_relative(loan->source,
							 ms * 1000);
	return sd_event_add_time_relative(process->supervisor->event,
					  &loan->source, CLOCK_MONOTONIC,
					  ms * 1000, 100, on_over, process);
}

void loan_make(struct process *process, uint64_t ms)
{
	struct loan *loan = &process->loan;
	uint64_t now_ns = clock_now_ns();

	if (process->state == PROCESS_DYING ||
	    (!loan->is_made &&
	     share_is_spent(&loan->share, MOST_NS, PARTS, now_ns)) ||
	    arm(process, ms) < 0 || loan->is_made)
		return;
	loan->is_made = true;
	loan->began_ns = now_ns;
	if (is_alive(process))
		lend(process);
}

void loan_take_effect(struct process *process)
{
	if (!is_alive(process))
		return;
	urgency_lend_newborn(process->pid);
	if (!process->loan.is_made)
		urgency_take_back(process->pid);
}

void loan_take_back_all(const struct process *process)
{
	if (is_alive(process))
		urgency_take_all_back(process->pid);
}

void loan_place(struct process *process)
{
	process->loan.must_place =
		process->loan.is_made && process->role != ROLE_MONITOR;
	if (!process->loan.must_place)
		child_place(process);
}

void loan_forget(struct process *process)
{
	process->loan.source =
		sd_event_source_disable_unref(process->loan.source);
}
