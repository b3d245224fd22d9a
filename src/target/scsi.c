/* SPDX-License-Identifier: MIT */
#include "target/scsi.h"

#include <errno.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "channel/disk_request.h"
#include "channel/scsi_request.h"
#include "target/jobs.h"
#include "target/scsi_private.h"
#include "target/scsi_request_check.h"

/* A command whose steps are all done at once, such as zeroes by hand, lets the
 * others have their turn in between. */
#define STEPS_PER_TURN 4
#define READY_PER_TURN 4

struct volume *command_volume(const struct command *command)
{
	return command->task->client->scsi->volume;
}

struct scsi_origin command_origin(const struct command *command)
{
	return (struct scsi_origin){
		.nexus = command->hold->nexus,
		.row_sequence = command->scsi.row_sequence,
		.row = command->hold->row,
	};
}

/* Going on. ---------------------------------------------------------------- */

void command_ready(struct service *service, struct command *command, int result)
{
	command->state = COMMAND_READY;
	command->result = result;
	command->next_ready = NULL;
	if (service->ready)
		service->last_ready->next_ready = command;
	else
		service->ready = command;
	service->last_ready = command;
}

/* The end. ----------------------------------------------------------------- */

static void link_command(struct scsi_client *scsi, struct command *command)
{
	command->next = NULL;
	command->previous = scsi->last;
	if (scsi->last)
		scsi->last->next = command;
	else
		scsi->first = command;
	scsi->last = command;
}

static void unlink_command(struct scsi_client *scsi, struct command *command)
{
	if (command->previous)
		command->previous->next = command->next;
	else
		scsi->first = command->next;
	if (command->next)
		command->next->previous = command->previous;
	else
		scsi->last = command->previous;
}

/* It is in flight no more; the range of one that is kept (-ENOSPC) is held
 * until it comes again. */
void command_retire(struct service *service, struct command *command,
		    bool is_kept)
{
	struct client *client = command->task->client;
	struct volume *volume = client->scsi->volume;
	bool may_be_awaited = volume->special_count != 0;

	volume->special_count -= command->is_special;
	unlink_command(client->scsi, command);
	command->hold->command = NULL;
	service->command_count--;
	/* One that has not begun may wait for its row, whose range is not its
	 * own. */
	if (!is_kept &&
	    command->hold->row_sequence == command->scsi.row_sequence)
		volume_release(service, volume, command->hold);
	volume_leave(volume, command->hold);
	client_return_task(command->task);
	if (may_be_awaited)
		volume_look_at_waiting(service, volume);
}

void command_break(struct service *service, struct command *command)
{
	command->task->client->is_broken = true;
	command_retire(service, command, true);
}

static void send_response(struct command *command,
			  const struct channel_response *response)
{
	channel_send_response(&command->task->client->channel, response);
}

static int32_t take_outcome(struct command *command)
{
	const struct scsi_outcome *outcome = &command->scsi.outcome;
	uint8_t *slots = command->task->client->channel.buffers;
	uint8_t flags = command->end_flags;

	memcpy(slots + command->sense_slot * SCSI_SENSE_SLOT_BYTES,
	       outcome->sense, outcome->sense_bytes);
	if (outcome->is_stored)
		flags |= SCSI_STORED;
	return scsi_outcome(outcome->status, flags, outcome->sense_bytes);
}

void command_answer(struct service *service, struct command *command)
{
	struct channel_response response = { .id = command->task->id };
	int error = command->scsi.error;

	(void)failpoint("disk.after_io");
	if (error) {
		response.status = error;
	} else {
		response.status = take_outcome(command);
		response.bytes = command->scsi.outcome.transferred_bytes;
	}
	send_response(command, &response);
	command->hold->is_promised = error != 0;
	command_retire(service, command, error != 0);
}

/* Its row, if it had begun, has ended so, too. */
void command_abort(struct service *service, struct command *command,
		   uint8_t end_flags)
{
	struct scsi_origin origin = command_origin(command);
	struct scsi_row row;

	command->scsi.error = 0;
	command->scsi.outcome =
		(struct scsi_outcome){ .status = SCSI_TASK_ABORTED };
	command->end_flags = end_flags;
	if (!scsi_row_look(&command_volume(command)->ledger, &origin, &row) &&
	    row.state == SCSI_ROW_BEGUN)
		scsi_row_end(&command_volume(command)->ledger, &origin,
			     &command->scsi.outcome);
	command_answer(service, command);
}

/* Steps. ------------------------------------------------------------------- */

static bool take_range(struct command *command, const struct scsi_step *step)
{
	struct volume *volume = command_volume(command);
	struct hold *hold = command->hold;

	volume->left_count -= hold->is_left;
	hold->is_left = false;
	hold->is_due = false;
	if (!hold->has_range) {
		hold->has_range = true;
		hold->row_sequence = command->scsi.row_sequence;
		hold->range.offset_bytes = step->offset_bytes;
		hold->range.length_bytes = step->length_bytes;
		(void)share_take(&volume->share, &hold->range);
	}
	if (hold->range.waits_for)
		command->state = COMMAND_WAITS_RANGE;
	return hold->range.waits_for == 0;
}

