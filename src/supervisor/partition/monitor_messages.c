/* SPDX-License-Identifier: MIT */
/* What a monitor says of its guest, its disks and its interfaces. */
#include "supervisor/partition/monitor_private.h"

#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "supervisor/partition/hold.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/save.h"
#include "supervisor/supervisor.h"

static void apply(struct partition *partition, enum partition_event event)
{
	if (event != PARTITION_EVENT_COUNT)
		partition_must(partition, event,
			       partition->is_paused_by_policy ? POLICY_PAUSE
							      : "");
}

static int take_done(void *data, struct message *message)
{
	const struct monitor_result *result = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;
	int status = result->status;
	enum partition_event event;
	char text[TEXT_SIZE];

	text_escape(text, sizeof(text), result->text, strlen(result->text));
	if (message->request_id == PARTITION_COUNT_REQUEST) {
		partition_counted(partition);
		return 0;
	}
	if (!partition_answered(partition, message->request_id, &event))
		return 0;
	if (message->request_id != partition->verb_id) {
		/* Nobody waits for it any more, and it has happened. */
		if (status >= 0)
			apply(partition, event);
		partition_disk_came_up(partition);
		return 0;
	}
	if (partition_state(partition) == PARTITION_SAVING) {
		save_answered(partition, status, text);
		return 0;
	}
	/* What follows from it answers. */
	if (partition->guest_state == GUEST_OFF)
		return 0;
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
	apply(partition, event);
	ticket_stored(partition->supervisor, &partition->ticket);
	/* Its disks may have come back before the pause they caused. */
	partition_disk_came_up(partition);
	return 0;
}

static void guest_panicked(struct partition *partition)
{
	static const char why[] = "its guest panicked";

	partition_event_text(partition, EVENT_ERROR, "%s", why);
	process_tell_end(partition->monitor, why);
	process_quit(partition->monitor, QUIT_MS);
}

static int take_guest(void *data, struct message *message)
{
	const struct guest_change *change = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;

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
		monitor_guest_off(partition);
		break;
	case GUEST_ENGINE_DIED:
		/* Its monitor has said why, and has nothing left to do. */
		process_tell_end(process, process->last_error);
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
	return partition->disks[channel->index].binding.id ==
			       channel->attachment_id
		       ? &partition->disks[channel->index]
		       : NULL;
}

static int take_suspect(void *data, struct message *message)
{
	const struct disk_suspect *suspect = (const void *)message->body;
	struct disk *disk = disk_of(data, &suspect->channel);

	if (!disk)
		return -EBADMSG;
	binding_suspected(&disk->binding, suspect->channel.generation,
			  disk->definition->hang_ms);
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

static int take_refused(void *data, struct message *message)
{
	const struct disk_channel *channel = (const void *)message->body;
	struct disk *disk = disk_of(data, channel);

	if (!disk)
		return -EBADMSG;
	disk_channel_refused(disk, channel->generation);
	return 0;
}

static int take_pause_request(void *data, struct message *message)
{
	struct process *process = data;
	struct disk *disk = disk_of(process, (const void *)message->body);

	if (!disk)
		return -EBADMSG;
	/* Of a disk that is served it has crossed the hand-over, or is a lie:
	 * each pause and each resume is a change of the store. */
	if (disk->definition->outage.policy == OUTAGE_PAUSE &&
	    disk->binding.state != BINDING_UP)
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

static int take_emulation(void *data, struct message *message)
{
	const struct emulation *told = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;

	if (partition->emulation_count < EMULATIONS_MAX)
		partition->emulations[partition->emulation_count++] = *told;
	return 0;
}

static int take_disk_held(void *data, struct message *message)
{
	const struct disk_channel *channel = (const void *)message->body;
	struct disk *disk = disk_of(data, channel);

	if (!disk)
		return -EBADMSG;
	if (storage_check_witness(message->fds[0], disk->definition,
				  &disk->facts) < 0)
		return -EBADMSG;
	close_fd(&disk->witness_fd);
	disk->witness_fd = take_fd(&message->fds[0]);
	hold_listen(disk);
	binding_held(&disk->binding, channel->generation);
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
	partition->console.binding.id = process->id;
	return 0;
}

/* The interface a message is about; NULL when the monitor invents one. */
static struct nic *nic_of(struct process *process, uint64_t attachment_id,
			  uint32_t index)
{
	struct partition *partition = process->owner;

	if (index >= partition->nic_count ||
	    partition->nics[index].binding.id != attachment_id)
		return NULL;
	return &partition->nics[index];
}

static int take_nic_held(void *data, struct message *message)
{
	const struct nic_channel *channel = (const void *)message->body;
	struct nic *nic = nic_of(data, channel->attachment_id, channel->index);

	if (!nic)
		return -EBADMSG;
	binding_held(&nic->binding, channel->generation);
	return 0;
}

static int take_nic_suspect(void *data, struct message *message)
{
	const struct nic_channel *channel = (const void *)message->body;
	struct nic *nic = nic_of(data, channel->attachment_id, channel->index);

	if (!nic)
		return -EBADMSG;
	binding_suspected(&nic->binding, channel->generation, HANG_MS_DEFAULT);
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

static int take_nic_features(void *data, struct message *message)
{
	const struct nic_features *features = (const void *)message->body;
	struct process *process = data;
	struct partition *partition = process->owner;

	for (unsigned i = 0; i < partition->nic_count; i++) {
		if (partition->nics[i].binding.id != features->attachment_id)
			continue;
		nic_take_features(&partition->nics[i], features);
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
	{ MSG_MONITOR_DISK_REFUSED, IN(PROCESS_READY), take_refused },
	{ MSG_MONITOR_PAUSE_REQUEST, IN(PROCESS_READY), take_pause_request },
	{ MSG_MONITOR_COUNTERS, IN_ANY_STATE, take_counters },
	{ MSG_MONITOR_PROGRESS, IN_ANY_STATE, take_progress },
	{ MSG_MONITOR_EMULATION, IN_ANY_STATE, take_emulation },
	{ MSG_MONITOR_DISK_HELD, IN(PROCESS_EXPECTED), take_disk_held },
	{ MSG_MONITOR_NIC_SUSPECT, IN(PROCESS_READY), take_nic_suspect },
	{ MSG_MONITOR_NIC_BROKEN, IN(PROCESS_READY), take_nic_broken },
	{ MSG_MONITOR_NIC_FEATURES, IN_ANY_STATE, take_nic_features },
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
