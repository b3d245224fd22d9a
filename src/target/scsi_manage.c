/* SPDX-License-Identifier: MIT */
/* Task management, and commands that nobody executes any more. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "channel/disk_request.h"
#include "channel/scsi_request.h"
#include "target/jobs.h"
#include "target/scsi_private.h"

#define ALL_NEXUSES UINT64_MAX
/* When to try again to complete what failed. */
#define SETTLE_AGAIN_NS (NS_PER_S / 2)
/* How often to look for what nobody came back for. */
#define EXPIRE_EVERY_NS (NS_PER_S / 10)

static void answer(struct service *service, struct command *command,
		   enum scsi_task_result result)
{
	command->scsi.outcome =
		(struct scsi_outcome){ .status = (uint8_t)result };
	command_answer(service, command);
}

/* Of earlier lives. -------------------------------------------------------- */

static struct scsi_origin origin_of(const struct hold *hold)
{
	return (struct scsi_origin){ .nexus = hold->nexus,
				     .row_sequence = hold->row_sequence,
				     .row = hold->row };
}

static struct client *find_settler(const struct volume *volume)
{
	for (struct client *client = volume->clients; client;
	     client = client->scsi->next)
		if (!client->scsi->settled && !client->is_broken &&
		    !client->limits.is_read_only && !client->is_detaching)
			return client;
	return NULL;
}

/* Write what it had to write; who looks after it is gone. */
static bool complete(struct service *service, struct volume *volume,
		     struct hold *hold, const struct scsi_row *row)
{
	struct client *client = find_settler(volume);
	struct task *task;

	hold->is_due = client == NULL;
	if (!client)
		return false;
	task = &client->scsi->settling;
	task->client = client;
	task->job = (struct job){
		.provider = client->provider,
		.op = DISK_WRITE,
		.length_bytes = row->data_bytes,
		.offset_bytes = row->offset_bytes,
		.buffer = row->data,
	};
	client->scsi->settled = hold;
	hold->is_settling = true;
	volume->settling_count++;
	jobs_begin_on_worker(service, task);
	return true;
}

bool volume_settle_hold(struct service *service, struct volume *volume,
			struct hold *hold)
{
	struct scsi_origin origin = origin_of(hold);
	struct scsi_row row;

	if (hold->is_settling || clock_now_ns() < hold->settle_again_ns)
		return false;
	if (!scsi_row_look(&volume->ledger, &origin, &row)) {
		if (row.state == SCSI_ROW_MOVED)
			return complete(service, volume, hold, &row);
		if (row.state == SCSI_ROW_BEGUN)
			scsi_row_abort(&volume->ledger, &origin);
	}
	volume_release(service, volume, hold);
	return true;
}

/* Its own client's next command in the row waits for that, too. */
static bool is_nobodys(const struct hold *hold)
{
	return !hold->command || command_waits_for_row(hold->command);
}

static bool is_chosen(const struct hold *hold, uint64_t nexuses,
		      enum settled_holds which)
{
	if (!is_nobodys(hold) || !(nexuses >> hold->nexus & 1))
		return false;
	return which == SETTLE_ALL ||
	       (which == SETTLE_DUE ? hold->is_due
				    : hold->is_left && !hold->is_promised);
}

void volume_settle(struct service *service, struct volume *volume,
		   uint64_t nexuses, enum settled_holds which)
{
	struct share_range *next;

	for (struct share_range *range = volume->share.first; range;
	     range = next) {
		struct hold *hold = hold_of(range);

		next = range->next;
		if (is_chosen(hold, nexuses, which))
			(void)volume_settle_hold(service, volume, hold);
	}
}

/* The data is still to be written: nobody else changes those bytes before. */
static void keep(struct volume *volume, struct hold *hold)
{
	volume_leave(volume, hold);
	hold->settle_again_ns = clock_now_ns() + SETTLE_AGAIN_NS;
}

/* The outcome is that of COMPARE AND WRITE, which alone moves. It promises
 * stable storage, as its initiator may have asked for that. */
void volume_settled(struct service *service, struct client *client)
{
	struct volume *volume = client->scsi->volume;
	struct hold *hold = client->scsi->settled;
	struct scsi_origin origin = origin_of(hold);
	struct scsi_outcome outcome = {
		.status = SCSI_GOOD,
		.transferred_bytes =
			2 * (uint32_t)client->scsi->settling.job.length_bytes,
		.is_stored = true,
	};

	client->scsi->settled = NULL;
	hold->is_settling = false;
	volume->settling_count--;
	if (client->scsi->settling.status == 0) {
		scsi_row_end(&volume->ledger, &origin, &outcome);
		volume_release(service, volume, hold);
	} else {
		keep(volume, hold);
	}
	volume_settle(service, volume, ALL_NEXUSES, SETTLE_DUE);
	volume_look_at_waiting(service, volume);
}

/* By another command, or for the room that the ledger has for what moved. */
static bool is_awaited(struct volume *volume, const struct hold *hold)
{
	struct scsi_origin origin = origin_of(hold);
	struct scsi_row row;

	if (hold->command || share_is_awaited(&hold->range))
		return true;
	return !scsi_row_look(&volume->ledger, &origin, &row) &&
	       row.state == SCSI_ROW_MOVED;
}

bool volume_expire(struct service *service, struct volume *volume)
{
	struct share_range *next;
	uint64_t now_ns = clock_now_ns();
	bool worked = false;

	if (now_ns < volume->expire_at_ns)
		return false;
	volume->expire_at_ns = now_ns + EXPIRE_EVERY_NS;
	for (struct share_range *range = volume->share.first; range;
	     range = next) {
		struct hold *hold = hold_of(range);

		next = range->next;
		if (!is_nobodys(hold) || !hold->is_left || hold->is_settling ||
		    now_ns < hold->settle_at_ns || !is_awaited(volume, hold))
			continue;
		worked |= volume_settle_hold(service, volume, hold);
	}
	return worked;
}

