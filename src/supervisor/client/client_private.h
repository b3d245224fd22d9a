/* SPDX-License-Identifier: MIT */
/* What client.c and request.c share. */
#ifndef SUPERVISOR_CLIENT_PRIVATE_H
#define SUPERVISOR_CLIENT_PRIVATE_H

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "control/control.h"
#include "supervisor/child/outbox.h"
#include "supervisor/child/ticket.h"
#include "supervisor/client/client.h"

TAILQ_HEAD(client_queue, client);

struct client {
	TAILQ_ENTRY(client) link;
	struct supervisor *supervisor;
	uint64_t id;
	uid_t uid;
	bool is_privileged;     /* root, or the supervisor's own user */
	unsigned pending_count; /* of its requests have no REPLY yet */
	struct control control;
	struct outbox outbox;
	bool is_broken;
	bool is_busy;           /* with the request in `message` */
	struct message message; /* nothing more is read meanwhile */
	uint32_t follow_id;     /* request that follows events; 0: none */
	sd_event_source *source;
};

/* Check and carry out one request, or answer that it is refused. */
void client_request(struct client *client, struct message *message);

/* Send events from now on. -EALREADY, -ENOSPC */
int client_follow(struct supervisor *supervisor, const struct ticket *ticket);

#endif
