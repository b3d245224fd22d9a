/* SPDX-License-Identifier: MIT */
#include "supervisor/autostart.h"

#include <stdio.h>

#include "base/count.h"
#include "base/scope.h"
#include "supervisor/partition_private.h"
#include "supervisor/supervisor.h"

#define PAUSE_FIRST_MS 1000u
#define PAUSE_MOST_MS  60000u

static bool is_wanted(const struct partition *partition)
{
	enum partition_state state = partition_state(partition);

	return partition->record.definition.autostart &&
	       state != PARTITION_UNINSTALLED &&
	       !partition->record.image.saved_us;
}

static int store_all(struct supervisor *supervisor)
{
	SCOPED(store_scope_end) struct store_scope scope = { 0 };
	struct partition *partition;
	int r = store_scope_begin(&scope, supervisor->store);

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
	if (r == 0 && partition->record.is_autostart_due)
		r = store_put_partition_state(supervisor->store,
					      &partition->record);
	return r < 0 ? r : store_scope_commit(&scope);
}

void autostart_begin(struct supervisor *supervisor)
{
	struct partition *partition;
	bool is_anyone = false;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
	{
		partition->record.is_autostart_due = is_wanted(partition);
		is_anyone |= is_wanted(partition);
	}
	if (!is_anyone || store_all(supervisor) == 0)
		return;
	TAILQ_FOREACH(partition, &supervisor->partitions, link)
	partition->is_unstored |= partition->record.is_autostart_due;
}

static void try_one(struct partition *partition)
{
	struct ticket nobody = { 0 };
	struct refusal refusal = { 0 };

	/* On its way, or its end is awaited. */
	if (partition_state(partition) != PARTITION_STOPPED ||
	    partition->end.is_pending ||
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
	bool is_left = false;

	supervisor->autostart_timer =
		sd_event_source_disable_unref(supervisor->autostart_timer);
	if (supervisor->is_ending)
		return;
	TAILQ_FOREACH(partition, &supervisor->partitions, link)
	{
		if (!partition->record.is_autostart_due)
			continue;
		try_one(partition);
		is_left = true;
	}
	if (is_left)
		go_later(supervisor);
}

int autostart_give_up(struct partition *partition, const struct ticket *ticket,
		      struct refusal *refusal)
{
	struct partition_record record = partition->record;
	struct ticket who = *ticket;
	int r;

	record.is_autostart_due = false;
	record.reason[0] = '\0';
	r = store_put_partition_state(partition->supervisor->store, &record);
	if (r < 0)
		return partition_refuse_store(partition, r, refusal);
	partition->record = record;
	ticket_done(partition->supervisor, &who);
	return 0;
}
