/* SPDX-License-Identifier: MIT */
/* Verbs: checked, begun, and their ends awaited. */
#include <errno.h>

#include "base/clock.h"
#include "base/count.h"
#include "supervisor/partition/autostart.h"
#include "supervisor/partition/launch.h"
#include "supervisor/partition/monitor_private.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/partition/partition_report.h"
#include "supervisor/partition/save.h"
#include "supervisor/supervisor.h"

/* `show` waits this long for a monitor's counters. */
#define COUNT_USEC 500000u

/* The sentence for a verb that the table refuses. */
static int refuse_verb(const struct partition *partition,
		       enum partition_event event, struct refusal *refusal)
{
	return refuse(refusal, -EINVAL, "state",
		      "partition %s is %s; %s is not possible now",
		      partition->record.definition.name,
		      partition_state_name(partition_state(partition)),
		      partition_event_name(event));
}

static bool is_busy(const struct partition *partition)
{
	return partition->ticket.client || partition->uninstall ||
	       partition->end.is_pending || restore_is_unfinished(partition) ||
	       partition->errand_count;
}

int partition_check_busy(const struct partition *partition,
			 struct refusal *refusal)
{
	if (!is_busy(partition))
		return 0;
	return refuse(refusal, -EBUSY, "state",
		      "another operation on partition %s is in progress",
		      partition->record.definition.name);
}

int partition_refuse_store(struct partition *partition, int r,
			   struct refusal *refusal)
{
	return store_refuse(partition->supervisor->store, r, refusal);
}

int partition_check_ending(const struct partition *partition,
			   enum partition_event event, struct refusal *refusal)
{
	if (!partition->supervisor->is_ending)
		return 0;
	return refuse(refusal, -EINVAL, "state",
		      "the supervisor is shutting down; %s is not possible now",
		      partition_event_name(event));
}

int partition_check_verb(struct partition *partition,
			 enum partition_event event, struct refusal *refusal)
{
	int r = partition_check_ending(partition, event, refusal);

	if (r < 0)
		return r;
	if (!lifecycle_allows(&partition->record.lifecycle, event))
		return refuse_verb(partition, event, refusal);
	return partition_check_busy(partition, refusal);
}

int partition_start(struct partition *partition, const struct ticket *ticket,
		    struct refusal *refusal)
{
	int r;

	if (partition_state(partition) == PARTITION_SAVED)
		return refuse(refusal, -EINVAL, "state",
			      "partition %s is saved: restore it, or stop it "
			      "to discard the saved state",
			      partition->record.definition.name);
	r = partition_check_verb(partition, PARTITION_EVENT_START, refusal);
	if (r < 0)
		return r;
	partition_occupy(partition);
	r = launch_begin(partition, PARTITION_EVENT_START, refusal);
	if (r == 0) {
		partition->ticket = *ticket;
		launch_go(partition);
		for (unsigned i = 0; i < partition->nic_count; i++)
			network_warn_vlans(&partition->nics[i]);
	}
	partition_vacate(partition);
	return r;
}

static int refuse_foreign(const struct partition *partition,
			  struct refusal *refusal)
{
	return refuse(refusal, -EOPNOTSUPP, "engine",
		      "partition %s runs under a foreign VMM: use that instead",
		      partition->record.definition.name);
}

int partition_check_engine_verb(struct partition *partition,
				enum partition_event event,
				struct refusal *refusal)
{
	int r = partition_check_verb(partition, event, refusal);

	if (r == 0 && partition->engine == ENGINE_FOREIGN)
		return refuse_foreign(partition, refusal);
	return r;
}

static int ask_engine(struct partition *partition, uint32_t type,
		      enum partition_event event, const struct ticket *ticket,
		      struct refusal *refusal)
{
	int r = partition_check_engine_verb(partition, event, refusal);

	if (r < 0)
		return r;
	partition->is_paused_by_policy = false;
	partition->ticket = *ticket;
	partition_ask(partition, type, event, NULL, 0, NULL);
	return 0;
}

int partition_pause(struct partition *partition, const struct ticket *ticket,
		    struct refusal *refusal)
{
	return ask_engine(partition, MSG_MONITOR_PAUSE, PARTITION_EVENT_PAUSE,
			  ticket, refusal);
}

int partition_resume(struct partition *partition, const struct ticket *ticket,
		     struct refusal *refusal)
{
	return ask_engine(partition, MSG_MONITOR_RESUME, PARTITION_EVENT_RESUME,
			  ticket, refusal);
}

/* For verbs that change no state: a guest of ours must be there. */
static int check_guest_verb(const struct partition *partition, const char *verb,
			    struct refusal *refusal)
{
	enum partition_state state = partition_state(partition);

