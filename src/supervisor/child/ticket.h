/* SPDX-License-Identifier: MIT */
/*
 * Who waits for an answer. A ticket is kept by whatever carries the request
 * out, and answered once; how rows and answers reach the client is the
 * business of who registered as supervisor->delivery (client.c).
 *
 * Threads    Called with the supervisor's turn (errand.h).
 */
#ifndef SUPERVISOR_TICKET_H
#define SUPERVISOR_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/refusal.h"
#include "base/text.h"
#include "control/protocol.h"

struct supervisor;

/* Who waits for an answer, which a client that has gone does not get, and for
 * which operation. */
struct ticket {
	uint64_t client; /* 0: nobody */
	uint32_t request_id;
	uid_t uid;
	const char *operation; /* "start"; NULL: it changes nothing */
	char name[NAME_SIZE];  /* of what it is done to; may be empty */
};

TAILQ_HEAD(kept_answers, kept_answer);

/* Rows and answers are delivered to clients that are waiting only. */
struct ticket_delivery {
	bool (*is_waiting)(struct supervisor *supervisor, uint64_t client);
	void (*row)(struct supervisor *supervisor, const struct ticket *ticket,
		    uint32_t type, const void *body, const int *fds);
	void (*reply)(struct supervisor *supervisor,
		      const struct ticket *ticket, const struct reply *reply);
};

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
void tickets_flushed(struct supervisor *supervisor, int result);

/* A row before the answer, with as many bytes and descriptors as its type
 * has. */
void ticket_row(struct supervisor *supervisor, const struct ticket *ticket,
		uint32_t type, const void *body, const int *fds);

/* The same with a record of a definition behind the body. */
void ticket_definition(struct supervisor *supervisor,
		       const struct ticket *ticket, uint32_t type,
		       const void *body, const void *value);

#endif
