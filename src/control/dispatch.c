/* SPDX-License-Identifier: MIT */
#include "control/dispatch.h"

#include <errno.h>

#include "control/fields.h"

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

	rule = find(rules, rule_count, message->type);
	if (!rule || !message_is_valid(message))
		return -EBADMSG;
	if (!(rule->allowed_in & IN(state)))
		return -EBUSY;
	return rule->handle(process, message);
}