/* Others may wait for it: from now on who begins or ends looks for that. */
static void make_special(struct command *command)
{
	command_volume(command)->special_count += !command->is_special;
	command->is_special = true;
}

/* What it aborts is what was taken before it is committed. */
static void make_youngest(struct command *command)
{
	struct scsi_client *scsi = command->task->client->scsi;

	unlink_command(scsi, command);
	command->serial = ++scsi->volume->serial;
	link_command(scsi, command);
}

/* What it aborts has left the kernel before it is answered. */
static bool commit(struct service *service, struct command *command,
		   int *ret_result)
{
	struct scsi_ledger *ledger = &command_volume(command)->ledger;
	uint64_t aborted = ledger->next.last.effects.aborted;

	*ret_result = scsi_ledger_commit(ledger);
	if (*ret_result || !aborted)
		return true;
	command->waits_for = aborted;
	make_special(command);
	make_youngest(command);
	volume_abort_waiting(service, command);
	volume_settle(service, command_volume(command), aborted, SETTLE_ALL);
	command->state = COMMAND_WAITS_OTHERS;
	command->result = 0;
	if (command_has_to_wait(command))
		return false;
	command->state = COMMAND_RUNS;
	return true;
}

/* A thin unit promises zeroes where blocks were freed; for others it is a hint
 * that a provider may not be able to take. */
static struct job make_job(const struct command *command,
			   const struct scsi_step *step)
{
	struct client *client = command->task->client;
	struct job job = {
		.provider = client->provider,
		.length_bytes = step->length_bytes,
		.offset_bytes = step->offset_bytes,
	};

	if (step->kind == SCSI_STEP_READ || step->kind == SCSI_STEP_WRITE) {
		job.op = step->kind == SCSI_STEP_READ ? DISK_READ : DISK_WRITE;
		job.buffer = step->memory;
	} else if (step->kind == SCSI_STEP_EXTENT) {
		job.op = JOB_EXTENT;
	} else if (step->kind == SCSI_STEP_UNMAP &&
		   !client->scsi->volume->unit.is_thin) {
		job.op = DISK_DISCARD;
	} else {
		job.op = DISK_WRITE_ZEROES;
		if (step->kind == SCSI_STEP_UNMAP || step->may_unmap)
			job.flags = DISK_FLAG_UNMAP;
	}
	return job;
}

static int job_result(struct service *service, struct command *command)
{
	const struct task *task = command->task;

	if (task->status == -EIO)
		service_log_failure(service, task);
	if (task->status == -EOPNOTSUPP && task->job.op == DISK_DISCARD)
		return 0;
	if (task->job.op == JOB_EXTENT)
		command->scsi.run_bytes = task->job.run_bytes;
	return task->status;
}

/* False: it goes on later. */
static bool execute(struct service *service, struct command *command,
		    const struct scsi_step *step, int *ret_result)
{
	*ret_result = 0;
	switch (step->kind) {
	case SCSI_STEP_LOCK:
		return take_range(command, step);
	case SCSI_STEP_COMMIT:
		return commit(service, command, ret_result);
	case SCSI_STEP_PLATE:
		/* Nothing of this volume outlives the host. */
		*ret_result = -EOPNOTSUPP;
		return true;
	case SCSI_STEP_READ:
	case SCSI_STEP_WRITE:
	case SCSI_STEP_ZERO:
	case SCSI_STEP_UNMAP:
	case SCSI_STEP_EXTENT:
		command->task->job = make_job(command, step);
		if (!jobs_begin(service, command->task))
			return false;
		*ret_result = job_result(service, command);
		return true;
	case SCSI_STEP_ANSWER:
		break;
	}
	return true;
}

static void run(struct service *service, struct command *command, int result)
{
	struct scsi_unit *unit = &command_volume(command)->unit;
	struct scsi_step step;

	command->state = COMMAND_RUNS;
	for (int i = 0; i < STEPS_PER_TURN; i++) {
		step = scsi_unit_step(unit, &command->scsi, result);
		if (step.kind == SCSI_STEP_ANSWER) {
			command_answer(service, command);
			return;
		}
		if (!execute(service, command, &step, &result))
			return;
	}
	command_ready(service, command, result);
}

void scsi_finish(struct service *service, struct task *task)
{
	struct client *client = task->client;
	struct command *command;

	if (task == &client->scsi->settling) {
		volume_settled(service, client);
		return;
	}
	command = &client->scsi->commands[task - client->tasks];
	run(service, command, job_result(service, command));
}

/* The beginning. ----------------------------------------------------------- */

