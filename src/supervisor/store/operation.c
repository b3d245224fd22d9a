/* SPDX-License-Identifier: MIT */
#include "supervisor/store/operation.h"

#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "base/text.h"

static const struct operation {
	uint32_t type;
	const char *name;
} operations[] = {
	{ MSG_PARTITION_DEFINE, "define" },
	{ MSG_PARTITION_DEFINE_WHOLE, "define" },
	{ MSG_PARTITION_INSTALL, "install" },
	{ MSG_PARTITION_START, "start" },
	{ MSG_PARTITION_STOP, "stop" },
	{ MSG_PARTITION_PAUSE, "pause" },
	{ MSG_PARTITION_RESUME, "resume" },
	{ MSG_PARTITION_RESET, "reset" },
	{ MSG_PARTITION_SAVE, "save" },
	{ MSG_PARTITION_RESTORE, "restore" },
	{ MSG_PARTITION_BALLOON, "balloon" },
	{ MSG_PARTITION_UNINSTALL, "uninstall" },
	{ MSG_PARTITION_UNDEFINE, "undefine" },
	{ MSG_CONSOLE_OPEN, "console" },
	{ MSG_SERVICE_RESTART, "service restart" },
	{ MSG_SERVICE_SET, "service set" },
	{ MSG_SERVICE_REMOVE, "service remove" },
	{ MSG_SWITCH_DEFINE, "switch define" },
	{ MSG_SWITCH_UNDEFINE, "switch undefine" },
	{ MSG_SWITCH_MIRROR, "switch mirror" },
	{ MSG_SWITCH_CAPTURE, "switch capture" },
	{ MSG_NIC_SET, "nic set" },
	{ MSG_NIC_ADD, "nic add" },
	{ MSG_NIC_REMOVE, "nic remove" },
	{ MSG_QUARANTINE_END, "quarantine end" },
	{ MSG_HOST_SHUTDOWN, "shutdown" },
};

/* A body of this size begins with the name of what it is about. */
static void note_name(struct ticket *ticket, const struct message *message)
{
	if (message->type == MSG_HOST_SHUTDOWN ||
	    message->body_bytes < NAME_SIZE)
		return;
	if (text_is_name((const char *)message->body, NAME_SIZE))
		memcpy(ticket->name, message->body, NAME_SIZE);
}

void operation_note(struct ticket *ticket, const struct message *message)
{
	for (size_t i = 0; i < ARRAY_COUNT(operations); i++)
		if (operations[i].type == message->type) {
			ticket->operation = operations[i].name;
			note_name(ticket, message);
		}
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
