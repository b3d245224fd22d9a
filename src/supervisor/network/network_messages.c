/* SPDX-License-Identifier: MIT */
/* What a network service says. */
#include "base/count.h"
#include "base/log.h"
#include "base/scope.h"
#include "supervisor/network/network_private.h"
#include "supervisor/supervisor.h"

/* What the supervisor before us had opened: kept for the next instance. */
static int take_uplink_held(void *data, struct message *message)
{
	const struct attachment *attachment = (const void *)message->body;
	struct process *process = data;
	struct network *network =
		network_find_uplink(process->supervisor, attachment->id);
	const struct instance *instance = process->owner;

	if (!network || !network_is_of_service(network, instance->service) ||
	    network->uplink.fd != NO_FD)
		return 0;
	if (uplink_take_back(&network->record.definition, &message->fds[0],
			     &network->uplink) < 0)
		log_warn("an uplink that came back is not that of switch %s, "
			 "closing it",
			 network->record.definition.name);
	return 0;
}

static const struct message_rule rules[] = {
	/* type                allowed in            handler */
	{ MSG_NET_DETACHED, IN_ANY_STATE, instance_take_detached },
	{ MSG_NET_PEER_BROKEN, IN_ANY_STATE, instance_take_peer_broken },
	{ MSG_NET_UPLINK_LOST, IN_ANY_STATE, instance_take_peer_broken },
	{ MSG_NET_PORT, IN_ANY_STATE, network_take_port },
	{ MSG_NET_ENTRY, IN_ANY_STATE, network_take_entry },
	{ MSG_NET_REPORTED, IN_ANY_STATE, network_take_reported },
	{ MSG_NET_HELD, IN(PROCESS_EXPECTED), instance_take_held },
	{ MSG_NET_UPLINK_HELD, IN(PROCESS_EXPECTED), take_uplink_held },
};

const struct attachment_ops network_attachments = {
	.role = ROLE_NET,
	.instance = INSTANCE_OPS(rules, LOAN_MS),
	.detach = MSG_NET_DETACH,
	.find = networks_find,
	.progress = networks_progress,
	.is_settled = networks_are_settled,
};
