/* SPDX-License-Identifier: MIT */
/*
 * Host shutdown: partitions first, all at once and each with its power button;
 * then, when the last has let go of its disks, services; then the supervisor.
 */
#include <errno.h>
#include <stdlib.h>

#include "supervisor/errand/errand.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

/* After the deadline: whatever is left is killed. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct supervisor *supervisor = data;
	struct process *process;

	supervisor_event(supervisor, EVENT_WARNING, "supervisor",
			 "shutdown took too long: killing what is left");
	TAILQ_FOREACH(process, &supervisor->processes, link)
		process_kill(process, "host shutdown");
	return sd_event_exit(supervisor->event, EXIT_SUCCESS);
}

static void stop_one(struct partition *partition, uint32_t deadline_ms)
{
	struct ticket nobody = { 0 };
	struct refusal refusal;

	/* One that is being saved will be. */
	if (partition_has_monitor(partition_state(partition)))
		(void)partition_stop(partition, &nobody, deadline_ms, false,
				     &refusal);
}

int supervisor_shut_down(struct supervisor *supervisor,
			 const struct ticket *ticket, uint32_t deadline_ms)
{
	struct partition *partition;
	int r;

	if (supervisor->is_ending)
		return -EALREADY;
	if (deadline_ms == 0)
		deadline_ms = supervisor->config.shutdown_ms;
	/* Room for switching off after the guests' own deadline. */
	r = sd_event_add_time_relative(
		supervisor->event, &supervisor->shutdown_timer, CLOCK_MONOTONIC,
		(uint64_t)deadline_ms * 1000 + 8000000, 0, on_deadline,
		supervisor);
	if (r < 0)
		return r;
	supervisor->is_ending = true;
	supervisor->shutdown_ticket = *ticket;
	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		stop_one(partition, deadline_ms);
	supervisor_shutdown_progress(supervisor);
	return 0;
}

/* An errand: what has become of the guests is on disk before anyone is told. */
static void leave(void *context)
{
	struct supervisor *supervisor = context;

	(void)store_flush_at_all_costs(supervisor->store);
	tickets_flushed(supervisor, -ESHUTDOWN);
	ticket_done(supervisor, &supervisor->shutdown_ticket);
	(void)sd_event_exit(supervisor->event, EXIT_SUCCESS);
}

void supervisor_shutdown_progress(struct supervisor *supervisor)
{
	struct partition *partition;
	struct service *service;

	if (!supervisor->is_ending || supervisor->is_over)
		return;
	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		if (partition->monitor || partition->end.is_pending ||
		    partition->errand_count)
			return;
	if (TAILQ_EMPTY(&supervisor->processes)) {
		supervisor->is_over = true;
		errand_run(supervisor->errands, leave, supervisor);
		return;
	}
	/* Until now they were needed: guests write while they power off. */
	supervisor->are_services_ending = true;
	TAILQ_FOREACH(service, &supervisor->services, link)
		service_quit(service);
}
