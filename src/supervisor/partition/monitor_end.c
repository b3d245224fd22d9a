/* SPDX-License-Identifier: MIT */
/* The end of a monitor's life, and what follows. */
#include "supervisor/partition/monitor_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "supervisor/errand/errand.h"
#include "supervisor/errand/listener.h"
#include "supervisor/partition/hold.h"
#include "supervisor/partition/launch.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/save.h"
#include "supervisor/supervisor.h"

/* Restarts by policy: at once, then with growing pauses while they come soon
 * after each other. */
#define RESTART_CALM_NS  (30 * NS_PER_S)
#define RESTART_FIRST_MS 50u
#define RESTART_MOST_MS  10000u
/* That a guest is off is tried to be stored this often. */
#define OFF_RETRY_MS 1000u
#define OFF_UNSTORED "its guest is off, which cannot be stored yet"
/* What its last monitor held may be free a moment later; not for ever. */
#define RESTARTS_BUSY 8u

static uint64_t restart_delay_ms(const struct partition *partition)
{
	uint64_t ms = RESTART_FIRST_MS;

	for (uint32_t i = 1;
	     i < partition->record.restarts && ms < RESTART_MOST_MS; i++)
		ms *= 2;
	return min_u64(ms, RESTART_MOST_MS);
}

static int on_restart(sd_event_source *source, uint64_t usec, void *data);

static void restart(struct partition *partition)
{
	struct refusal refusal = { 0 };
	int r;

	if (partition_state(partition) != PARTITION_STARTING)
		return;
	r = launch_prepare(partition, &refusal);
	if (partition->end.is_pending)
		return;
	if (r == -EBUSY && partition->record.restarts++ < RESTARTS_BUSY) {
		partition_arm(partition, restart_delay_ms(partition),
			      on_restart);
		return;
	}
	if (r < 0) {
		hold_drop(partition);
		partition_must(partition, PARTITION_EVENT_FAILED, refusal.text);
		supervisor_shutdown_progress(partition->supervisor);
		return;
	}
	launch_go(partition);
}

/* An errand. */
static void restart_aside(void *context)
{
	struct partition *partition = context;

	partition_occupy(partition);
	restart(partition);
	partition_vacate(partition);
}

static int on_restart(sd_event_source *source, uint64_t usec, void *data)
{
	struct partition *partition = data;

	partition_disarm(partition);
	errand_run(partition->supervisor->errands, restart_aside, partition);
	return 0;
}

static void tell_failure(struct partition *partition)
{
	const char *reason = partition->end.reason;
	struct refusal refusal = { 0 };

	if (!partition->end.field[0] ||
	    partition->end.event != PARTITION_EVENT_FAILED) {
		ticket_failed(partition->supervisor, &partition->ticket, -EIO,
			      reason);
		return;
	}
	(void)refuse(&refusal, -EINVAL, partition->end.field, "%s", reason);
	ticket_refused(partition->supervisor, &partition->ticket, -EINVAL,
		       &refusal);
}

/* Its end is in the record, with a sentence that stands alone. */
static void apply_end(struct partition *partition)
{
	const char *field = partition->end.field, *why = partition->end.reason;
	char reason[sizeof(partition->end)];

	(void)snprintf(reason, sizeof(reason), "%s%s%s", why[0] ? field : "",
		       why[0] && field[0] ? ": " : "", why);
	partition_must(partition, partition->end.event, reason);
}

/* Without us: its next monitor must find the disks as this one left them. */
static bool guest_runs_on(const struct partition *partition,
			  enum partition_event event)
{
	return event == PARTITION_EVENT_RESTART &&
	       partition->engine == ENGINE_FOREIGN;
}

