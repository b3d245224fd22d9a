/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/autostart.h"

#include <stdio.h>

#include "base/count.h"
#include "base/scope.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

#define PAUSE_FIRST_MS 1000u
#define PAUSE_MOST_MS  60000u
/* Each takes errands (errand.h); the others follow after the pause. */
#define AT_ONCE 64

static bool is_wanted(const struct partition *partition)
{
	enum partition_state state = partition_state(partition);

	return partition->record.definition.autostart &&
	       state != PARTITION_UNINSTALLED &&
	       !partition->record.image.saved_us;
}

void autostart_begin(struct supervisor *supervisor)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link) {
		partition->record.is_autostart_due = is_wanted(partition);
		if (partition->record.is_autostart_due)
			(void)store_defer_state(supervisor->store,
						&partition->record);
	}
	/* If it cannot be written now, it is later. */
	(void)store_flush_deferred(supervisor->store);
}

static void try_one(struct partition *partition)
{
	struct ticket nobody = { 0 };
	struct refusal refusal = { 0 };

	/* On its way, or its end is awaited. */
	if (partition_state(partition) != PARTITION_STOPPED ||
	    partition->end.is_pending || partition->errand_count ||
	    partition_start(partition, &nobody, &refusal) == 0)
		return;
	(void)snprintf(partition->record.reason,
		       sizeof(partition->record.reason),
		       "waits to be started: %.40s: %.110s", refusal.field,
		       refusal.text);
	if (!partition->is_autostart_told)
		partition_event_text(partition, EVENT_ERROR,
				     "is not started yet: %s: %s",
				     refusal.field, refusal.text);
	partition->is_autostart_told = true;
}

/* An errand. */
static void try_aside(void *context)
{
	try_one(context);
}

static int on_again(sd_event_source *source, uint64_t usec, void *data)
{
	autostart_go(data);
	return 0;
}

static void go_later(struct supervisor *supervisor)
{
	uint32_t *ms = &supervisor->autostart_ms;

	*ms = *ms ? (uint32_t)min_u64(*ms * 2, PAUSE_MOST_MS) : PAUSE_FIRST_MS;
	(void)sd_event_add_time_relative(
		supervisor->event, &supervisor->autostart_timer,
		CLOCK_MONOTONIC, *ms * 1000ull, 1000, on_again, supervisor);
}

void autostart_go(struct supervisor *supervisor)
{
	struct partition *partition;
	unsigned started = 0;
	bool is_left = false;

	supervisor->autostart_timer =
		sd_event_source_disable_unref(supervisor->autostart_timer);
	if (supervisor->is_ending)
		return;
	TAILQ_FOREACH(partition, &supervisor->partitions, link) {
		if (!partition->record.is_autostart_due)
			continue;
		is_left = true;
		if (++started > AT_ONCE)
			break;
		errand_run(supervisor->errands, try_aside, partition);
	}
	if (is_left)
		go_later(supervisor);
}

int autostart_give_up(struct partition *partition, const struct ticket *ticket,
		      struct refusal *refusal)
{
	struct partition_record record = partition->record;
	struct ticket who = *ticket;
	int r = partition_check_busy(partition, refusal);

	/* It may be starting just now. */
	if (r < 0)
		return r;
	record.is_autostart_due = false;
	record.reason[0] = '\0';
	partition_occupy(partition);
	r = store_put_partition_state(partition->supervisor->store, &record);
	partition_vacate(partition);
	if (r < 0)
		return partition_refuse_store(partition, r, refusal);
	partition->record = record;
	ticket_done(partition->supervisor, &who);
	return 0;
}
