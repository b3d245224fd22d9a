/* SPDX-License-Identifier: MIT */
/* Which command waits for which others of its volume. */
#include "channel/scsi_request.h"
#include "target/scsi_private.h"

static bool is_of(const struct client *client, uint64_t nexuses)
{
	return nexuses >> client->scsi->nexus.index & 1;
}

/* Whether an older command lets it begin. */
static bool gives_way(const struct command *older,
		      const struct command *command)
{
	const struct client *client = command->task->client;

	if (is_of(client, older->waits_for))
		return false;
	return older->task->client != client || older->op != SCSI_COMMAND ||
	       command->flags & SCSI_HEAD_OF_QUEUE ||
	       !((older->flags | command->flags) & SCSI_ORDERED);
}

bool command_waits_for_row(const struct command *command)
{
	const struct hold *hold = command->hold;

	return command->state == COMMAND_WAITS_TURN && hold->has_range &&
	       (hold->is_settling ||
		hold->row_sequence != command->scsi.row_sequence);
}

bool command_has_its_turn(const struct command *command)
{
	const struct volume *volume = command_volume(command);

	if (command_waits_for_row(command))
		return false;

	if (!volume->special_count || command->op != SCSI_COMMAND)
		return true;
	for (const struct client *client = volume->clients; client;
	     client = client->scsi->next)
		for (const struct command *other = client->scsi->first;
		     other && other->serial < command->serial;
		     other = other->next)
			if (!gives_way(other, command))
				return false;
	return true;
}

/* Task management of one task is about that one. */
static bool concerns(const struct command *command, const struct command *other)
{
	bool is_of_one = command->op == SCSI_TASK_MANAGEMENT &&
			 command->function == SCSI_ABORT_TASK;

	return !is_of_one || other->hold->row == command->managed_row;
}

static bool is_settling(const struct volume *volume, uint64_t nexuses)
{
	for (const struct share_range *range = volume->share.first; range;
	     range = range->next) {
		const struct hold *hold = hold_of((struct share_range *)range);

		if (nexuses >> hold->nexus & 1 &&
		    (hold->is_settling ||
		     (hold->is_due && volume->settling_count)))
			return true;
	}
	return false;
}

bool command_has_to_wait(const struct command *command)
{
	uint64_t settled = command->op == SCSI_REPLAYED
				   ? 1ull << command->hold->nexus
				   : command->waits_for;

	/* Task management settles what is left when it goes on. */
	if (command->op != SCSI_TASK_MANAGEMENT &&
	    is_settling(command_volume(command), settled))
		return true;
	for (const struct client *client = command_volume(command)->clients;
	     client; client = client->scsi->next)
		for (const struct command *other = client->scsi->first;
		     other && other->serial < command->serial;
		     other = other->next)
			if (is_of(client, command->waits_for) &&
			    concerns(command, other))
				return true;
	return false;
}

/* What its guest is told of those it aborts. Those of others have ended with
 * TASK ABORTED, which says enough. */
static uint8_t end_flags(const struct command *command,
			 const struct command *other)
{
	if (command->op == SCSI_TASK_MANAGEMENT &&
	    (command->function == SCSI_LOGICAL_UNIT_RESET ||
	     command->function == SCSI_I_T_NEXUS_RESET))
		return SCSI_RESET;
	return other->task->client == command->task->client ? SCSI_ABORTED : 0;
}

static bool is_waiting(const struct command *command)
{
	return command->op == SCSI_COMMAND &&
	       (command->state == COMMAND_WAITS_TURN ||
		command->state == COMMAND_WAITS_RANGE);
}

/* Its data is to be written, whoever asks for its end. */
static bool has_moved(const struct command *command)
{
	struct scsi_origin origin = command_origin(command);
	struct scsi_row row;

	return !scsi_row_look(&command_volume(command)->ledger, &origin,
			      &row) &&
	       row.state == SCSI_ROW_MOVED;
}

void volume_abort_waiting(struct service *service, struct command *command)
{
	struct command *next;

	for (struct client *client = command_volume(command)->clients; client;
	     client = client->scsi->next) {
		if (!is_of(client, command->waits_for))
			continue;
		for (struct command *other = client->scsi->first;
		     other && other->serial < command->serial; other = next) {
			next = other->next;
			if (is_waiting(other) && concerns(command, other) &&
			    !has_moved(other))
				command_abort(service, other,
					      end_flags(command, other));
		}
	}
}

static bool may_go_on(const struct command *command)
{
	if (command->state == COMMAND_WAITS_TURN)
		return command_has_its_turn(command);
	return command->state == COMMAND_WAITS_OTHERS &&
	       !command_has_to_wait(command);
}

void volume_look_at_waiting(struct service *service, struct volume *volume)
{
	for (struct client *client = volume->clients; client;
	     client = client->scsi->next)
		for (struct command *command = client->scsi->first; command;
		     command = command->next)
			if (may_go_on(command))
				command_ready(service, command, 0);
}

/* Who waited for the bytes has them. What is being written is held on. */
void volume_release(struct service *service, struct volume *volume,
		    struct hold *hold)
{
	struct share_range *freed;

	if (!hold->has_range || hold->is_settling)
		return;
	hold->has_range = false;
	volume->left_count -= hold->is_left;
	hold->is_left = false;
	hold->is_due = false;
	freed = share_release(&volume->share, &hold->range);
	for (; freed; freed = freed->next_freed) {
		struct hold *other = hold_of(freed);

		if (other->command &&
		    other->command->state == COMMAND_WAITS_RANGE)
			command_ready(service, other->command, 0);
	}
}