static void finish_end(struct partition *partition)
{
	enum partition_event event = partition->end.event;
	struct supervisor *supervisor = partition->supervisor;
	enum partition_state was = partition_state(partition);

	if (event == PARTITION_EVENT_SAVED || was == PARTITION_RESTORING ||
	    guest_runs_on(partition, event))
		hold_keep(partition);
	else
		hold_drop(partition);
	launch_release(partition);
	/* It was stopped while its images were closed: that is its end. */
	if (partition->end.is_pending)
		return;
	partition->engine_pid = 0;
	/* Nobody asked for this pause to last. */
	if (partition->is_paused_by_policy)
		(void)lifecycle_apply(&partition->record.lifecycle,
				      PARTITION_EVENT_RESUME);
	partition->is_paused_by_policy = false;
	apply_end(partition);
	partition->save.step = SAVE_NOT;
	if (was == PARTITION_SAVING)
		save_forget_image(partition);
	if (partition->end.is_pending)
		return;
	if (event == PARTITION_EVENT_RESTART) {
		ticket_failed(supervisor, &partition->ticket, -EIO,
			      partition->end.reason);
		partition_arm(partition, restart_delay_ms(partition),
			      on_restart);
		return;
	}
	if (partition->engine == ENGINE_FOREIGN)
		(void)listener_clear(partition->record.definition.vhost_user,
				     &(struct refusal){ 0 });
	if (partition->is_stop_wanted || event == PARTITION_EVENT_SAVED)
		ticket_stored(supervisor, &partition->ticket);
	else
		tell_failure(partition);
	supervisor_shutdown_progress(supervisor);
}

/* An errand: its images are closed before anyone is told that it has ended. */
static void end_aside(void *context)
{
	struct partition *partition = context;

	partition_occupy(partition);
	if (partition->end.event == PARTITION_EVENT_SAVED) {
		(void)failpoint("save.ended");
		hold_note(partition);
	}
	finish_end(partition);
	partition_vacate(partition);
}

void partition_disk_released(struct partition *partition)
{
	if (!partition->end.is_pending || partition->monitor ||
	    partition->errand_count)
		return;
	for (unsigned i = 0; i < partition->disk_count; i++)
		if (partition->disks[i].binding.state != BINDING_DETACHED)
			return;
	partition->end.is_pending = false;
	errand_run(partition->supervisor->errands, end_aside, partition);
}

const struct disk_owner_ops partition_disk_owner = {
	.came_up = partition_disk_came_up,
	.released = partition_disk_released,
};

static void note_end(struct partition *partition, enum partition_event event,
		     const char *reason)
{
	char why[TEXT_SIZE]; /* it may be the one that is replaced */

	(void)snprintf(why, sizeof(why), "%s", reason);
	memcpy(partition->end.reason, why, sizeof(why));
	partition->end.event = event;
}

void partition_end(struct partition *partition, enum partition_event event,
		   const char *reason)
{
	note_end(partition, event, reason);
	partition->end.is_pending = false;
	/* Their handlers count on a monitor. */
	partition_disarm(partition);
	partition_forget_questions(partition);
	for (unsigned i = 0; i < partition->disk_count; i++)
		disk_unwant(&partition->disks[i]);
	for (unsigned i = 0; i < partition->nic_count; i++)
		nic_unwant(&partition->nics[i]);
	/* Armed last, so that the disks above release it only once. */
	partition->end.is_pending = true;
	partition_disk_released(partition);
}

/* An errand. A stop that came meanwhile has changed what the end is. */
static void end_fenced(void *context)
{
	struct partition *partition = context;

	partition_occupy(partition);
	launch_reopen_witnesses(partition);
	partition_end(partition, partition->end.event, partition->end.reason);
	partition_vacate(partition);
}

void partition_end_fenced(struct partition *partition,
			  enum partition_event event, const char *reason)
{
	note_end(partition, event, reason);
	/* Nothing counts on a monitor any more, whatever happens meanwhile. */
	partition_disarm(partition);
	partition_forget_questions(partition);
	for (unsigned i = 0; i < partition->disk_count; i++)
		partition->disks[i].binding.is_wanted = false;
	partition->end.is_pending = true;
	errand_run(partition->supervisor->errands, end_fenced, partition);
}

static bool wants_restart(const struct partition *partition, bool is_failure)
{
	uint32_t policy = partition->record.definition.restart;

	/* It may have been stopped since the store's copy was made. */
	if (partition->supervisor->is_recovering)
		return false;
	if (partition->is_stop_wanted || partition->supervisor->is_ending ||
	    !lifecycle_allows(&partition->record.lifecycle,
			      PARTITION_EVENT_RESTART))
		return false;
	/* A start that failed is the user's to look at. */
	if (partition_state(partition) == PARTITION_STARTING &&
	    partition->record.restarts == 0)
		return false;
	if (partition->engine == ENGINE_FOREIGN)
		return true;
	return policy == RESTART_ALWAYS ||
	       (policy == RESTART_ON_FAILURE && is_failure);
}