	if (state != PARTITION_RUNNING && state != PARTITION_PAUSED)
		return refuse(refusal, -EINVAL, "state",
			      "partition %s is %s; %s is not possible now",
			      partition->record.definition.name,
			      partition_state_name(state), verb);
	if (partition->engine == ENGINE_FOREIGN)
		return refuse_foreign(partition, refusal);
	return partition_check_busy(partition, refusal);
}

/* The guest's state stays what it is. */
static void ask_guest_verb(struct partition *partition, uint32_t type,
			   const struct ticket *ticket, const void *body,
			   size_t body_bytes)
{
	partition->ticket = *ticket;
	partition_ask(partition, type, PARTITION_EVENT_COUNT, body, body_bytes,
		      NULL);
}

int partition_reset(struct partition *partition, const struct ticket *ticket,
		    struct refusal *refusal)
{
	int r = check_guest_verb(partition, "reset", refusal);

	if (r == 0)
		ask_guest_verb(partition, MSG_MONITOR_RESET, ticket, NULL, 0);
	return r;
}

static int check_balloon(const struct partition *partition,
			 uint64_t memory_bytes, struct refusal *refusal)
{
	uint64_t most = partition->record.definition.memory_bytes;

	if (partition->engine != ENGINE_KVM)
		return refuse(refusal, -EOPNOTSUPP, "engine",
			      "partition %s runs under qemu, which has no "
			      "balloon; the kvm engine has one",
			      partition->record.definition.name);
	if (memory_bytes < MEMORY_BYTES_MIN || memory_bytes > most)
		return refuse(refusal, -ERANGE, "size",
			      "must be between %lluM and the %lluM that the "
			      "partition has",
			      MEMORY_BYTES_MIN >> 20,
			      (unsigned long long)most >> 20);
	return 0;
}

/* Whatever its state: its memory would shrink, and the host get nothing. */
static int check_reserved(const struct partition *partition,
			  struct refusal *refusal)
{
	if (!partition->record.definition.huge_pages)
		return 0;
	return refuse(refusal, -EOPNOTSUPP, "memory.huge-pages",
		      "the memory of partition %s is huge pages, which stay "
		      "reserved for it: a balloon would return none",
		      partition->record.definition.name);
}

int partition_balloon(struct partition *partition, const struct ticket *ticket,
		      uint64_t memory_bytes, struct refusal *refusal)
{
	const struct monitor_balloon balloon = { .memory_bytes = memory_bytes };
	int r = check_reserved(partition, refusal);

	if (r == 0)
		r = check_guest_verb(partition, "balloon", refusal);
	if (r == 0)
		r = check_balloon(partition, memory_bytes, refusal);
	if (r == 0)
		ask_guest_verb(partition, MSG_MONITOR_BALLOON, ticket, &balloon,
			       sizeof(balloon));
	return r;
}

void partition_pause_by_policy(struct partition *partition)
{
	if (partition_state(partition) != PARTITION_RUNNING ||
	    is_busy(partition) || partition->engine == ENGINE_FOREIGN)
		return;
	partition->is_paused_by_policy = true;
	partition_ask(partition, MSG_MONITOR_PAUSE, PARTITION_EVENT_PAUSE, NULL,
		      0, NULL);
}

void partition_disk_came_up(struct partition *partition)
{
	/* Under way: its end asks again. */
	if (!partition->is_paused_by_policy || partition->ticket.client ||
	    partition_state(partition) != PARTITION_PAUSED)
		return;
	for (unsigned i = 0; i < partition->disk_count; i++)
		if (partition->disks[i].binding.state != BINDING_UP)
			return;
	partition->is_paused_by_policy = false;
	partition_ask(partition, MSG_MONITOR_RESUME, PARTITION_EVENT_RESUME,
		      NULL, 0, NULL);
}

static int on_stop_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	struct partition *partition = data;

	partition_disarm(partition);
	partition_event_text(partition, EVENT_WARNING,
			     "did not power off in time: forced off");
	if (partition->monitor)
		process_quit(partition->monitor, QUIT_MS);
	return 0;
}

/* Of another boot it would be any number, but then nothing is left to stop. */
static uint64_t left_ms(const struct partition *partition)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t by_ns = partition->record.stop_by_ns;

	return by_ns > now_ns
		       ? min_u64((by_ns - now_ns) / NS_PER_MS, STOP_MS_MAX)
		       : 0;
}

