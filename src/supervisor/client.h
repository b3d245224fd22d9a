/* SPDX-License-Identifier: MIT */
/*
 * Clients of the supervisor: the CLI, later the admin. Each has a control link
 * accepted from the client socket, sends requests and gets rows and one REPLY
 * for each.
 *
 * Trust      Whoever may connect may open any path as the supervisor; peer
 *            credentials are checked at accept (docs/threat-model.md). What
 *            they send is still checked field by field.
 * Threads    The supervisor's only one.
 */
#ifndef SUPERVISOR_CLIENT_H
#define SUPERVISOR_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/refusal.h"
#include "control/definition.h"

struct supervisor;

/* Who waits for an answer, which a client that has gone does not get, and for
 * which operation. */
struct ticket {
	uint64_t client; /* 0: nobody */
	uint32_t request_id;
	uid_t uid;
	const char *operation; /* "start"; NULL: it changes nothing */
	char name[NAME_ROOM];  /* of what it is done to; may be empty */
};

/* Could clients be listened to? Said before anything is taken over. */
int clients_check(struct supervisor *supervisor, struct refusal *refusal);

/* Listen on the client socket. The refusal says why not. */
int clients_listen(struct supervisor *supervisor, struct refusal *refusal);
void clients_close(struct supervisor *supervisor);

/* Answer and forget a ticket. status 0, or negative with text and field. */
void ticket_done(struct supervisor *supervisor, struct ticket *ticket);
void ticket_failed(struct supervisor *supervisor, struct ticket *ticket,
		   int status, const char *text);
void ticket_refused(struct supervisor *supervisor, struct ticket *ticket,
		    int status, const struct refusal *refusal);

/*
 * Done, once the states that were deferred before are on disk. When they cannot
 * be it is answered all the same: what could be refused for that was, and the
 * rest has happened.
 */
void ticket_stored(struct supervisor *supervisor, struct ticket *ticket);

/* A flush has ended, with this result. With an error all are answered. */
void answers_stored(struct supervisor *supervisor, int result);

/* A row before the answer. */
void ticket_row(struct supervisor *supervisor, const struct ticket *ticket,
		uint32_t type, const void *body, size_t body_bytes,
		const int *fds, size_t fd_count);

#endif
