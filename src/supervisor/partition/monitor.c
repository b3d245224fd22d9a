/* SPDX-License-Identifier: MIT */
/* A partition's side of its monitor: it is READY, it comes back, it is adopted.
 */
#include "supervisor/partition/monitor_private.h"

#include <errno.h>
#include <string.h>

#include "base/scope.h"
#include "supervisor/partition/launch.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/save.h"
#include "supervisor/supervisor.h"

static void boot_done(struct partition *partition)
{
	partition_must(partition, PARTITION_EVENT_BOOTED, "");
	ticket_stored(partition->supervisor, &partition->ticket);
}

/* Its guest has run nothing yet. */
static void boot(struct partition *partition)
{
	if (partition->engine == ENGINE_FOREIGN ||
	    partition->record.lifecycle.before == PARTITION_PAUSED)
		boot_done(partition);
	else
		partition_ask(partition, MSG_MONITOR_RESUME,
			      PARTITION_EVENT_BOOTED, NULL, 0, NULL);
}

void partition_want_disks(struct partition *partition)
{
	for (unsigned i = 0; i < partition->disk_count; i++)
		disk_want(&partition->disks[i]);
	for (unsigned i = 0; i < partition->nic_count; i++)
		nic_want(&partition->nics[i]);
}

/* The same for a partition on its way to or from its image. True: that was
 * it. */
static bool reconcile_saved(struct partition *partition, bool is_paused)
{
	enum partition_state state = partition_state(partition);

	if (state == PARTITION_SAVING)
		save_reconcile(partition);
	else if (state == PARTITION_RESTORING && is_paused)
		restore_ready(partition);
	else if (state == PARTITION_RESTORING)
		process_kill(partition->monitor, "it was not launched");
	else if (restore_is_unfinished(partition) && is_paused)
		restore_resume(partition);
	else if (restore_is_unfinished(partition))
		restore_done(partition);
	else
		return false;
	return true;
}

/* It lost its link and is back: what was asked or answered in between is lost.
 * A stop, a save and a restore go on by themselves. */
static void lose_question(struct partition *partition)
{
	enum partition_state state = partition_state(partition);

	partition_forget_questions(partition);
	if (state != PARTITION_STOPPING && state != PARTITION_SAVING &&
	    state != PARTITION_RESTORING)
		ticket_failed(partition->supervisor, &partition->ticket, -EIO,
			      "its monitor lost the request");
}

/* What the monitor that came back says of its guest, against the record. */
static void reconcile_state(struct partition *partition)
{
	enum partition_state state = partition_state(partition);
	bool is_paused = partition->guest_state == GUEST_PAUSED;

	lose_question(partition);
	if (reconcile_saved(partition, is_paused))
		return;
	if (state == PARTITION_STOPPING &&
	    partition->engine == ENGINE_FOREIGN) {
		process_quit(partition->monitor, QUIT_MS);
		return;
	}
	if (partition->guest_state == GUEST_OFF)
		return; /* it was told to end */
	if (state == PARTITION_STOPPING) {
		partition_press_power_button(partition);
		return;
	}
	if (state == PARTITION_STARTING && partition->guest_state == 0 &&
	    partition->engine != ENGINE_FOREIGN) {
		process_kill(partition->monitor, "it was not launched");
		return;
	}
	if (state == PARTITION_STARTING && is_paused) {
		boot(partition);
		return;
	}
	if (state == PARTITION_STARTING)
		partition_must(partition, PARTITION_EVENT_BOOTED, "");
	if (state == PARTITION_RUNNING && is_paused)
		partition_must(partition, PARTITION_EVENT_PAUSE, "");
	if (state == PARTITION_PAUSED && !is_paused)
		partition_must(partition, PARTITION_EVENT_RESUME, "");
}

void monitor_ready(struct process *process)
{
	struct partition *partition = process->owner;

	/* A returned monitor is dealt with when all have returned; one that
	 * comes after that, now. */
	if (process->is_adopted) {
		if (!partition->supervisor->is_adopting)
			partition_reconcile(partition);
		return;
	}
	if (partition_state(partition) == PARTITION_RESTORING &&
	    partition->guest_state != 0) {
		restore_ready(partition);
		return;
	}
	partition_want_disks(partition);
	if (partition_state(partition) != PARTITION_STARTING) {
		reconcile_state(partition);
		return;
	}
	boot(partition);
}

/* Re-adoption. */

int partition_expect(struct partition *partition,
		     const struct process_record *record)
{
	int r = launch_load_disks(partition);

	if (r < 0)
		return r;
	/* The release before knew no other. */
	if (partition->engine == ENGINE_AUTO)
		partition->engine =
			partition->record.definition.engine == ENGINE_FOREIGN
				? ENGINE_FOREIGN
				: ENGINE_QEMU;
	return process_expect(partition->supervisor, record, &monitor_ops,
			      partition, &partition->monitor);
}

void partition_reconcile(struct partition *partition)
{
	enum partition_event event;

	if (!partition_has_monitor(partition_state(partition))) {
		if (partition->monitor)
			process_kill(partition->monitor,
				     "its partition has ended");
		return;
	}
	if (partition->monitor && partition->monitor->state != PROCESS_READY)
		return; /* late: it is dealt with when it comes or ends */
	if (partition->monitor) {
		for (unsigned i = 0; i < partition->disk_count; i++)
			if (partition->disks[i].witness_fd == NO_FD)
				process_kill(
					partition->monitor,
					"it reconnected without its disks");
			else
				/* What was stored last may never have been
				 * told. */
				disk_changed(&partition->disks[i]);
		if (partition_state(partition) != PARTITION_RESTORING)
			partition_want_disks(partition);
		reconcile_state(partition);
		partition_disk_came_up(partition);
		return;
	}
	event = monitor_end_event(partition,
				  partition->guest_state != GUEST_OFF);
	partition_end_fenced(partition, event,
			     event == PARTITION_EVENT_SAVED
				     ? ""
				     : "its monitor died while there was no "
				       "supervisor");
}