void partition_press_power_button(struct partition *partition)
{
	/* A paused guest cannot hear the button. */
	process_send(partition->monitor, MSG_MONITOR_RESUME, 0, NULL, 0, NULL,
		     0);
	process_send(partition->monitor, MSG_MONITOR_POWERDOWN, 0, NULL, 0,
		     NULL, 0);
	partition_arm(partition, left_ms(partition), on_stop_deadline);
}

static void stop_monitor(struct partition *partition, bool is_forced,
			 enum partition_state was)
{
	if (!partition->monitor) {
		partition_end(partition,
			      was == PARTITION_RESTORING
				      ? PARTITION_EVENT_FAILED
				      : PARTITION_EVENT_OFF,
			      "");
		return;
	}
	if (is_forced || was == PARTITION_STARTING ||
	    was == PARTITION_RESTORING || partition->guest_state == GUEST_OFF ||
	    partition->engine == ENGINE_FOREIGN) {
		partition_disarm(partition);
		process_quit(partition->monitor, QUIT_MS);
		return;
	}
	partition_press_power_button(partition);
}

static int check_stop(const struct partition *partition, bool is_forced,
		      struct refusal *refusal)
{
	enum partition_state state = partition_state(partition);
	bool is_possible = lifecycle_allows(&partition->record.lifecycle,
					    PARTITION_EVENT_STOP);

	if (state == PARTITION_STOPPING)
		is_possible = is_forced;
	if (state == PARTITION_RESTORING)
		/* Given up, and saved again; or it runs already. */
		is_possible = partition->save.step != SAVE_COMMITTING;
	if (state == PARTITION_SAVING)
		is_possible = save_is_undecided(partition);
	if (!is_possible)
		return refuse_verb(partition, PARTITION_EVENT_STOP, refusal);
	if (state != PARTITION_SAVING || is_forced)
		return 0;
	return refuse(refusal, -EINVAL, "state",
		      "partition %s is saving; only a forced stop is possible "
		      "now, and cancels the save",
		      partition->record.definition.name);
}

static void set_stop_deadline(struct partition *partition, uint32_t deadline_ms)
{
	partition->record.stop_by_ns = clock_now_ns() + deadline_ms * NS_PER_MS;
}

int partition_try_stop(struct partition *partition, uint32_t deadline_ms)
{
	set_stop_deadline(partition, deadline_ms);
	return partition_try(partition, PARTITION_EVENT_STOP, "");
}

int partition_stop(struct partition *partition, const struct ticket *ticket,
		   uint32_t deadline_ms, bool is_forced,
		   struct refusal *refusal)
{
	enum partition_state was = partition_state(partition);
	int r;

	if (was == PARTITION_SAVED)
		return save_discard(partition, ticket, refusal);
	if (was == PARTITION_STOPPED && partition->record.is_autostart_due)
		return autostart_give_up(partition, ticket, refusal);
	if (deadline_ms == 0)
		deadline_ms = partition->record.definition.stop_ms;
	r = check_stop(partition, is_forced, refusal);
	if (r < 0)
		return r;
	if (was != PARTITION_STOPPING && was != PARTITION_RESTORING) {
		set_stop_deadline(partition, is_forced ? 0 : deadline_ms);
		partition_must(partition, PARTITION_EVENT_STOP, "");
	}
	if (was == PARTITION_SAVING)
		save_give_up(partition);
	ticket_failed(partition->supervisor, &partition->ticket, -ECANCELED,
		      "the partition is being stopped");
	partition->is_stop_wanted = true;
	partition_forget_questions(partition);
	partition->ticket = *ticket;
	stop_monitor(partition, is_forced, was);
	return 0;
}

void partition_counted(struct partition *partition)
{
	sd_event_source_disable_unref(partition->count_timer);
	partition->count_timer = NULL;
	if (partition->count_ticket.client)
		report_show(partition, &partition->count_ticket);
}

static int on_not_counted(sd_event_source *source, uint64_t usec, void *data)
{
	partition_counted(data);
	return 0;
}

int partition_count(struct partition *partition, const struct ticket *ticket)
{
	if (!partition->monitor || partition->monitor->state != PROCESS_READY)
		return -ENOTCONN;
	if (partition->count_ticket.client)
		return -EBUSY;
	partition->count_ticket = *ticket;
	partition->emulation_count = 0;
	(void)sd_event_add_time_relative(
		partition->supervisor->event, &partition->count_timer,
		CLOCK_MONOTONIC, COUNT_USEC, 1000, on_not_counted, partition);
	process_send(partition->monitor, MSG_MONITOR_COUNT,
		     PARTITION_COUNT_REQUEST, NULL, 0, NULL, 0);
	return 0;
}
