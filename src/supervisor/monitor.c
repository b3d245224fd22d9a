/* SPDX-License-Identifier: MIT */
/* A partition's side of its monitor: messages, death, and what follows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/hold.h"
#include "supervisor/launch.h"
#include "supervisor/partition_private.h"
#include "supervisor/save.h"
#include "supervisor/supervisor.h"

#define QUIT_MS 3000
/* Restarts by policy: at once, then with growing pauses while they come soon
 * after each other. */
#define RESTART_CALM_NS  (30 * NS_PER_S)
#define RESTART_FIRST_MS 50u
#define RESTART_MOST_MS  10000u
/* What its last monitor held may be free a moment later; not for ever. */
#define RESTARTS_BUSY 8u
/* Statuses beyond it are no errno. */
#define ERRNO_MOST 4095
/* Why a partition is paused that will be resumed without being asked; stored
 * with its state. */
#define POLICY_PAUSE "until its disk is back"

static void boot_done(struct partition *partition)
{
	partition_must(partition, PARTITION_EVENT_BOOTED, "");
	ticket_done(partition->supervisor, &partition->ticket);
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

/* What the monitor that came back says of its guest, against the record. */
static void reconcile_state(struct partition *partition)
{
	enum partition_state state = partition_state(partition);
	bool is_paused = partition->guest_state == GUEST_PAUSED;

	if (reconcile_saved(partition, is_paused))
		return;
	if (state == PARTITION_STOPPING &&
	    partition->engine == ENGINE_FOREIGN) {
		process_quit(partition->monitor, QUIT_MS);
		return;
	}
	if (state == PARTITION_STOPPING && partition->timer)
		return; /* one that comes back again wins no time by it */
	if (state == PARTITION_STOPPING) {
		partition_press_power_button(
			partition, partition->record.definition.stop_ms);
		return;
	}
	if (state == PARTITION_STARTING && partition->guest_state == 0 &&
	    partition->engine != ENGINE_FOREIGN) {
		process_kill(partition->monitor, "it was not launched");
		return;
	}
	if (state == PARTITION_STARTING && is_paused) {
		partition->verb_event = PARTITION_EVENT_BOOTED;
		partition->verb_id++;
		process_send(partition->monitor, MSG_MONITOR_RESUME,
			     partition->verb_id, NULL, 0, NULL, 0);
		return;
	}
	if (state == PARTITION_STARTING)
		partition_must(partition, PARTITION_EVENT_BOOTED, "");
	if (state == PARTITION_RUNNING && is_paused)
		partition_must(partition, PARTITION_EVENT_PAUSE, "");
	if (state == PARTITION_PAUSED && !is_paused)
		partition_must(partition, PARTITION_EVENT_RESUME, "");
}

/* It lost its link and is back: what was asked or answered in between is
 * lost. */
static void monitor_returned(struct partition *partition)
{
	if (partition_state(partition) != PARTITION_STOPPING &&
	    partition_state(partition) != PARTITION_SAVING)
		ticket_failed(partition->supervisor, &partition->ticket, -EIO,
			      "its monitor lost the question");
	reconcile_state(partition);
}

static void monitor_ready(struct process *process)
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
		monitor_returned(partition);
		return;
	}
	if (partition->engine == ENGINE_FOREIGN) {
		boot_done(partition);
		return;
	}
	partition->verb_event = PARTITION_EVENT_BOOTED;
	partition->verb_id++;
	process_send(process, MSG_MONITOR_RESUME, partition->verb_id, NULL, 0,
		     NULL, 0);
}

/* The end of a monitor's life. */

static uint64_t restart_delay_ms(const struct partition *partition)
{
	uint64_t ms = RESTART_FIRST_MS;

	for (uint32_t i = 1;
	     i < partition->record.restarts && ms < RESTART_MOST_MS; i++)
		ms *= 2;
	return min_u64(ms, RESTART_MOST_MS);
}

