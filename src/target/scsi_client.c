/* SPDX-License-Identifier: MIT */
/* How clients of SCSI channels come to their volume, and leave it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "target/scsi_private.h"
#include "target/scsi_request_check.h"

static struct volume *find_volume(const struct service *service, uint64_t id)
{
	struct volume *volume = service->volumes;

	while (volume && volume->id != id)
		volume = volume->next;
	return volume;
}

static int ensure_volume(struct service *service,
			 const struct disk_attach *attach, int ledger_fd,
			 struct volume **ret_volume)
{
	int r;

	*ret_volume = find_volume(service, attach->volume_id);
	if (*ret_volume)
		return 0;
	r = volume_new(attach, ledger_fd, ret_volume);
	if (r)
		return r;
	(*ret_volume)->next = service->volumes;
	service->volumes = *ret_volume;
	return 0;
}

static int make_commands(struct client *client)
{
	uint32_t count = client->channel.shape.slot_count;
	struct scsi_client *scsi = client->scsi;
	void *scratch;

	scsi->commands = calloc(count, sizeof(scsi->commands[0]));
	scratch = mmap(NULL, (size_t)count * SCSI_SCRATCH_BYTES,
		       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	if (scratch != MAP_FAILED)
		scsi->scratch = scratch;
	return scsi->commands && scsi->scratch ? 0 : -ENOMEM;
}

static void drop_volume(struct service *service, struct volume *volume)
{
	struct volume **at = &service->volumes;

	if (volume->clients)
		return;
	while (*at != volume)
		at = &(*at)->next;
	*at = volume->next;
	volume_free(volume);
}

/* As a ledger keeps it; 0 is none. */
static uint32_t life_of(const struct disk_attach *attach)
{
	uint32_t life = (uint32_t)(attach->initiator_life ^
				   attach->initiator_life >> 32);

	return life ? life : 1;
}

static int join(struct client *client, const struct disk_attach *attach,
		struct volume *volume)
{
	int r;

	if (!scsi_channel_is_valid(&client->channel.shape))
		return -EBADMSG;
	client->scsi = calloc(1, sizeof(*client->scsi));
	if (!client->scsi)
		return -ENOMEM;
	r = make_commands(client);
	if (!r)
		r = volume_attach(volume, attach, &client->scsi->nexus);
	if (r)
		return r;
	client->scsi->no_row = (struct hold){
		.nexus = client->scsi->nexus.index,
		.row = UINT16_MAX,
	};
	client->scsi->volume = volume;
	client->scsi->next = volume->clients;
	volume->clients = client;
	client->scsi->life = life_of(attach);
	client->scsi->is_entering = !volume_knows_life(
		volume, client->scsi->nexus.index, client->scsi->life);
	volume->entering_count += client->scsi->is_entering;
	return 0;
}

static bool enter(struct service *service, struct client *client)
{
	struct scsi_client *scsi = client->scsi;
	struct volume *volume = scsi->volume;

	volume_settle(service, volume, 1ull << scsi->nexus.index, SETTLE_ALL);
	if (volume_has_left(volume, scsi->nexus.index))
		return false;
	client->is_broken =
		volume_begin_life(volume, &scsi->nexus, scsi->life) != 0;
	scsi->is_entering = false;
	volume->entering_count--;
	return true;
}

bool volume_enter(struct service *service, struct volume *volume)
{
	bool worked = false;

	for (struct client *client = volume->clients; client;
	     client = client->scsi->next)
		if (client->scsi->is_entering)
			worked |= enter(service, client);
	return worked;
}

int scsi_client_open(struct service *service, struct client *client,
		     const struct disk_attach *attach, int ledger_fd)
{
	struct volume *volume;
	int r = ensure_volume(service, attach, ledger_fd, &volume);

	if (r)
		return r;
	r = join(client, attach, volume);
	if (r) {
		scsi_client_close(service, client);
		drop_volume(service, volume);
	}
	return r;
}

/* Its row tells whether its range is to be held on: it may have its effect in
 * part. */
static bool has_begun(struct command *command)
{
	struct scsi_origin origin = command_origin(command);
	struct scsi_row row;

	return !scsi_row_look(&command_volume(command)->ledger, &origin,
			      &row) &&
	       (row.state == SCSI_ROW_BEGUN || row.state == SCSI_ROW_MOVED);
}

static void take_from_ready(struct service *service,
			    const struct client *client)
{
	struct command *command = service->ready, *next;

	service->ready = NULL;
	for (; command; command = next) {
		next = command->next_ready;
		if (command->task->client != client)
			command_ready(service, command, command->result);
	}
}

/* Nobody goes on with what it had begun, unless it comes back. */
static void leave_holds(struct volume *volume, uint32_t nexus)
{
	for (struct share_range *range = volume->share.first; range;
	     range = range->next)
		if (hold_of(range)->nexus == nexus)
			hold_of(range)->is_promised = false;
}

static void leave(struct service *service, struct client *client)
{
	struct volume *volume = client->scsi->volume;
	struct client **at = &volume->clients;
	struct command *command;

	while (*at != client)
		at = &(*at)->scsi->next;
	*at = client->scsi->next;
	volume->entering_count -= client->scsi->is_entering;
	while ((command = client->scsi->first))
		command_retire(service, command, has_begun(command));
	leave_holds(volume, client->scsi->nexus.index);
	/* One of them may have been let go on by another. */
	take_from_ready(service, client);
	volume_detach(volume, client->scsi->nexus.index);
	drop_volume(service, volume);
}

void scsi_client_close(struct service *service, struct client *client)
{
	struct scsi_client *scsi = client->scsi;

	if (!scsi)
		return;
	if (scsi->volume)
		leave(service, client);
	if (scsi->scratch)
		(void)munmap(scsi->scratch,
			     (size_t)client->channel.shape.slot_count *
				     SCSI_SCRATCH_BYTES);
	free(scsi->commands);
	free(scsi);
	client->scsi = NULL;
}