/* Task management. --------------------------------------------------------- */

static uint64_t concerned(const struct command *command)
{
	bool is_of_all = command->function == SCSI_CLEAR_TASK_SET ||
			 command->function == SCSI_LOGICAL_UNIT_RESET;

	return is_of_all ? ALL_NEXUSES : 1ull << command->hold->nexus;
}

static bool is_reset(const struct command *command)
{
	return command->function == SCSI_LOGICAL_UNIT_RESET ||
	       command->function == SCSI_I_T_NEXUS_RESET;
}

/* What a reset does to the state of the unit, or of one nexus. */
static void change_state(const struct command *command,
			 struct scsi_state *state, struct scsi_effects *effects)
{
	uint64_t nexuses = command->waits_for;

	effects->aborted = nexuses;
	state->medium.preventing &= ~nexuses;
	if (command->function == SCSI_I_T_NEXUS_RESET) {
		scsi_reserve_lose(&state->reserve, command->hold->nexus);
		effects->raised[ATTENTION_NEXUS_LOST] = nexuses;
		return;
	}
	scsi_reserve_reset(&state->reserve);
	state->mode = state->saved_mode;
	effects->raised[ATTENTION_RESET] = nexuses;
}

static void reset(struct command *command)
{
	struct scsi_ledger *ledger = &command_volume(command)->ledger;
	const struct scsi_outcome outcome = { .status =
						      SCSI_FUNCTION_COMPLETE };
	struct scsi_origin origin = command_origin(command);
	struct scsi_effects effects = { 0 };
	struct scsi_state *state;

	/* Who had prepared another one prepares it again. */
	scsi_ledger_drop(ledger);
	state = scsi_ledger_prepare(ledger);
	change_state(command, state, &effects);
	scsi_ledger_record(ledger, &origin, &outcome, &effects);
	(void)scsi_ledger_commit(ledger);
}

/* The task may be held for want of room: then no command executes it. */
static void settle_managed(struct service *service,
			   const struct command *command)
{
	struct volume *volume = command_volume(command);
	struct hold *hold =
		volume_hold(volume, command->hold->nexus, command->managed_row);

	if (hold && hold->has_range && is_nobodys(hold))
		(void)volume_settle_hold(service, volume, hold);
}

void manage_go_on(struct service *service, struct command *command)
{
	struct volume *volume = command_volume(command);

	if (command->op == SCSI_REPLAYED) {
		answer(service, command, SCSI_FUNCTION_COMPLETE);
		return;
	}
	if (is_reset(command))
		reset(command);
	if (command->function == SCSI_ABORT_TASK)
		settle_managed(service, command);
	else
		volume_settle(service, volume, command->waits_for, SETTLE_ALL);
	answer(service, command, SCSI_FUNCTION_COMPLETE);
}

static void go_on_alone(struct service *service, struct command *command)
{
	if (command_has_to_wait(command))
		command->state = COMMAND_WAITS_OTHERS;
	else
		manage_go_on(service, command);
}

/* Abort what waits, and then wait for the rest, which is in the kernel. */
static void abort_others(struct service *service, struct command *command)
{
	command->waits_for = concerned(command);
	volume_abort_waiting(service, command);
	go_on_alone(service, command);
}

/* Older commands of the nexus: the one that is meant, or any. */
static bool finds_task(const struct command *command)
{
	const struct command *other = command->task->client->scsi->first;

	for (; other != command; other = other->next)
		if (command->function == SCSI_QUERY_TASK_SET ||
		    other->hold->row == command->managed_row)
			return true;
	return false;
}

/* What is completed for its initiator is complete when it is told so. */
static void settle_left(struct service *service, struct command *command)
{
	volume_settle(service, command_volume(command),
		      1ull << command->hold->nexus, SETTLE_LEFT);
	go_on_alone(service, command);
}

static void manage_tasks(struct service *service, struct command *command)
{
	switch ((enum scsi_function)command->function) {
	case SCSI_ABORT_TASK:
	case SCSI_ABORT_TASK_SET:
	case SCSI_CLEAR_TASK_SET:
	case SCSI_I_T_NEXUS_RESET:
	case SCSI_LOGICAL_UNIT_RESET:
		abort_others(service, command);
		return;
	case SCSI_QUERY_TASK:
	case SCSI_QUERY_TASK_SET:
		answer(service, command,
		       finds_task(command) ? SCSI_FUNCTION_SUCCEEDED
					   : SCSI_FUNCTION_COMPLETE);
		return;
	case SCSI_CLEAR_ACA: /* there is none without NACA */
	case SCSI_FUNCTION_COUNT:
		answer(service, command, SCSI_FUNCTION_REJECTED);
	}
}

/* One that comes again, and was carried out, is answered and not repeated. */
void manage_begin(struct service *service, struct command *command)
{
	struct volume *volume = command_volume(command);
	struct scsi_origin origin = command_origin(command);
	struct scsi_row row;

	if (command->op == SCSI_REPLAYED) {
		settle_left(service, command);
		return;
	}
	if (scsi_row_look(&volume->ledger, &origin, &row)) {
		command_break(service, command);
	} else if (row.state == SCSI_ROW_ENDED) {
		command->scsi.outcome = row.outcome;
		command_answer(service, command);
	} else {
		manage_tasks(service, command);
	}
}