static int on_restart(sd_event_source *source, uint64_t usec, void *data)
{
	struct partition *partition = data;
	struct refusal refusal = { 0 };
	int r;

	partition_disarm(partition);
	r = launch_prepare(partition, &refusal);
	if (r == -EBUSY && partition->record.restarts++ < RESTARTS_BUSY) {
		partition_arm(partition, restart_delay_ms(partition),
			      on_restart);
		return 0;
	}
	if (r < 0) {
		partition_must(partition, PARTITION_EVENT_FAILED, refusal.text);
		supervisor_shutdown_progress(partition->supervisor);
		return 0;
	}
	launch_go(partition);
	return 0;
}

/* The field of the definition that a failed start is about; NULL: none. */
static const char *field_at_fault(const char *reason)
{
	static const char *const fields[] = {
		"boot.kernel",  "boot.initrd",
		"boot.cmdline", "memory.huge-pages",
		"memory.size",  "cpu.virtual",
		"image",        "engine",
	};

	for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
		size_t length = strlen(fields[i]);

		if (strncmp(reason, fields[i], length) == 0 &&
		    strncmp(reason + length, ": ", 2) == 0)
			return fields[i];
	}
	return NULL;
}

static void tell_failure(struct partition *partition)
{
	const char *reason = partition->end.reason;
	const char *field = field_at_fault(reason);

	if (field && partition->end.event == PARTITION_EVENT_FAILED) {
		struct refusal refusal = { 0 };

		(void)refuse(&refusal, -EINVAL, field, "%s",
			     reason + strlen(field) + 2);
		ticket_refused(partition->supervisor, &partition->ticket,
			       -EINVAL, &refusal);
		return;
	}
	ticket_failed(partition->supervisor, &partition->ticket, -EIO, reason);
}

static void finish_end(struct partition *partition)
{
	enum partition_event event = partition->end.event;
	struct supervisor *supervisor = partition->supervisor;
	bool was_saving = partition_state(partition) == PARTITION_SAVING;
	bool was_restoring = partition_state(partition) == PARTITION_RESTORING;

	partition->end.is_pending = false;
	if (event == PARTITION_EVENT_SAVED) {
		(void)failpoint("save.ended");
		hold_note(partition);
	}
	if (event == PARTITION_EVENT_SAVED || was_restoring)
		hold_keep(partition);
	launch_release(partition);
	partition->engine_pid = 0;
	partition_disarm(partition);
	partition_must(partition, event, partition->end.reason);
	partition->save.step = SAVE_NOT;
	if (was_saving)
		save_forget_image(partition);
	if (event == PARTITION_EVENT_RESTART) {
		ticket_failed(supervisor, &partition->ticket, -EIO,
			      partition->end.reason);
		partition_arm(partition, restart_delay_ms(partition),
			      on_restart);
		return;
	}
	if (event == PARTITION_EVENT_OFF || event == PARTITION_EVENT_SAVED)
		ticket_done(supervisor, &partition->ticket);
	else
		tell_failure(partition);
	supervisor_shutdown_progress(supervisor);
}

void partition_disk_released(struct partition *partition)
{
	if (!partition->end.is_pending || partition->monitor)
		return;
	for (unsigned i = 0; i < partition->disk_count; i++)
		if (partition->disks[i].state != DISK_IS_DETACHED)
			return;
	finish_end(partition);
}

void partition_end(struct partition *partition, enum partition_event event,
		   const char *reason)
{
	char why[TEXT_ROOM];

	(void)snprintf(why, sizeof(why), "%s", reason);
	memcpy(partition->end.reason, why, sizeof(why));
	partition->end.event = event;
	partition->end.is_pending = false;
	for (unsigned i = 0; i < partition->disk_count; i++)
		disk_unwant(&partition->disks[i]);
	for (unsigned i = 0; i < partition->nic_count; i++)
		nic_unwant(&partition->nics[i]);
	/* Armed last, so that the disks above release it only once. */
	partition->end.is_pending = true;
	partition_disk_released(partition);
}

