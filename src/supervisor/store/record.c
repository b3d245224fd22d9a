/* SPDX-License-Identifier: MIT */
#include "supervisor/store/record.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/log.h"
#include "supervisor/errand/errand.h"
#include "supervisor/store/copier.h"
#include "supervisor/store/operation.h"
#include "supervisor/store/status.h"
#include "supervisor/supervisor.h"

/* Deferred writes reach the disk this long after they were queued. */
#define FLUSH_NS (50 * NS_PER_MS)
/* ... and are tried again when it is full. */
#define RETRY_NS (5 * NS_PER_S)
/* States of one partition that are written at once, and then one each while. */
#define STATES_AT_ONCE 8
#define STATE_EACH_NS  (500 * NS_PER_MS)

static void flush_at(struct supervisor *supervisor, uint64_t at_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t wait_ns = max_u64(at_ns, now_ns) - now_ns;

	supervisor->flush_at_ns = at_ns;
	(void)sd_event_source_set_time_relative(supervisor->flush_source,
						(wait_ns + NS_PER_US - 1) /
							NS_PER_US);
	(void)sd_event_source_set_enabled(supervisor->flush_source,
					  SD_EVENT_ONESHOT);
}

/* At the latest, but that what failed has its time. */
static void flush_by(struct supervisor *supervisor, uint64_t at_ns)
{
	int enabled = SD_EVENT_OFF;

	if (supervisor->is_flushing)
		return;
	at_ns = max_u64(at_ns, supervisor->retry_at_ns);
	(void)sd_event_source_get_enabled(supervisor->flush_source, &enabled);
	if (enabled == SD_EVENT_OFF || supervisor->flush_at_ns > at_ns)
		flush_at(supervisor, at_ns);
}

static void tell_flushed(struct supervisor *supervisor, int result)
{
	if (supervisor->flushed)
		supervisor->flushed(supervisor, result);
}

static bool are_states_due(const struct supervisor *supervisor)
{
	return supervisor->states_at_ns &&
	       supervisor->states_at_ns <= clock_now_ns();
}

/* The earliest date counts. */
static void want_states(struct supervisor *supervisor, uint64_t at_ns)
{
	if (!supervisor->states_at_ns || supervisor->states_at_ns > at_ns)
		supervisor->states_at_ns = at_ns;
}

/* What came meanwhile. */
static void flush_rest(struct supervisor *supervisor)
{
	uint64_t soon_ns = clock_now_ns() + FLUSH_NS;

	if (store_has_deferred(supervisor->store))
		flush_by(supervisor, soon_ns);
	if (!store_has_state(supervisor->store))
		return;
	if (!supervisor->states_at_ns)
		want_states(supervisor, soon_ns);
	flush_by(supervisor, supervisor->states_at_ns);
}

/* An errand: the commit is waited for. */
static void flush(void *context)
{
	struct supervisor *supervisor = context;
	bool are_due = are_states_due(supervisor);
	int r;

	if (are_due)
		supervisor->states_at_ns = 0;
	r = are_due ? store_flush_at_all_costs(supervisor->store)
		    : store_flush_but_states(supervisor->store);
	supervisor->is_flushing = false;
	supervisor->retry_at_ns = r < 0 ? clock_now_ns() + RETRY_NS : 0;
	if (r < 0)
		log_warn("the store cannot be written, continuing: %s",
			 store_error(supervisor->store));
	status_flushed(supervisor, r);
	flush_rest(supervisor);
	copier_note(supervisor);
	/* Last: who still waits wants it at once. */
	if (are_due)
		tell_flushed(supervisor, r);
}

static int on_flush(sd_event_source *source, uint64_t usec, void *data)
{
	struct supervisor *supervisor = data;
	bool has_state = store_has_state(supervisor->store);

	if (supervisor->is_flushing)
		return 0;
	/* Another's commit has written them all. */
	if (!has_state)
		tell_flushed(supervisor, 0);
	if (!has_state && !store_has_deferred(supervisor->store)) {
		copier_note(supervisor);
		return 0;
	}
	supervisor->is_flushing = true;
	errand_run(supervisor->errands, flush, supervisor);
	return 0;
}

void supervisor_flush_soon(struct supervisor *supervisor)
{
	flush_by(supervisor, clock_now_ns() + FLUSH_NS);
}

void supervisor_flush(struct supervisor *supervisor)
{
	want_states(supervisor, clock_now_ns());
	if (!supervisor->is_flushing)
		flush_at(supervisor, clock_now_ns());
}

void supervisor_flush_within(struct supervisor *supervisor,
			     struct budget *budget)
{
	uint64_t now_ns = clock_now_ns();

	if (budget_take(budget, STATES_AT_ONCE, STATE_EACH_NS, now_ns)) {
		supervisor_flush(supervisor);
		return;
	}
	want_states(supervisor, now_ns + budget_wait_ns(budget, STATES_AT_ONCE,
							STATE_EACH_NS, now_ns));
	flush_by(supervisor, supervisor->states_at_ns);
}

int record_open(struct supervisor *supervisor)
{
	int r = sd_event_add_time_relative(
		supervisor->event, &supervisor->flush_source, CLOCK_MONOTONIC,
		0, 1, on_flush, supervisor);

	return r < 0 ? r : 0;
}

void supervisor_event(struct supervisor *supervisor, enum event_level level,
		      const char *subject, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	event_record(supervisor->events, level, subject, "%s", text);
	supervisor_flush_soon(supervisor);
}

void supervisor_record_operation(struct supervisor *supervisor,
				 const struct ticket *ticket,
				 const struct reply *reply)
{
	operation_record(supervisor->events, ticket, reply);
	supervisor_flush_soon(supervisor);
}

void partition_event_text(struct partition *partition, enum event_level level,
			  const char *format, ...)
{
	char subject[64], text[TEXT_SIZE];
	va_list arguments;

	(void)snprintf(subject, sizeof(subject), "partition %s",
		       partition->record.definition.name);
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	supervisor_event(partition->supervisor, level, subject, "%s", text);
}
