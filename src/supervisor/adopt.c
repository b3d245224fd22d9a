/* SPDX-License-Identifier: MIT */
#include "supervisor/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/child/child_record.h"
#include "supervisor/errand/errand.h"
#include "supervisor/partition/autostart.h"
#include "supervisor/partition/launch.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/service/placement.h"
#include "supervisor/supervisor.h"

#define CHECK_USEC 2000u
/* After this the others go on without who has not come back. */
#define PATIENCE_NS (3 * NS_PER_S)
/* Time for those that the store, which was a copy, does not know. */
#define RECOVERY_NS NS_PER_S

struct adoption {
	sd_event_source *check_timer;
	int (*finished)(struct supervisor *supervisor);
	uint64_t began_ns;
};

static void mark_wanted(struct supervisor *supervisor)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link) {
		bool is_wanted = partition->monitor &&
				 partition->monitor->state == PROCESS_READY;

		for (unsigned i = 0; i < partition->disk_count; i++)
			partition->disks[i].binding.is_wanted = is_wanted;
		for (unsigned i = 0; i < partition->nic_count; i++)
			partition->nics[i].binding.is_wanted = is_wanted;
	}
}

static void reconcile(struct supervisor *supervisor)
{
	struct partition *partition, *next;
	struct service *service;

	(void)failpoint("adopt.reported");
	mark_wanted(supervisor);
	TAILQ_FOREACH(service, &supervisor->services, link)
		service_choose_active(service);
	TAILQ_FOREACH(service, &supervisor->services, link)
		service_take_held(service);
	supervisor->is_adopting = false;
	for (partition = TAILQ_FIRST(&supervisor->partitions); partition;
	     partition = next) {
		next = TAILQ_NEXT(partition, link);
		partition_reconcile(partition);
	}
	TAILQ_FOREACH(service, &supervisor->services, link)
		service_settle(service);
	(void)failpoint("adopt.reconciled");
}

static bool is_anyone_missing(const struct supervisor *supervisor)
{
	const struct process *process;

	TAILQ_FOREACH(process, &supervisor->processes, link)
		if (process->state == PROCESS_EXPECTED ||
		    process->state == PROCESS_DYING)
			return true;
	return false;
}

/* What the copy did not know has been asked. */
static void end_recovery(struct supervisor *supervisor)
{
	if (!supervisor->is_recovering)
		return;
	supervisor->is_recovering = false;
	if (store_put_fact(supervisor->store, STORE_IS_RECOVERED, NULL, 0) == 0)
		supervisor_event(supervisor, EVENT_INFO, "supervisor",
				 "continues from the copy of its store, which "
				 "now agrees with the running processes");
}

/* An errand: who is to start by himself is on record before any child is
 * started. Nobody waits for a service then. */
static void finish(void *context)
{
	struct supervisor *supervisor = context;

	if (supervisor->adopted_count == 0)
		autostart_begin(supervisor);
	reconcile(supervisor);
	end_recovery(supervisor);
	if (supervisor->adoption->finished(supervisor) < 0)
		(void)sd_event_exit(supervisor->event, EXIT_FAILURE);
}

