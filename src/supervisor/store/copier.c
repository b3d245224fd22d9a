/* SPDX-License-Identifier: MIT */
#include "supervisor/store/copier.h"

#include <errno.h>
#include <string.h>

#include "supervisor/errand/errand.h"
#include "supervisor/store/record.h"
#include "supervisor/supervisor.h"

/* Changes come in bursts; */
#define COPY_AFTER_USEC 500000u
/* and a busy host is not to write its store over and over. */
#define COPY_EACH_USEC 5000000u

static void copy_after(struct supervisor *supervisor, uint64_t usec)
{
	(void)sd_event_source_set_time_relative(supervisor->copy_source, usec);
	(void)sd_event_source_set_enabled(supervisor->copy_source,
					  SD_EVENT_ONESHOT);
}

/* Once, until it succeeds again. */
static void tell(struct supervisor *supervisor, int r)
{
	bool was_failing = supervisor->is_copy_failing;

	supervisor->is_copy_failing = r < 0;
	if (r == 0 || was_failing)
		return;
	if (r == -EUCLEAN)
		supervisor_event(supervisor, EVENT_ERROR, "supervisor",
				 "the store is damaged: its last intact copy "
				 "is kept, see --recover in bulkheadd(8)");
	else
		supervisor_event(supervisor, EVENT_WARNING, "supervisor",
				 "the store's copy cannot be written: %s",
				 strerror(-r));
}

/* An errand. What is changed meanwhile waits for the pause. */
static void copy(void *context)
{
	struct supervisor *supervisor = context;

	supervisor->is_copying = true;
	tell(supervisor, store_copy(supervisor->store));
	supervisor->is_copying = false;
	copy_after(supervisor, COPY_EACH_USEC);
}

static int on_copy(sd_event_source *source, uint64_t usec, void *data)
{
	struct supervisor *supervisor = data;

	if (store_is_ahead(supervisor->store) && !supervisor->is_copying)
		errand_run(supervisor->errands, copy, supervisor);
	return 0;
}

void copier_note(struct supervisor *supervisor)
{
	int enabled = SD_EVENT_ON;

	if (!supervisor->copy_source || supervisor->is_copying ||
	    !store_is_ahead(supervisor->store))
		return;
	(void)sd_event_source_get_enabled(supervisor->copy_source, &enabled);
	if (enabled == SD_EVENT_OFF)
		copy_after(supervisor, COPY_AFTER_USEC);
}

int copier_open(struct supervisor *supervisor)
{
	int r = sd_event_add_time_relative(
		supervisor->event, &supervisor->copy_source, CLOCK_MONOTONIC,
		COPY_AFTER_USEC, 0, on_copy, supervisor);

	return r < 0 ? r : 0;
}

void copier_close(struct supervisor *supervisor)
{
	supervisor->copy_source =
		sd_event_source_disable_unref(supervisor->copy_source);
}
