/* SPDX-License-Identifier: MIT */
/* What client.c and request.c share. */
#ifndef SUPERVISOR_CLIENT_PRIVATE_H
#define SUPERVISOR_CLIENT_PRIVATE_H

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "control/control.h"
#include "supervisor/client.h"
#include "supervisor/outbox.h"

struct client {
	TAILQ_ENTRY(client) link;
	struct supervisor *supervisor;
	uint64_t id;
	struct control control;
	struct outbox outbox;
	bool is_broken;
	uint32_t follow_id; /* request that follows events; 0: none */
	sd_event_source *source;
};

/*
 * Check and carry out one request. A request that is refused is answered and
 * returns 0.
 *
 * -EBADMSG  not a request, or of the wrong shape: drop the client
 */
int client_request(struct client *client, struct message *message);

/* Send events from now on. -EALREADY */
int client_follow(struct client *client, uint32_t request_id);

#endif