static void end_guest_aside(void *context);

static int on_guest_off(sd_event_source *source, uint64_t usec, void *data)
{
	struct partition *partition = data;

	partition_disarm(partition);
	if (partition->monitor)
		errand_run(partition->supervisor->errands, end_guest_aside,
			   partition);
	return 0;
}

/* True: what the store says leads nowhere else once the monitor is gone. */
static bool is_off_stored(struct partition *partition)
{
	enum partition_state state = partition_state(partition);

	if ((state != PARTITION_RUNNING && state != PARTITION_PAUSED) ||
	    wants_restart(partition, false))
		return true;
	ticket_failed(partition->supervisor, &partition->ticket, -ECANCELED,
		      "its guest powered off");
	return partition_try_stop(partition, 0) == 0;
}

static void end_guest(struct partition *partition)
{
	bool is_stored = is_off_stored(partition);

	/* Its monitor has ended meanwhile, and what follows from that is told. */
	if (!partition->monitor)
		return;
	if (is_stored) {
		process_quit(partition->monitor, QUIT_MS);
		return;
	}
	if (strcmp(partition->record.reason, OFF_UNSTORED) != 0)
		partition_event_text(partition, EVENT_ERROR, OFF_UNSTORED);
	memcpy(partition->record.reason, OFF_UNSTORED, sizeof(OFF_UNSTORED));
	partition_arm(partition, OFF_RETRY_MS, on_guest_off);
}

/* An errand. */
static void end_guest_aside(void *context)
{
	struct partition *partition = context;

	partition_occupy(partition);
	end_guest(partition);
	partition_vacate(partition);
}

void monitor_guest_off(struct partition *partition)
{
	if (partition->is_off)
		return;
	partition->is_off = true;
	errand_run(partition->supervisor->errands, end_guest_aside, partition);
}

enum partition_event monitor_end_event(struct partition *partition,
				       bool is_failure)
{
	enum partition_state state = partition_state(partition);

	if (state == PARTITION_SAVING && !save_is_undecided(partition))
		return PARTITION_EVENT_SAVED;
	if (wants_restart(partition, is_failure)) {
		struct process *monitor = partition->monitor;

		if (monitor &&
		    clock_now_ns() - monitor->started_ns > RESTART_CALM_NS)
			partition->record.restarts = 0;
		partition->record.restarts++;
		return PARTITION_EVENT_RESTART;
	}
	if (state == PARTITION_STARTING || state == PARTITION_RESTORING)
		return PARTITION_EVENT_FAILED;
	if (state == PARTITION_STOPPING ||
	    (state == PARTITION_RUNNING && !is_failure))
		return PARTITION_EVENT_OFF;
	return PARTITION_EVENT_MONITOR_LOST;
}

void monitor_died(struct process *process, const char *reason)
{
	struct partition *partition = process->owner;
	bool is_failure = partition->guest_state != GUEST_OFF;
	char why[TEXT_SIZE] = "";
	enum partition_event event;

	partition_counted(partition);
	if (partition->supervisor->is_adopting) {
		partition->monitor = NULL;
		return;
	}
	event = monitor_end_event(partition, is_failure);
	if (event != PARTITION_EVENT_OFF && event != PARTITION_EVENT_SAVED &&
	    !partition->is_stop_wanted)
		(void)snprintf(
			why, sizeof(why), "%s%s",
			process->last_words[0] ? "" : "its monitor: ", reason);
	/* If that is what its last error was. */
	(void)snprintf(partition->end.field, sizeof(partition->end.field), "%s",
		       strcmp(why, process->last_error) == 0 ? process->field
							     : "");
	for (unsigned i = 0; i < partition->nic_count; i++)
		nic_unwant(&partition->nics[i]);
	partition->monitor = NULL;
	console_close(partition);
	/* One that did not come back kept the witnesses. */
	partition_end_fenced(partition, event, why);
}
