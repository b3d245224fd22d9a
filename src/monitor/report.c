/* SPDX-License-Identifier: MIT */
/* What the supervisor is told unasked. A lost link loses nothing: what still
 * holds is said again when the supervisor is back. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "monitor/monitor.h"

static int tell(struct monitor *monitor, uint32_t type, const void *body,
		size_t bytes)
{
	return child_send(&monitor->child, type, 0, body, bytes);
}

void report_guest(struct monitor *monitor, enum guest_state state,
		  int exit_status)
{
	/* A front end may come and go as often as it likes. */
	log_debug("guest changed state=%d", (int)state);
	monitor->guest = (struct guest_change){
		.state = state,
		.engine_pid = (uint32_t)monitor->engine.pid,
		.exit_status = exit_status,
	};
	monitor->is_guest_reported =
		tell(monitor, MSG_MONITOR_GUEST, &monitor->guest,
		     sizeof(monitor->guest)) == 0;
}

void report_text(struct monitor *monitor, enum event_level level,
		 const char *text)
{
	struct child_event event = { .level = level };

	if (log_limit_passes(&monitor->event_limit))
		log_warn("%s", text);
	(void)snprintf(event.text, sizeof(event.text), "%s", text);
	(void)tell(monitor, MSG_CHILD_EVENT, &event, sizeof(event));
}

void report_refusal(struct monitor *monitor, const struct refusal *refusal)
{
	struct child_event event = { .level = EVENT_ERROR };

	log_error("%s: %s", refusal->field, refusal->text);
	(void)text_copy(event.field, sizeof(event.field), refusal->field);
	(void)text_copy(event.text, sizeof(event.text), refusal->text);
	(void)tell(monitor, MSG_CHILD_EVENT, &event, sizeof(event));
}

void report_engine_end(struct monitor *monitor, int exit_status)
{
	struct child_event event = { .level = EVENT_ERROR };
	const char *words = monitor->engine.last_words;

	(void)snprintf(event.text, sizeof(event.text),
		       "the engine ended with status %d%s%s", exit_status,
		       words[0] ? ": " : "", words);
	log_error("%s", event.text);
	(void)tell(monitor, MSG_CHILD_EVENT, &event, sizeof(event));
}

void report_done(struct monitor *monitor, uint32_t request_id, int status,
		 const char *text)
{
	struct monitor_result result = { .status = status };

	if (text)
		(void)snprintf(result.text, sizeof(result.text), "%s", text);
	(void)child_send(&monitor->child, MSG_MONITOR_DONE, request_id, &result,
			 sizeof(result));
}

void report_progress(struct monitor *monitor, uint32_t request_id,
		     uint64_t done_bytes, uint64_t total_bytes)
{
	const struct progress progress = { done_bytes, total_bytes };

	(void)child_send(&monitor->child, MSG_MONITOR_PROGRESS, request_id,
			 &progress, sizeof(progress));
}

/* By the I/O thread: counters as of now. */
static void count_disks(struct iothread *io, void *argument)
{
	struct disk_counters *counters = argument;

	for (uint32_t i = 0; i < io->disk_count; i++)
		disk_count(&io->disks[i].disk, &counters[i]);
}

static void report_emulation(void *context, const struct emulation *row)
{
	(void)tell(context, MSG_MONITOR_EMULATION, row, sizeof(*row));
}

/* By the I/O thread: counters as of now. */
static void count_nics(struct iothread *io, void *argument)
{
	struct nic_counters *counters = argument;

	for (uint32_t i = 0; i < io->nic_count; i++)
		counters[i] = io->nics[i].counters;
}

static void report_nic_counters(struct monitor *monitor)
{
	struct nic_counters counters[NIC_COUNT_MAX];

	iothread_call(&monitor->io, count_nics, counters);
	for (uint32_t i = 0; i < monitor->io.nic_count; i++)
		(void)tell(monitor, MSG_MONITOR_NIC_COUNTERS, &counters[i],
			   sizeof(counters[i]));
}

