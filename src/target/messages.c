/* SPDX-License-Identifier: MIT */
/* What the supervisor may ask of a disk service, and what it is told. */
#include "target/service.h"

#include <errno.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "control/dispatch.h"

static void send_attachment(struct service *service, uint32_t type,
			    const struct attachment *attachment)
{
	(void)child_send(&service->child, type, 0, attachment,
			 sizeof(*attachment));
}

void service_report_end(struct service *service, const struct client *client)
{
	if (client->is_broken)
		log_warn("a monitor violated the channel protocol and was "
			 "dropped attachment=%llu",
			 (unsigned long long)client->attachment.id);
	send_attachment(service,
			client->is_detaching ? MSG_DISK_DETACHED
					     : MSG_DISK_PEER_BROKEN,
			&client->attachment);
}

static struct client *find_client(const struct service *service,
				  const struct attachment *attachment)
{
	for (uint32_t i = 0; i < service->client_count; i++)
		if (memcmp(&service->clients[i]->attachment, attachment,
			   sizeof(*attachment)) == 0)
			return service->clients[i];
	return NULL;
}

static int attach(void *process, struct message *message)
{
	const struct disk_attach *asked = (const void *)message->body;
	struct service *service = process;
	struct client *client;
	int r;

	if (find_client(service, &asked->attachment))
		return -EBADMSG;
	r = service->client_count == DISK_SERVICE_DISKS_MAX
		    ? -ENOSPC
		    : client_new(service, asked, message->fds, &client);
	if (r) {
		log_error("cannot serve a disk attachment=%llu error=%s",
			  (unsigned long long)asked->attachment.id,
			  strerrorname_np(-r));
		send_attachment(service, MSG_DISK_PEER_BROKEN,
				&asked->attachment);
		return 0;
	}
	service->clients[service->client_count++] = client;
	return 0;
}

/* The loop answers when the last request has left the kernel. */
static int detach(void *process, struct message *message)
{
	const struct attachment *asked = (const void *)message->body;
	struct service *service = process;
	struct client *client = find_client(service, asked);

	if (client)
		client->is_detaching = true;
	else
		send_attachment(service, MSG_DISK_DETACHED, asked);
	return 0;
}

/* What the page cache has of a file outlives its last close; what it has of a
 * block device is written by whoever closes that last, and they wait. */
static int release(void *process, struct message *message)
{
	const struct attachment *asked = (const void *)message->body;
	struct client *client = find_client(process, asked);

	if (client)
		client->must_flush = client->provider->must_flush;
	return detach(process, message);
}

/* A new supervisor: say what we hold. A client that is ending is reported
 * when it has ended. */
static int welcome(void *process, struct message *message)
{
	struct service *service = process;

	for (uint32_t i = 0; i < service->client_count; i++)
		if (!service->clients[i]->is_broken)
			send_attachment(service, MSG_DISK_HELD,
					&service->clients[i]->attachment);
	return 0;
}

static const struct message_rule from_supervisor[] = {
	{ MSG_DISK_ATTACH, IN_ANY_STATE, attach },
	{ MSG_DISK_ATTACH_UNIT, IN_ANY_STATE, attach },
	{ MSG_DISK_DETACH, IN_ANY_STATE, detach },
	{ MSG_DISK_RELEASE, IN_ANY_STATE, release },
	{ MSG_CHILD_WELCOME, IN_ANY_STATE, welcome },
};

void service_receive(struct service *service)
{
	child_serve(&service->child, from_supervisor,
		    ARRAY_COUNT(from_supervisor), service);
}