static int on_check(sd_event_source *source, uint64_t usec, void *data)
{
	struct supervisor *supervisor = data;
	struct adoption *adoption = supervisor->adoption;
	struct process *process;

	uint64_t waited_ns = clock_now_ns() - adoption->began_ns;

	if ((is_anyone_missing(supervisor) && waited_ns < PATIENCE_NS) ||
	    (supervisor->is_recovering && waited_ns < RECOVERY_NS)) {
		(void)sd_event_source_set_time_relative(source, CHECK_USEC);
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	TAILQ_FOREACH(process, &supervisor->processes, link)
		supervisor->adopted_count++;
	errand_run(supervisor->errands, finish, supervisor);
	return 0;
}

static int expect_child(void *context, const struct child_record *child)
{
	struct supervisor *supervisor = context;
	struct process_record record = {
		.id = child->instance,
		.pid = child->pid,
		.start_time = child->start_time,
		.role = child->role,
	};
	struct partition *partition;
	struct service *service;
	int r = -ESRCH;

	memcpy(record.name, child->name, sizeof(record.name));
	memcpy(record.token, child->token, sizeof(record.token));
	partition = partition_find(supervisor, child->name);
	service = service_find(supervisor, child->name);
	if (child->role == ROLE_MONITOR && partition && !partition->monitor)
		r = partition_expect(partition, &record);
	else if (child->role != ROLE_MONITOR && service)
		r = service_expect(service, &record);
	if (r == -ESRCH && process_birth(child->pid) != child->start_time)
		child_forget(supervisor, child->instance, NO_FD);
	else if (r < 0)
		store_defer_child_gone(supervisor->store, child->instance);
	return 0;
}

/* The store says that it has no monitor; it is older than that one. */
static void note_running(struct partition *partition)
{
	static const char why[] = "found running";
	enum partition_state state = partition->record.lifecycle.state;

	if (partition_has_monitor(state))
		return;
	if (partition->engine == ENGINE_AUTO)
		partition->engine = partition->record.engine;
	partition->record.image = (struct saved_image){ 0 };
	if (state == PARTITION_SAVED)
		partition_must(partition, PARTITION_EVENT_STOP, why);
	partition_must(partition, PARTITION_EVENT_START, why);
}

static int adopt_monitor(struct partition *partition,
			 const struct process_record *record)
{
	int r;

	if (!partition ||
	    partition->record.lifecycle.state == PARTITION_UNINSTALLED ||
	    partition->uninstall)
		return -ENOENT;
	if (partition->monitor)
		return -EEXIST;
	if (partition->end.is_pending || partition->errand_count)
		return -EBUSY;
	r = partition_expect(partition, record);
	if (r == 0)
		note_running(partition);
	return r;
}

int adopt_unrecorded(struct supervisor *supervisor,
		     const struct process_record *record,
		     struct process **ret_process)
{
	struct service *service = service_find(supervisor, record->name);
	int r;

	if (record->role == ROLE_MONITOR)
		r = adopt_monitor(partition_find(supervisor, record->name),
				  record);
	else if (!service || service->role != record->role)
		r = -ENOENT;
	else
		r = supervisor->is_adopting ? service_expect(service, record)
					    : -EEXIST;
	/* The last of the list. */
	if (r == 0)
		*ret_process = TAILQ_LAST(&supervisor->processes, process_list);
	return r;
}

/* The disks of those whose monitor is dead and forgotten are known as well,
 * before any other disk comes up: each is in the way of those of its volume
 * until its fence is lifted. */
static int load_orphaned_disks(struct supervisor *supervisor)
{
	struct partition *partition;
	int r = 0;

	TAILQ_FOREACH(partition, &supervisor->partitions, link) {
		if (partition_has_monitor(partition_state(partition)) &&
		    partition->disk_count == 0)
			r = launch_load_disks(partition);
		if (r < 0)
			return r;
	}
	return 0;
}

int adopt_begin(struct supervisor *supervisor,
		int (*finished)(struct supervisor *supervisor))
{
	struct adoption *adoption;
	int r;

	adoption = supervisor->adoption = calloc(1, sizeof(*adoption));
	if (!adoption)
		return -ENOMEM;
	adoption->finished = finished;
	adoption->began_ns = clock_now_ns();
	supervisor->is_adopting = true;
	r = store_each_child(supervisor->store, expect_child, supervisor);
	if (r == 0)
		r = load_orphaned_disks(supervisor);
	if (r < 0)
		return r;
	return sd_event_add_time_relative(
		supervisor->event, &adoption->check_timer, CLOCK_MONOTONIC, 0,
		1, on_check, supervisor);
}

void adopt_close(struct supervisor *supervisor)
{
	struct adoption *adoption = supervisor->adoption;

	if (!adoption)
		return;
	sd_event_source_disable_unref(adoption->check_timer);
	free(adoption);
	supervisor->adoption = NULL;
}
