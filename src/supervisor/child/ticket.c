/* SPDX-License-Identifier: MIT */
#include "supervisor/child/ticket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/definition_message.h"
#include "supervisor/store/record.h"
#include "supervisor/supervisor.h"

/* Done, but its record is not on disk yet. */
struct kept_answer {
	TAILQ_ENTRY(kept_answer) link;
	struct ticket ticket;
	uint64_t state; /* that must be written first */
};

static bool is_waiting(struct supervisor *supervisor,
		       const struct ticket *ticket)
{
	return supervisor->delivery && ticket->client &&
	       supervisor->delivery->is_waiting(supervisor, ticket->client);
}

void ticket_row(struct supervisor *supervisor, const struct ticket *ticket,
		uint32_t type, const void *body, const int *fds)
{
	if (is_waiting(supervisor, ticket))
		supervisor->delivery->row(supervisor, ticket, type, body, fds);
}

void ticket_definition(struct supervisor *supervisor,
		       const struct ticket *ticket, uint32_t type,
		       const void *body, const void *value)
{
	struct definition_message row;

	if (definition_message_make(type, body, value, &row) > 0)
		ticket_row(supervisor, ticket, type, &row, NULL);
}

static void answer(struct supervisor *supervisor, struct ticket *ticket,
		   const struct reply *reply)
{
	const struct ticket answered = *ticket;

	*ticket = (struct ticket){ 0 };
	if (answered.client && answered.operation)
		supervisor_record_operation(supervisor, &answered, reply);
	if (is_waiting(supervisor, &answered))
		supervisor->delivery->reply(supervisor, &answered, reply);
}

void ticket_done(struct supervisor *supervisor, struct ticket *ticket)
{
	struct reply reply = { 0 };

	answer(supervisor, ticket, &reply);
}

void ticket_stored(struct supervisor *supervisor, struct ticket *ticket)
{
	struct kept_answer *kept = NULL;
	uint64_t state = store_last_state(supervisor->store);

	if (is_waiting(supervisor, ticket) &&
	    !store_is_written(supervisor->store, state))
		kept = malloc(sizeof(*kept));
	if (!kept) {
		ticket_done(supervisor, ticket);
		return;
	}
	kept->ticket = *ticket;
	kept->state = state;
	TAILQ_INSERT_TAIL(&supervisor->kept_answers, kept, link);
	*ticket = (struct ticket){ 0 };
	supervisor_flush(supervisor);
}

void tickets_flushed(struct supervisor *supervisor, int result)
{
	struct kept_answer *kept;

	while ((kept = TAILQ_FIRST(&supervisor->kept_answers))) {
		if (result == 0 &&
		    !store_is_written(supervisor->store, kept->state)) {
			supervisor_flush(supervisor);
			return;
		}
		TAILQ_REMOVE(&supervisor->kept_answers, kept, link);
		ticket_done(supervisor, &kept->ticket);
		free(kept);
	}
}

void ticket_failed(struct supervisor *supervisor, struct ticket *ticket,
		   int status, const char *text)
{
	struct reply reply = { .status = status };

	(void)snprintf(reply.text, sizeof(reply.text), "%s", text);
	answer(supervisor, ticket, &reply);
}

/* What the user can mend by asking for something else. */
static bool is_refusal(int status)
{
	static const int refused[] = { EINVAL,     EBUSY,  EEXIST,
				       ENOENT,     ERANGE, EALREADY,
				       EOPNOTSUPP, EPERM,  ENAMETOOLONG,
				       ENOTCONN,   EACCES, ENODEV };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (status == -refused[i])
			return true;
	return false;
}

void ticket_refused(struct supervisor *supervisor, struct ticket *ticket,
		    int status, const struct refusal *refusal)
{
	struct reply reply = { .status = status,
			       .refused = is_refusal(status) };

	memcpy(reply.field, refusal->field, sizeof(refusal->field));
	(void)snprintf(reply.text, sizeof(reply.text), "%s", refusal->text);
	answer(supervisor, ticket, &reply);
}
