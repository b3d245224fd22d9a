/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/partition.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/partition/hold.h"
#include "supervisor/partition/monitor_private.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

struct partition *partition_find(struct supervisor *supervisor,
				 const char *name)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		if (strcmp(partition->record.definition.name, name) == 0)
			return partition;
	return NULL;
}

struct partition *partition_new(struct supervisor *supervisor,
				const struct partition_record *record)
{
	struct partition *partition = calloc(1, sizeof(*partition));

	if (!partition)
		return NULL;
	partition->supervisor = supervisor;
	partition->record = *record;
	partition->engine = record->definition.engine;
	if (partition_has_monitor(record->lifecycle.state) ||
	    record->lifecycle.state == PARTITION_SAVED)
		partition->engine = record->engine;
	partition->is_paused_by_policy =
		record->lifecycle.state == PARTITION_PAUSED &&
		strcmp(record->reason, POLICY_PAUSE) == 0;
	partition->kernel_fd = NO_FD;
	partition->initrd_fd = NO_FD;
	partition->kvm_fd = NO_FD;
	partition->image_fd = NO_FD;
	partition->console.binding.ops = &console_binding;
	partition->console.binding.supervisor = supervisor;
	partition->console.memory = NO_FD;
	partition->console.log = NO_FD;
	partition->console.to_service = NO_FD;
	partition->console.to_monitor = NO_FD;
	for (unsigned i = 0; i < DISK_COUNT_MAX; i++)
		partition->disks[i].witness_fd = NO_FD;
	for (unsigned i = 0; i < DISK_COUNT_MAX; i++) {
		partition->held_fds[i] = NO_FD;
		partition->listening_fds[i] = NO_FD;
	}
	TAILQ_INSERT_TAIL(&supervisor->partitions, partition, link);
	return partition;
}

int partition_add_nic(struct partition *partition,
		      const struct nic_record *record)
{
	struct nic *nic = &partition->nics[partition->nic_count];

	if (partition->nic_count == NIC_COUNT_MAX)
		return -ENOSPC;
	*nic = (struct nic){
		.binding = { .ops = &nic_binding,
			     .supervisor = partition->supervisor,
			     .id = record->id },
		.partition = partition,
		.definition = record->definition,
		.index = partition->nic_count++,
	};
	return 0;
}

struct nic *partition_find_nic(const struct partition *partition,
			       const char *name)
{
	for (unsigned i = 0; i < partition->nic_count; i++)
		if (strcmp(partition->nics[i].definition.name, name) == 0)
			return (struct nic *)&partition->nics[i];
	return NULL;
}

void partition_remove_nic(struct partition *partition, unsigned index)
{
	/* Those behind it move: their last instance may have them yet. */
	for (unsigned i = index; i < partition->nic_count; i++)
		nic_release(&partition->nics[i]);
	partition->nic_count--;
	for (unsigned i = index; i < partition->nic_count; i++) {
		partition->nics[i] = partition->nics[i + 1];
		partition->nics[i].index = i;
	}
}

void partition_disarm(struct partition *partition)
{
	sd_event_source_disable_unref(partition->timer);
	partition->timer = NULL;
}

void partition_arm(struct partition *partition, uint64_t ms,
		   sd_event_time_handler_t handler)
{
	partition_disarm(partition);
	(void)sd_event_add_time_relative(partition->supervisor->event,
					 &partition->timer, CLOCK_MONOTONIC,
					 ms * 1000, 1000, handler, partition);
}

void partition_free(struct partition *partition)
{
	TAILQ_REMOVE(&partition->supervisor->partitions, partition, link);
	partition_disarm(partition);
	partition_forget_questions(partition);
	sd_event_source_disable_unref(partition->count_timer);
	partition_drop_uninstall(partition);
	for (unsigned i = 0; i < partition->disk_count; i++)
		disk_release(&partition->disks[i]);
	for (unsigned i = 0; i < partition->nic_count; i++)
		nic_release(&partition->nics[i]);
	console_close(partition);
	close_fd(&partition->image_fd);
	hold_drop(partition);
	free(partition);
}

enum partition_state partition_state(const struct partition *partition)
{
	return partition->record.lifecycle.state;
}

void partition_tell_state(struct partition *partition)
{
	const char *reason = partition->record.reason;

	partition_event_text(partition, EVENT_INFO, "is %s%s%s",
			     partition_state_name(partition_state(partition)),
			     reason[0] ? ": " : "", reason);
}

/* In memory at once; on disk with the next flush. */
static int change_state(struct partition *partition, enum partition_event event,
			const char *reason)
{
	struct lifecycle lifecycle = partition->record.lifecycle;
	int r = lifecycle_apply(&lifecycle, event);

	if (r < 0)
		return r;
	(void)failpoint("state.before");
	partition->record.lifecycle = lifecycle;
	if (lifecycle.state != PARTITION_STARTING &&
	    lifecycle.state != PARTITION_STOPPED)
		partition->record.is_autostart_due = false;
	(void)snprintf(partition->record.reason,
		       sizeof(partition->record.reason), "%s", reason);
	return store_defer_state(partition->supervisor->store,
				 &partition->record);
}

void partition_must(struct partition *partition, enum partition_event event,
		    const char *reason)
{
	if (change_state(partition, event, reason) < 0)
		return;
	partition_tell_state(partition);
	supervisor_flush_within(partition->supervisor, &partition->writes);
}

int partition_try(struct partition *partition, enum partition_event event,
		  const char *reason)
{
	struct partition_record before = partition->record;
	struct lifecycle changed;
	int r;

	r = change_state(partition, event, reason);
	if (r < 0)
		return r;
	changed = partition->record.lifecycle;
	r = event == PARTITION_EVENT_STOP
		    ? store_flush_at_all_costs(partition->supervisor->store)
		    : store_flush_deferred(partition->supervisor->store);
	if (r == 0) {
		partition_tell_state(partition);
		return 0;
	}
	/* As if nobody had asked, unless it has changed again meanwhile. */
	if (memcmp(&changed, &partition->record.lifecycle, sizeof(changed)) ==
	    0) {
		partition->record.lifecycle = before.lifecycle;
		memcpy(partition->record.reason, before.reason,
		       sizeof(before.reason));
		(void)store_defer_state(partition->supervisor->store,
					&partition->record);
		supervisor_flush_within(partition->supervisor,
					&partition->writes);
	}
	return r;
}

void partition_occupy(struct partition *partition)
{
	partition->errand_count++;
}

void partition_vacate(struct partition *partition)
{
	if (--partition->errand_count)
		return;
	partition_disk_released(partition);
	supervisor_shutdown_progress(partition->supervisor);
}
