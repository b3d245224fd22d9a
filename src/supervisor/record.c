/* SPDX-License-Identifier: MIT */
#include "supervisor/record.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "supervisor/copier.h"
#include "supervisor/errand.h"
#include "supervisor/operation.h"
#include "supervisor/supervisor.h"

/* Deferred writes reach the disk this long after they were queued. */
#define FLUSH_USEC 50000u
/* ... and are tried again when it is full. */
#define RETRY_USEC 5000000u

static void flush_after(struct supervisor *supervisor, uint64_t usec)
{
	(void)sd_event_source_set_time_relative(supervisor->flush_source, usec);
	(void)sd_event_source_set_enabled(supervisor->flush_source,
					  SD_EVENT_ONESHOT);
}

static void tell_flushed(struct supervisor *supervisor, int result)
{
	if (supervisor->flushed)
		supervisor->flushed(supervisor, result);
}

/* An errand: the commit is waited for. */
static void flush(void *context)
{
	struct supervisor *supervisor = context;
	int r = store_flush_at_all_costs(supervisor->store);

	supervisor->is_flushing = false;
	if (r < 0)
		log_warn("the store cannot be written, going on: %s",
			 store_error(supervisor->store));
	if (r < 0)
		flush_after(supervisor, RETRY_USEC);
	else if (store_has_deferred(supervisor->store))
		flush_after(supervisor, FLUSH_USEC);
	copier_note(supervisor);
	/* Last: who still waits wants it at once. */
	tell_flushed(supervisor, r);
}

static int on_flush(sd_event_source *source, uint64_t usec, void *data)
{
	struct supervisor *supervisor = data;

	if (supervisor->is_flushing)
		return 0;
	/* Another's commit has written it all. */
	if (!store_has_deferred(supervisor->store)) {
		copier_note(supervisor);
		tell_flushed(supervisor, 0);
		return 0;
	}
	supervisor->is_flushing = true;
	errand_run(supervisor->errands, flush, supervisor);
	return 0;
}

void supervisor_flush_soon(struct supervisor *supervisor)
{
	int enabled = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(supervisor->flush_source, &enabled);
	if (enabled == SD_EVENT_OFF && !supervisor->is_flushing)
		flush_after(supervisor, FLUSH_USEC);
}

void supervisor_flush(struct supervisor *supervisor)
{
	if (!supervisor->is_flushing)
		flush_after(supervisor, 0);
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
	char text[TEXT_ROOM];
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
	char subject[64], text[TEXT_ROOM];
	va_list arguments;

	(void)snprintf(subject, sizeof(subject), "partition %s",
		       partition->record.definition.name);
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	supervisor_event(partition->supervisor, level, subject, "%s", text);
}