void report_counters(struct monitor *monitor)
{
	struct disk_counters counters[DISK_COUNT_MAX];

	iothread_call(&monitor->io, count_disks, counters);
	for (uint32_t i = 0; i < monitor->io.disk_count; i++)
		(void)tell(monitor, MSG_MONITOR_COUNTERS, &counters[i],
			   sizeof(counters[i]));
	report_nic_counters(monitor);
	if (monitor->engine.ops && monitor->engine.ops->emulations)
		monitor->engine.ops->emulations(&monitor->engine,
						report_emulation, monitor);
}

struct nic_question {
	uint32_t index;
	struct nic_features negotiated;
};

/* By the I/O thread. */
static void look_at_features(struct iothread *io, void *argument)
{
	struct nic_question *question = argument;

	question->negotiated = io->nics[question->index].negotiated;
}

static void report_features(struct monitor *monitor, uint32_t index)
{
	struct nic_question question = { .index = index };

	if (!monitor_has_io(monitor))
		return;
	iothread_call(&monitor->io, look_at_features, &question);
	/* Its driver has chosen nothing yet. */
	if (question.negotiated.attachment_id == 0)
		return;
	(void)tell(monitor, MSG_MONITOR_NIC_FEATURES, &question.negotiated,
		   sizeof(question.negotiated));
}

/* The generations in use, and what the drivers have negotiated. */
static void report_nics(struct monitor *monitor)
{
	struct nic_counters counters[NIC_COUNT_MAX];

	iothread_call(&monitor->io, count_nics, counters);
	for (uint32_t i = 0; i < monitor->io.nic_count; i++) {
		const struct nic_channel held = {
			.attachment_id = counters[i].attachment_id,
			.generation =
				counters[i].is_up ? counters[i].generation : 0,
			.index = i,
		};

		(void)tell(monitor, MSG_MONITOR_NIC_HELD, &held, sizeof(held));
		report_features(monitor, i);
	}
}

static void report_disk(struct monitor *monitor,
			const struct disk_counters *counters)
{
	struct disk_channel held = {
		.attachment_id = counters->attachment_id,
		.generation = counters->generation,
		.index = counters->index,
	};
	int witness = monitor->io.disks[counters->index].witness.fd;

	(void)child_send_fds(&monitor->child, MSG_MONITOR_DISK_HELD, 0, &held,
			     sizeof(held), &witness, 1);
}

static void report_console(struct monitor *monitor)
{
	const struct console *console = &monitor->console;
	const int fds[] = { console->memory_fd, console->kick_fd,
			    console->call_fd };

	if (console->is_open)
		(void)child_send_fds(&monitor->child, MSG_MONITOR_CONSOLE_HELD,
				     0, &console->settings.attachment,
				     sizeof(console->settings.attachment), fds,
				     3);
}

void report_held(struct monitor *monitor)
{
	struct disk_counters counters[DISK_COUNT_MAX];

	/* There was nobody to hear it. */
	if (monitor->guest.state == GUEST_ENGINE_DIED)
		report_engine_end(monitor, monitor->guest.exit_status);
	monitor->is_guest_reported =
		tell(monitor, MSG_MONITOR_GUEST, &monitor->guest,
		     sizeof(monitor->guest)) == 0;
	if (monitor_has_io(monitor)) {
		iothread_call(&monitor->io, count_disks, counters);
		for (uint32_t i = 0; i < monitor->io.disk_count; i++)
			report_disk(monitor, &counters[i]);
		report_nics(monitor);
	}
	report_console(monitor);
	(void)tell(monitor, MSG_CHILD_REPORTED, NULL, 0);
}

static void report_event(struct monitor *monitor, const struct notice *notice,
			 const char *kind, const char *name)
{
	struct child_event event = { .level = notice->level };

	if (log_limit_passes(&monitor->event_limit))
		log_warn("%s %s=%s", notice->text, kind, name);
	(void)snprintf(event.text, sizeof(event.text), "%s %s: %s", kind, name,
		       notice->text);
	(void)tell(monitor, MSG_CHILD_EVENT, &event, sizeof(event));
}