/* Its ledger is damaged: what others reserved is not known. */
static void answer_needs_repair(struct service *service,
				struct command *command)
{
	(void)scsi_refuse(&command_volume(command)->unit, &command->scsi,
			  SENSE_NEEDS_REPAIR);
	command_answer(service, command);
}

static void begin_command(struct service *service, struct command *command)
{
	struct client *client = command->task->client;
	struct scsi_client *scsi = client->scsi;

	if (scsi->volume->is_damaged) {
		answer_needs_repair(service, command);
		return;
	}
	if (scsi_unit_begin(&scsi->volume->unit, &scsi->nexus,
			    &command->scsi) == 0) {
		run(service, command, 0);
		return;
	}
	command_break(service, command);
}

void command_begin(struct service *service, struct command *command)
{
	command->has_begun = true;
	command->state = COMMAND_RUNS;
	if (command->op == SCSI_COMMAND)
		begin_command(service, command);
	else
		manage_begin(service, command);
}

static enum scsi_direction direction_of(uint16_t flags)
{
	if (flags & SCSI_DATA_IN)
		return SCSI_DATA_TO_INITIATOR;
	return flags & SCSI_DATA_OUT ? SCSI_DATA_FROM_INITIATOR
				     : SCSI_DATA_NONE;
}

static struct command *make_command(struct client *client,
				    const struct channel_request *request,
				    struct hold *hold)
{
	struct task *task = client_make_task(client, request->id);
	struct scsi_client *scsi = client->scsi;
	size_t index = (size_t)(task - client->tasks);
	struct command *command = &scsi->commands[index];

	*command = (struct command){
		.scsi = {
			.data = client->channel.buffers +
				request->buffer_offset,
			.data_bytes = request->length_bytes,
			.direction = direction_of(request->flags),
			.row = hold->row,
			.row_sequence =
				scsi_place_sequence(request->offset_bytes),
			.scratch = scsi->scratch + index * SCSI_SCRATCH_BYTES,
			.nexus = &scsi->nexus,
		},
		.task = task,
		.hold = hold,
		.serial = ++scsi->volume->serial,
		.op = request->op,
		.flags = request->flags,
		.sense_slot = scsi_place_sense_slot(request->offset_bytes),
		.managed_row = scsi_request_managed_row(request),
		.function = scsi_request_function(request),
	};
	memcpy(command->scsi.cdb, request->payload, SCSI_CDB_BYTES);
	return command;
}

/* NULL: the client has no such row. */
static struct hold *find_hold(struct scsi_client *scsi,
			      const struct channel_request *request)
{
	if (request->op == SCSI_REPLAYED)
		return &scsi->no_row;
	return volume_hold(scsi->volume, scsi->nexus.index,
			   scsi_place_row(request->offset_bytes));
}

/* Its initiator has forgotten the row's last command, which has not ended. */
static void settle_forgotten(struct service *service, struct volume *volume,
			     struct hold *hold,
			     const struct channel_request *request)
{
	if (hold->has_range &&
	    hold->row_sequence != scsi_place_sequence(request->offset_bytes))
		(void)volume_settle_hold(service, volume, hold);
}

bool scsi_take(struct service *service, struct client *client,
	       const struct channel_request *request)
{
	struct scsi_client *scsi = client->scsi;
	struct hold *hold = find_hold(scsi, request);
	struct command *command;

	/* An honest client's row has one request at a time. */
	if (!hold || hold->command) {
		client->is_broken = true;
		return false;
	}
	settle_forgotten(service, scsi->volume, hold, request);
	command = make_command(client, request, hold);
	hold->command = command;
	service->command_count++;
	link_command(scsi, command);
	if (command->op != SCSI_COMMAND || command->flags & SCSI_ORDERED)
		make_special(command);
	command->state = COMMAND_WAITS_TURN;
	if (command_has_its_turn(command))
		command_begin(service, command);
	return !client->is_broken;
}

/* Turns. ------------------------------------------------------------------- */

static void go_on(struct service *service, struct command *command)
{
	if (!command->has_begun)
		command_begin(service, command);
	else if (command->op == SCSI_COMMAND)
		run(service, command, command->result);
	else
		manage_go_on(service, command);
}

static bool run_ready(struct service *service)
{
	struct command *command = service->ready;
	bool worked = command != NULL;

	for (int i = 0; command && i < READY_PER_TURN; i++) {
		service->ready = command->next_ready;
		go_on(service, command);
		command = service->ready;
	}
	return worked;
}

bool scsi_is_awaited(const struct service *service)
{
	const struct volume *volume = service->volumes;

	while (volume && !volume->entering_count)
		volume = volume->next;
	return volume != NULL;
}

bool scsi_turn(struct service *service)
{
	bool worked = run_ready(service);

	for (struct volume *volume = service->volumes; volume;
	     volume = volume->next) {
		if (volume->entering_count)
			worked |= volume_enter(service, volume);
		if (volume->left_count)
			worked |= volume_expire(service, volume);
	}
	return worked;
}
