/* SPDX-License-Identifier: MIT */
/* What a network service says. */
#include "base/count.h"
#include "base/log.h"
#include "base/scope.h"
#include "supervisor/network/network_private.h"
#include "supervisor/supervisor.h"

static struct nic *find_held_nic(const struct process *process,
				 const struct attachment *attachment)
{
	struct nic *nic = nic_find(process->supervisor, attachment->id);

	return nic && binding_is_meant(&nic->binding, process, attachment)
		       ? nic
		       : NULL;
}

static struct network *find_held_uplink(const struct process *process,
					const struct attachment *attachment)
{
	struct network *network =
		network_find_uplink(process->supervisor, attachment->id);

	return network && binding_is_meant(&network->binding, process,
					   attachment)
		       ? network
		       : NULL;
}

static int take_detached(void *data, struct message *message)
{
	const struct attachment *attachment = (const void *)message->body;
	struct nic *nic = find_held_nic(data, attachment);
	struct network *network = find_held_uplink(data, attachment);
	struct process *process = data;

	if (nic)
		nic_detached(nic);
	if (network && network->binding.state == BINDING_DETACHING) {
		network_let_go(network);
		networks_progress(process->supervisor);
	}
	return 0;
}

static int take_peer_broken(void *data, struct message *message)
{
	struct nic *nic = find_held_nic(data, (const void *)message->body);

	if (nic)
		nic_dropped(nic);
	return 0;
}

static int take_uplink_lost(void *data, struct message *message)
{
	struct process *process = data;
	struct network *network =
		find_held_uplink(process, (const void *)message->body);

	/* One that is being detached is told of by NET_DETACHED. */
	if (!network || network->binding.state != BINDING_UP)
		return 0;
	network_note_lost(network);
	network_let_go(network);
	networks_progress(process->supervisor);
	return 0;
}

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
	{ MSG_NET_DETACHED, IN_ANY_STATE, take_detached },
	{ MSG_NET_PEER_BROKEN, IN_ANY_STATE, take_peer_broken },
	{ MSG_NET_UPLINK_LOST, IN_ANY_STATE, take_uplink_lost },
	{ MSG_NET_PORT, IN_ANY_STATE, network_take_port },
	{ MSG_NET_ENTRY, IN_ANY_STATE, network_take_entry },
	{ MSG_NET_REPORTED, IN_ANY_STATE, network_take_reported },
	{ MSG_NET_HELD, IN(PROCESS_EXPECTED), instance_take_held },
	{ MSG_NET_UPLINK_HELD, IN(PROCESS_EXPECTED), take_uplink_held },
};

static const struct process_ops instance_ops = {
	.rules = rules,
	.rule_count = ARRAY_COUNT(rules),
	.ready = instance_ready,
	.died = instance_died,
	.pong = instance_pong,
	.birth_ms = LOAN_MS,
};

const struct attachment_ops network_attachments = {
	.role = ROLE_NET,
	.instance = &instance_ops,
	.progress = networks_progress,
	.leave = networks_leave,
	.died = networks_instance_died,
	.found = networks_found,
	.is_settled = networks_are_settled,
};