static void tell_nic(struct monitor *monitor, uint32_t type,
		     const struct notice *notice)
{
	const struct nic *nic = &monitor->io.nics[notice->disk_index];
	const struct nic_channel channel = {
		.attachment_id = nic->settings.attachment_id,
		.generation = notice->generation,
		.index = notice->disk_index,
	};

	(void)tell(monitor, type, &channel, sizeof(channel));
}

static void report_disk_notice(struct monitor *monitor,
			       const struct notice *notice)
{
	const struct disk *disk = &monitor->io.disks[notice->disk_index].disk;
	const struct disk_suspect suspect = {
		.channel = {
			.attachment_id = disk->settings.attachment_id,
			.generation = notice->generation,
			.index = notice->disk_index,
		},
		.oldest_ms = notice->oldest_ms,
	};
	static const uint32_t types[] = {
		[NOTICE_BROKEN] = MSG_MONITOR_BROKEN,
		[NOTICE_POISON] = MSG_MONITOR_POISON,
		[NOTICE_PAUSE_REQUEST] = MSG_MONITOR_PAUSE_REQUEST,
	};

	if (notice->kind == NOTICE_BROKEN)
		log_warn("service violated the channel protocol, continuing "
			 "without it disk=%s",
			 disk->settings.name);
	if (notice->kind == NOTICE_SUSPECT)
		(void)tell(monitor, MSG_MONITOR_SUSPECT, &suspect,
			   sizeof(suspect));
	else
		(void)tell(monitor, types[notice->kind], &suspect.channel,
			   sizeof(suspect.channel));
}

static void report_notice(struct monitor *monitor, const struct notice *notice)
{
	switch (notice->kind) {
	case NOTICE_SUSPECT:
	case NOTICE_BROKEN:
	case NOTICE_POISON:
	case NOTICE_PAUSE_REQUEST:
		report_disk_notice(monitor, notice);
		break;
	case NOTICE_CONNECTED:
		report_guest(monitor, GUEST_CONNECTED, 0);
		break;
	case NOTICE_DISCONNECTED:
		/* With an engine of our own its end is reported as such. */
		if (!monitor->engine.ops->has_guest)
			report_guest(monitor, GUEST_DISCONNECTED, 0);
		break;
	case NOTICE_EVENT:
		report_event(monitor, notice, "disk",
			     monitor->io.disks[notice->disk_index]
				     .disk.settings.name);
		break;
	case NOTICE_NIC_EVENT:
		report_event(
			monitor, notice, "interface",
			monitor->io.nics[notice->disk_index].settings.name);
		break;
	case NOTICE_NIC_SUSPECT:
		tell_nic(monitor, MSG_MONITOR_NIC_SUSPECT, notice);
		break;
	case NOTICE_NIC_BROKEN:
		tell_nic(monitor, MSG_MONITOR_NIC_BROKEN, notice);
		break;
	case NOTICE_NIC_FEATURES:
		report_features(monitor, notice->disk_index);
		break;
	case NOTICE_NIC_STARTED:
		if (monitor->engine.ops->nic_started)
			monitor->engine.ops->nic_started(&monitor->engine,
							 notice->disk_index);
		break;
	}
}

void report_notices(struct monitor *monitor)
{
	struct notice notice;

	while (notices_take(&monitor->io.notices, &notice) == 0)
		report_notice(monitor, &notice);
}

/* A monitor and its engine are one domain: a layer is in place when neither
 * lacks it. */
void report_ready(struct monitor *monitor)
{
	const struct sandbox_layers *engine = &monitor->engine.layers;
	uint32_t missing = monitor->layers.missing | engine->missing;
	uint32_t in_place = monitor->layers.in_place | engine->in_place;

	(void)child_ready(&monitor->child, in_place & ~missing, missing);
	monitor_enter(monitor, MONITOR_RUNNING);
}
