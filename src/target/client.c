/* SPDX-License-Identifier: MIT */
#include "target/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/event.h"
#include "base/scope.h"
#include "target/scsi.h"
#include "target/scsi_request_check.h"

static bool settings_are_valid(const struct disk_attach *attach)
{
	uint32_t block = attach->logical_block_bytes;

	return block >= DISK_BLOCK_BYTES_MIN && block <= DISK_BLOCK_BYTES_MAX &&
	       (block & (block - 1)) == 0 && attach->size_bytes >= block &&
	       attach->size_bytes <= DISK_BYTES_MAX;
}

/* A blocking eventfd in a hostile monitor's hands could stop us for all. The
 * supervisor makes them so, and no child of ours may clear O_NONBLOCK. */
static bool never_blocks(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

static int make_tasks(struct client *client)
{
	uint32_t count = client->channel.shape.slot_count;

	client->tasks = calloc(count, sizeof(client->tasks[0]));
	if (!client->tasks)
		return -ENOMEM;
	for (uint32_t i = count; i-- > 0;) {
		client->tasks[i].client = client;
		client->tasks[i].next = client->free_tasks;
		client->free_tasks = &client->tasks[i];
	}
	return 0;
}

/* The kinds of units that there are, and of channels. */
static bool kind_is_valid(const struct disk_attach *attach, int ledger)
{
	return attach->kind ==
	       (ledger == NO_FD ? CHANNEL_KIND_DISK : CHANNEL_KIND_SCSI);
}

static int set_up(struct service *service, struct client *client,
		  const struct disk_attach *attach, int memfd, int ledger)
{
	int r;

	if (!settings_are_valid(attach) || !kind_is_valid(attach, ledger) ||
	    !never_blocks(client->kick_fd) || !never_blocks(client->call_fd))
		return -EINVAL;
	r = channel_open(&client->channel, memfd, CHANNEL_SERVER,
			 (enum channel_kind)attach->kind);
	if (r)
		return r;
	if (client->channel.shape.generation !=
	    (uint32_t)attach->attachment.generation)
		return -EBADMSG;
	r = make_tasks(client);
	if (r || attach->kind == CHANNEL_KIND_DISK)
		return r;
	return scsi_client_open(service, client, attach, ledger);
}

int client_new(struct service *service, const struct disk_attach *attach,
	       int *fds, struct client **ret_client)
{
	SCOPED(close_fd) int memfd = take_fd(&fds[ATTACH_MEMORY]);
	SCOPED(close_fd) int file = take_fd(&fds[ATTACH_FILE]);
	struct client *client;
	int r;

	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->attachment = attach->attachment;
	client->limits = (struct disk_limits){
		.size_bytes = attach->size_bytes,
		.block_bytes = attach->logical_block_bytes,
		.is_read_only = attach->read_only,
	};
	client->kick_fd = take_fd(&fds[ATTACH_KICK]);
	client->call_fd = take_fd(&fds[ATTACH_CALL]);
	r = service->provider_ops->open(&file, &client->provider);
	if (!r)
		r = set_up(service, client, attach, memfd, fds[ATTACH_LEDGER]);
	if (r) {
		client_free(service, client);
		return r;
	}
	*ret_client = client;
	return 0;
}

void client_free(struct service *service, struct client *client)
{
	scsi_client_close(service, client);
	channel_close(&client->channel);
	if (client->provider)
		client->provider->ops->close(client->provider);
	close_fd(&client->kick_fd);
	close_fd(&client->call_fd);
	free(client->tasks);
	free(client);
}

/* The channel never gives us more requests than it has slots, so there is
 * always a free task. */
struct task *client_make_task(struct client *client, uint64_t id)
{
	struct task *task = client->free_tasks;

	client->free_tasks = task->next;
	task->id = id;
	task->status = 0;
	return task;
}

void client_return_task(struct task *task)
{
	task->next = task->client->free_tasks;
	task->client->free_tasks = task;
}

static int check(const struct client *client,
		 const struct channel_request *request)
{
	return client->scsi ? scsi_request_check(request, &client->channel,
						 SCSI_ROWS_MAX)
			    : request_check(request, &client->channel,
					    &client->limits);
}

int client_take(struct client *client, struct channel_request *ret_request)
{
	int r;

	if (!client_is_open(client))
		return -EAGAIN;
	r = channel_receive_request(&client->channel, ret_request);
	if (r == -EAGAIN)
		return r;
	if (!r)
		r = check(client, ret_request);
	if (r == -EBADMSG)
		client->is_broken = true;
	return r;
}

void client_answer(struct task *task)
{
	struct client *client = task->client;
	bool has_bytes = task->job.buffer && task->status == 0;
	struct channel_response response = {
		.id = task->id,
		.status = task->status,
		.bytes = has_bytes ? (uint32_t)task->job.length_bytes : 0,
	};

	channel_send_response(&client->channel, &response);
	client_return_task(task);
}

void client_wait(struct task *task)
{
	struct client *client = task->client;

	task->next = NULL;
	if (client->first_waiting)
		client->last_waiting->next = task;
	else
		client->first_waiting = task;
	client->last_waiting = task;
}

struct task *client_next_waiting(struct client *client)
{
	struct task *task = client->first_waiting;

	if (task)
		client->first_waiting = task->next;
	return task;
}

void client_publish(struct client *client)
{
	if (channel_publish(&client->channel))
		event_signal(client->call_fd);
}

bool client_is_open(const struct client *client)
{
	return !client->is_broken && !client->is_detaching &&
	       (!client->scsi || scsi_is_open(client));
}

bool client_has_ended(const struct client *client)
{
	return (client->is_broken || client->is_detaching) &&
	       client->in_kernel == 0;
}
