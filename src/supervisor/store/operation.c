/* SPDX-License-Identifier: MIT */
#include "supervisor/store/operation.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* A body of this size begins with the name of what it is about. */
static void note_name(struct ticket *ticket, const struct message *message)
{
	if (message->type == MSG_HOST_SHUTDOWN ||
	    message->body_bytes < NAME_SIZE)
		return;
	if (text_is_name((const char *)message->body, NAME_SIZE))
		memcpy(ticket->name, message->body, NAME_SIZE);
}

void operation_note(struct ticket *ticket, const char *operation,
		    const struct message *message)
{
	ticket->operation = operation;
	note_name(ticket, message);
}

void operation_record(struct events *events, const struct ticket *ticket,
		      const struct reply *reply)
{
	bool is_failed = reply->status != 0 && !reply->refused;
	const char *outcome = is_failed            ? "failed: "
			      : reply->status != 0 ? "refused: "
						   : "done";
	char why[TEXT_SIZE] = "";
	char text[TEXT_SIZE];

	if (reply->status != 0)
		text_escape(why, sizeof(why), reply->text, strlen(reply->text));
	(void)snprintf(text, sizeof(text), "%s%s%s: %s%s%s%s",
		       ticket->operation, ticket->name[0] ? " " : "",
		       ticket->name, outcome, reply->field,
		       reply->field[0] ? ": " : "", why);
	event_record_operation(events, is_failed ? EVENT_WARNING : EVENT_INFO,
			       ticket->uid, text);
}