static bool wants_restart(const struct partition *partition, bool is_failure)
{
	uint32_t policy = partition->record.definition.restart;

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

static enum partition_event end_event(struct partition *partition,
				      bool is_failure)
{
	enum partition_state state = partition_state(partition);

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
	if (state == PARTITION_SAVING)
		return save_end_event(partition);
	if (state == PARTITION_STOPPING ||
	    (state == PARTITION_RUNNING && !is_failure))
		return PARTITION_EVENT_OFF;
	return PARTITION_EVENT_MONITOR_LOST;
}

static void monitor_died(struct process *process, const char *reason)
{
	struct partition *partition = process->owner;
	bool is_failure = partition->guest_state != GUEST_OFF;
	char why[TEXT_ROOM] = "";
	enum partition_event event;

	partition_counted(partition);
	if (partition->supervisor->is_adopting) {
		partition->monitor = NULL;
		return;
	}
	event = end_event(partition, is_failure);
	if (event != PARTITION_EVENT_OFF && event != PARTITION_EVENT_SAVED)
		(void)snprintf(
			why, sizeof(why), "%s%s",
			process->last_words[0] ? "" : "its monitor: ", reason);
	for (unsigned i = 0; i < partition->nic_count; i++)
		nic_unwant(&partition->nics[i]);
	partition->monitor = NULL;
	console_close(partition);
	/* One that did not come back kept the witnesses. */
	launch_reopen_witnesses(partition);
	partition_end(partition, event, why);
}

/* Messages of a monitor. */

static int take_done(void *data, struct message *message)
{
	const struct monitor_result *result = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;
	int status = result->status >= -ERRNO_MOST ? result->status : -EIO;
	char text[TEXT_ROOM];

	if (!text_is_terminated(result->text, sizeof(result->text)))
		return -EBADMSG;
	text_escape(text, sizeof(text), result->text, strlen(result->text));
	if (message->request_id == PARTITION_COUNT_REQUEST) {
		partition_counted(partition);
		return 0;
	}
	if (message->request_id != partition->verb_id)
		return 0;
	if (partition_state(partition) == PARTITION_SAVING) {
		save_answered(partition, status, text);
		return 0;
	}
	if (status < 0 && (partition_state(partition) == PARTITION_STARTING ||
			   restore_is_unfinished(partition))) {
		process_kill(process, text);
		return 0;
	}
	if (restore_is_unfinished(partition)) {
		restore_done(partition);
		return 0;
	}
	if (status < 0) {
		ticket_failed(partition->supervisor, &partition->ticket, status,
			      text);
		return 0;
	}
	if (partition->verb_event != PARTITION_EVENT_COUNT)
		partition_must(partition, partition->verb_event,
			       partition->is_paused_by_policy ? POLICY_PAUSE
							      : "");
	ticket_done(partition->supervisor, &partition->ticket);
	/* Its disks may have come back before the pause they caused. */
	partition_disk_came_up(partition);
	return 0;
}

static void guest_panicked(struct partition *partition)
{
	partition_event_text(partition, EVENT_ERROR, "its guest panicked");
	process_quit(partition->monitor, QUIT_MS);
}

static int take_guest(void *data, struct message *message)
{
	const struct guest_change *change = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;

	if (change->state < GUEST_RUNNING || change->state > GUEST_DISCONNECTED)
		return -EBADMSG;
	/* How a failure ends is no success. */
	if (partition->guest_state != GUEST_PANICKED &&
	    partition->guest_state != GUEST_ENGINE_DIED)
		partition->guest_state = change->state;
	partition->engine_pid = change->engine_pid;
	switch ((enum guest_state)change->state) {
	case GUEST_RESET:
		partition_event_text(partition, EVENT_INFO, "reset itself");
		break;
	case GUEST_PANICKED:
		guest_panicked(partition);
		break;
	case GUEST_CONNECTED:
		partition_event_text(partition, EVENT_INFO,
				     "a front end has connected");
		break;
	case GUEST_DISCONNECTED:
		partition_event_text(partition, EVENT_INFO,
				     "its front end has disconnected");
		break;
	case GUEST_OFF:
	case GUEST_ENGINE_DIED:
		/* Its monitor has nothing left to do. */
		process_quit(process, QUIT_MS);
		break;
	case GUEST_RUNNING:
	case GUEST_PAUSED:
		break;
	}
	return 0;
}

/* The disk a message is about; NULL when the monitor invents one. */
static struct disk *disk_of(struct process *process,
			    const struct disk_channel *channel)
{
	struct partition *partition = process->owner;

	if (channel->index >= partition->disk_count)
		return NULL;
	return partition->disks[channel->index].id == channel->attachment_id
		       ? &partition->disks[channel->index]
		       : NULL;
}

static int take_suspect(void *data, struct message *message)
{
	const struct disk_suspect *suspect = (const void *)message->body;
	struct disk *disk = disk_of(data, &suspect->channel);

	if (!disk)
		return -EBADMSG;
	disk_suspected(disk, suspect->channel.generation);
	return 0;
}

static int take_poison(void *data, struct message *message)
{
	const struct disk_channel *channel = (const void *)message->body;
	struct disk *disk = disk_of(data, channel);

	if (!disk)
		return -EBADMSG;
	disk_poisoned(disk, channel->generation);
	return 0;
}

static int take_broken(void *data, struct message *message)
{
	const struct disk_channel *channel = (const void *)message->body;
	struct disk *disk = disk_of(data, channel);

	if (!disk)
		return -EBADMSG;
	disk_channel_broken(disk, channel->generation, "service");
	return 0;
}

static int take_pause_wish(void *data, struct message *message)
{
	struct process *process = data;
	struct disk *disk = disk_of(process, (const void *)message->body);

	if (!disk)
		return -EBADMSG;
	partition_pause_by_policy(process->owner);
	return 0;
}

static int take_counters(void *data, struct message *message)
{
	const struct disk_counters *counters = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;

	if (counters->index >= partition->disk_count)
		return -EBADMSG;
	partition->disks[counters->index].counters = *counters;
	return 0;
}

static int take_progress(void *data, struct message *message)
{
	const struct progress *progress = (const void *)message->body;
	struct process *process = data;

	save_progressed(process->owner, message->request_id, progress);
	return 0;
}

static int take_intervention(void *data, struct message *message)
{
	const struct intervention *told = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;

	if (!text_is_terminated(told->mnemonic, sizeof(told->mnemonic)))
		return -EBADMSG;
	if (partition->intervention_count < INTERVENTIONS_MAX)
		partition->interventions[partition->intervention_count++] =
			*told;
	return 0;
}

static int take_disk_held(void *data, struct message *message)
{
	const struct disk_channel *channel = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;
	struct disk *disk = disk_of(process, channel);

	if (!disk)
		return -EBADMSG;
	if (storage_check_witness(message->fds[0], disk->definition,
				  &disk->facts) < 0)
		return -EBADMSG;
	close_fd(&disk->witness_fd);
	disk->witness_fd = take_fd(&message->fds[0]);
	if (partition->supervisor->is_adopting)
		disk->generation = channel->generation;
	else if (disk->generation != channel->generation)
		disk_leave(disk);
	return 0;
}

static int take_console_held(void *data, struct message *message)
{
	const struct attachment *attachment = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;

	/* Whose console it is, is ours to say. */
	if (attachment->id != process->id)
		return -EBADMSG;
	console_found(partition, message->fds);
	partition->console.id = process->id;
	return 0;
}

/* The interface a message is about; NULL when the monitor invents one. */
static struct nic *nic_of(struct process *process, uint64_t attachment_id,
			  uint32_t index)
{
	struct partition *partition = process->owner;

	if (index >= partition->nic_count ||
	    partition->nics[index].id != attachment_id)
		return NULL;
	return &partition->nics[index];
}

static int take_nic_held(void *data, struct message *message)
{
	const struct nic_channel *channel = (const void *)message->body;
	struct process *process = data;
	struct nic *nic =
		nic_of(process, channel->attachment_id, channel->index);

	if (!nic)
		return -EBADMSG;
	if (process->supervisor->is_adopting)
		nic->generation = channel->generation;
	else if (nic->generation != channel->generation)
		nic_leave(nic);
	return 0;
}

static int take_nic_suspect(void *data, struct message *message)
{
	const struct nic_channel *channel = (const void *)message->body;
	struct nic *nic = nic_of(data, channel->attachment_id, channel->index);

	if (!nic)
		return -EBADMSG;
	nic_suspected(nic, channel->generation);
	return 0;
}

static int take_nic_broken(void *data, struct message *message)
{
	const struct nic_channel *channel = (const void *)message->body;
	struct nic *nic = nic_of(data, channel->attachment_id, channel->index);

	if (!nic)
		return -EBADMSG;
	nic_broken(nic, channel->generation);
	return 0;
}

static int take_nic_abilities(void *data, struct message *message)
{
	const struct nic_abilities *abilities = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;

	if (abilities->group_count > NIC_GROUP_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < partition->nic_count; i++) {
		if (partition->nics[i].id != abilities->attachment_id)
			continue;
		nic_take_abilities(&partition->nics[i], abilities);
		break;
	}
	/* Of an interface without a driver there is nothing to know. */
	return 0;
}

static int take_nic_counters(void *data, struct message *message)
{
	const struct nic_counters *counters = (const void *)message->body;
	struct nic *nic =
		nic_of(data, counters->attachment_id, counters->index);

	if (!nic)
		return -EBADMSG;
	nic->counters = *counters;
	return 0;
}

static const struct message_rule rules[] = {
	/* type                    allowed in             handler */
	{ MSG_MONITOR_DONE, IN_ANY_STATE, take_done },
	{ MSG_MONITOR_GUEST, IN_ANY_STATE, take_guest },
	{ MSG_MONITOR_SUSPECT, IN(PROCESS_READY), take_suspect },
	{ MSG_MONITOR_POISON, IN(PROCESS_READY), take_poison },
	{ MSG_MONITOR_BROKEN, IN(PROCESS_READY), take_broken },
	{ MSG_MONITOR_PAUSE_WISH, IN(PROCESS_READY), take_pause_wish },
	{ MSG_MONITOR_COUNTERS, IN_ANY_STATE, take_counters },
	{ MSG_MONITOR_PROGRESS, IN_ANY_STATE, take_progress },
	{ MSG_MONITOR_INTERVENTION, IN_ANY_STATE, take_intervention },
	{ MSG_MONITOR_DISK_HELD, IN(PROCESS_EXPECTED), take_disk_held },
	{ MSG_MONITOR_NIC_SUSPECT, IN(PROCESS_READY), take_nic_suspect },
	{ MSG_MONITOR_NIC_BROKEN, IN(PROCESS_READY), take_nic_broken },
	{ MSG_MONITOR_NIC_ABILITIES, IN_ANY_STATE, take_nic_abilities },
	{ MSG_MONITOR_NIC_COUNTERS, IN_ANY_STATE, take_nic_counters },
	{ MSG_MONITOR_NIC_HELD, IN(PROCESS_EXPECTED), take_nic_held },
	{ MSG_MONITOR_CONSOLE_HELD, IN(PROCESS_EXPECTED), take_console_held },
};

const struct process_ops monitor_ops = {
	.rules = rules,
	.rule_count = ARRAY_COUNT(rules),
	.ready = monitor_ready,
	.died = monitor_died,
};

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
	partition->is_paused_by_policy =
		partition_state(partition) == PARTITION_PAUSED &&
		strcmp(partition->record.reason, POLICY_PAUSE) == 0;
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
				process_kill(partition->monitor,
					     "it came back without its disks");
		if (partition_state(partition) != PARTITION_RESTORING)
			partition_want_disks(partition);
		reconcile_state(partition);
		partition_disk_came_up(partition);
		return;
	}
	if (partition->disk_count == 0)
		(void)launch_load_disks(partition);
	launch_reopen_witnesses(partition);
	event = end_event(partition, true);
	partition_end(partition, event,
		      event == PARTITION_EVENT_SAVED
			      ? ""
			      : "its monitor died while there was no "
				"supervisor");
}
