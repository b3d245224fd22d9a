/* SPDX-License-Identifier: MIT */
/*
 * What is written to the store behind the loop: states that have happened
 * (store_defer_*()) and events. One write takes all that comes within a moment.
 *
 * Threads    Called with the supervisor's turn (errand.h); the commit is an
 *            errand, so nobody here waits for a disk.
 */
#ifndef SUPERVISOR_RECORD_H
#define SUPERVISOR_RECORD_H

#include "control/protocol.h"
#include "supervisor/errand/budget.h"

struct partition;
struct supervisor;
struct ticket;

int record_open(struct supervisor *supervisor);

/* Write what is deferred now: somebody waits for it. */
void supervisor_flush(struct supervisor *supervisor);
/* A state has changed. Write it now as well, as long as `budget` has it; then
 * with others, so that whoever changes it does not keep the disk busy. */
void supervisor_flush_within(struct supervisor *supervisor,
			     struct budget *budget);
/* Write what else is deferred soon: with whatever comes until then. */
void supervisor_flush_soon(struct supervisor *supervisor);

/* An event about a child or service by this name. */
void supervisor_event(struct supervisor *supervisor, enum event_level level,
		      const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Record an event whose subject is this partition. */
void partition_event_text(struct partition *partition, enum event_level level,
			  const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* An event of what the ticket's operation came to. */
void supervisor_record_operation(struct supervisor *supervisor,
				 const struct ticket *ticket,
				 const struct reply *reply);

#endif
