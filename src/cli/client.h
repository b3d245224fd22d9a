/* SPDX-License-Identifier: MIT */
/*
 * The client's end of the supervisor's socket: one request, its rows, its
 * reply.
 *
 * Trust      The supervisor is more trusted than we are, yet every message is
 *            checked for shape and every text for its end, so that another
 *            version cannot confuse us.
 * Errors     0 or a negative errno.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdint.h>

#include "base/scope.h"
#include "control/control.h"
#include "control/protocol.h"

struct client {
	struct control control;
	uint32_t last_request_id;
	/* Called about once per 200 ms while waiting; may be NULL. */
	void (*on_wait)(void *data, uint64_t waited_ms);
	void *on_wait_data;
};

/*
 * Connect to the supervisor at `path`.
 *
 * -ENOENT, -ECONNREFUSED  no supervisor there
 * -EACCES                 not allowed
 * -ENAMETOOLONG           the path is too long for a socket
 */
int client_open(struct client *client, const char *path);
void client_close(struct client *client);

/* Gets each row; a descriptor that it keeps is taken from the message. */
typedef int (*row_handler)(void *data, struct message *row);

struct request {
	uint32_t type;
	const void *body;
	const int *fds; /* borrowed */
	uint32_t fd_count;
	row_handler on_row; /* NULL: no rows are expected */
	void *row_data;
};

/*
 * Send a request and wait for its reply; rows go to the handler on the way.
 *
 * -EPIPE    the supervisor went away: the outcome is not known
 * -EBADMSG  it sent what this version does not know
 * other     what the handler returned
 */
int client_call(struct client *client, const struct request *request,
		struct reply *ret_reply);

#endif
