/* SPDX-License-Identifier: MIT */
#include "control/dispatch.h"

#include <errno.h>

#include "control/protocol.h"
#include "control/ranges.h"

static const struct message_rule *find(const struct message_rule *rules,
				       size_t rule_count, uint32_t type)
{
	for (size_t i = 0; i < rule_count; i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

int message_dispatch(const struct message_rule *rules, size_t rule_count,
		     unsigned state, void *process, struct message *message)
{
	const struct message_rule *rule;
	const struct message_shape *shape;

	rule = find(rules, rule_count, message->type);
	shape = message_shape(message->type);
	if (!rule || !shape || message->body_bytes != shape->body_bytes ||
	    message->fd_count != shape->fd_count ||
	    !message_is_in_range(message->type, message->body))
		return -EBADMSG;
	if (!(rule->allowed_in & IN(state)))
		return -EBUSY;
	return rule->handle(process, message);
}
