/* SPDX-License-Identifier: MIT */
#include "supervisor/network/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/network/network_private.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

/* Finding. ------------------------------------------------------------------- */

struct network *network_find(struct supervisor *supervisor, const char *name)
{
	struct network *network;

	TAILQ_FOREACH(network, &supervisor->networks, link)
		if (strcmp(network->record.definition.name, name) == 0)
			return network;
	return NULL;
}

struct nic *nic_find(struct supervisor *supervisor, uint64_t attachment_id)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		for (unsigned i = 0; i < partition->nic_count; i++)
			if (partition->nics[i].binding.id == attachment_id)
				return &partition->nics[i];
	return NULL;
}

struct network *network_find_uplink(struct supervisor *supervisor, uint64_t id)
{
	struct network *network;

	TAILQ_FOREACH(network, &supervisor->networks, link)
		if (network->record.id == id)
			return network;
	TAILQ_FOREACH(network, &supervisor->leaving, link)
		if (network->record.id == id)
			return network;
	return NULL;
}

unsigned network_count_nics(const struct network *network,
			    const struct nic **ret_nic)
{
	const char *name = network->record.definition.name;
	const struct partition *partition;
	unsigned count = 0;

	TAILQ_FOREACH(partition, &network->supervisor->partitions, link)
		for (unsigned i = 0; i < partition->nic_count; i++) {
			if (strcmp(partition->nics[i].definition.network,
				   name) != 0)
				continue;
			*ret_nic = &partition->nics[i];
			count++;
		}
	return count;
}

struct instance *network_instance(const struct network *network)
{
	struct service *service = service_find(
		network->supervisor, network->record.definition.service);

	return service ? service_instance_for(service, NULL) : NULL;
}

bool network_is_of_service(const struct network *network,
			   const struct service *service)
{
	return strcmp(network->record.definition.service, service->name) == 0;
}

static unsigned count_ports(const struct supervisor *supervisor,
			    const char *service,
			    const struct partition *partition)
{
	const struct network *network;
	unsigned count = 0;

	TAILQ_FOREACH(network, &supervisor->networks, link)
		for (unsigned i = 0; i < partition->nic_count; i++)
			count +=
				strcmp(network->record.definition.service,
				       service) == 0 &&
				strcmp(network->record.definition.name,
				       partition->nics[i].definition.network) ==
					0;
	return count;
}

unsigned networks_count_ports(const struct supervisor *supervisor,
			      const char *service,
			      const struct partition *coming)
{
	const struct partition *partition;
	const struct network *network;
	unsigned count = 0;

	if (failpoint("net.full"))
		return NET_SERVICE_PORTS_MAX + 1;
	TAILQ_FOREACH(network, &supervisor->networks, link)
		count += strcmp(network->record.definition.service, service) ==
				 0 &&
			 network->record.definition.uplink.kind != UPLINK_NONE;
	TAILQ_FOREACH(partition, &supervisor->partitions, link)
		if (partition == coming ||
		    partition_has_monitor(partition->record.lifecycle.state))
			count += count_ports(supervisor, service, partition);
	return count;
}

/* Every interface on a switch of this service. */
static void each_nic(const struct service *service,
		     void (*visit)(struct nic *nic, void *context),
		     void *context)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &service->supervisor->partitions, link)
		for (unsigned i = 0; i < partition->nic_count; i++) {
			struct nic *nic = &partition->nics[i];
			const struct network *network = network_find(
				service->supervisor, nic->definition.network);

			if (network && network_is_of_service(network, service))
				visit(nic, context);
		}
}

/* Life. -------------------------------------------------------------------------- */

static void network_free(struct network *network)
{
	TAILQ_REMOVE(&network->supervisor->leaving, network, link);
	free(network);
}

void network_settle(struct network *network)
{
	if (!network->is_left || network->errand_count)
		return;
	ticket_done(network->supervisor, &network->left_ticket);
	if (network->is_undefined)
		network_free(network);
}

void network_let_go(struct network *network)
{
	if (network->binding.instance)
		binding_let_go(&network->binding);
	binding_want(&network->binding,
		     network->record.definition.uplink.kind != UPLINK_NONE);
	network->is_left = true;
	network_settle(network);
}

struct network *network_new(struct supervisor *supervisor,
			    const struct switch_record *record,
			    struct uplink *uplink)
{
	const struct uplink closed = UPLINK_CLOSED;
	struct network *network = calloc(1, sizeof(*network));

	if (!network)
		return NULL;
	network->supervisor = supervisor;
	network->record = *record;
	network->binding.ops = &uplink_binding;
	network->binding.supervisor = supervisor;
	network->binding.id = record->id;
	network->uplink = closed;
	TAILQ_INIT(&network->reports);
	network_take_uplink(network, uplink);
	network_let_go(network);
	TAILQ_INSERT_TAIL(&supervisor->networks, network, link);
	return network;
}

/* Whoever asked is answered when no service has the old uplink any more: at
 * once, if none has. */
static void answer_when_left(struct network *network,
			     const struct ticket *ticket)
{
	ticket_done(network->supervisor, &network->left_ticket);
	network->left_ticket = *ticket;
	network->is_left = !network->binding.instance;
	if (network->is_left)
		network_let_go(network);
}

void network_undefine(struct network *network, const struct ticket *ticket)
{
	struct supervisor *supervisor = network->supervisor;

	TAILQ_REMOVE(&supervisor->networks, network, link);
	TAILQ_INSERT_TAIL(&supervisor->leaving, network, link);
	binding_leave(&network->binding);
	network_close_uplink(network);
	network_end_reports(network);
	network->binding.timer =
		sd_event_source_disable_unref(network->binding.timer);
	network->is_undefined = true;
	answer_when_left(network, ticket);
}

void network_change(struct network *network,
		    const struct switch_definition *definition,
		    struct uplink *uplink, const struct ticket *ticket)
{
	network->record.definition = *definition;
	binding_leave(&network->binding);
	if (uplink)
		network_take_uplink(network, uplink);
	answer_when_left(network, ticket);
	networks_progress(network->supervisor);
}

/* Instances. ---------------------------------------------------------------------- */

static void visit_give(struct nic *nic, void *context)
{
	nic_give(nic, context);
}

/* A switch that was forgotten is forgotten by the service only at its end. */
static bool has_room(struct instance *instance)
{
	if (instance->network_count < SWITCH_COUNT_MAX)
		return true;
	process_kill(instance->process,
		     "it has seen as many switches as it can");
	return false;
}

static void progress_service(struct service *service)
{
	struct instance *instance = service_instance_for(service, NULL);
	struct network *network;

	if (!instance)
		return;
	TAILQ_FOREACH(network, &service->supervisor->networks, link) {
		struct net_switch message;

		if (!network_is_of_service(network, service) ||
		    network->told_id == instance->process->id)
			continue;
		if (!has_room(instance))
			return;
		memcpy(message.name, network->record.definition.name,
		       sizeof(message.name));
		process_tell(instance->process, MSG_NET_SWITCH, &message);
		network->told_id = instance->process->id;
		instance->network_count++;
	}
	TAILQ_FOREACH(network, &service->supervisor->networks, link)
		if (network_is_of_service(network, service))
			network_give_uplink(network, instance);
	each_nic(service, visit_give, instance);
	if (!instance->has_begun)
		process_send(instance->process, MSG_NET_BEGIN, 0, NULL, 0, NULL,
			     0);
	instance->has_begun = true;
	service_tell_restart(service);
}

void networks_progress(struct supervisor *supervisor)
{
	struct service *service;

	if (supervisor->is_adopting || supervisor->are_services_ending)
		return;
	TAILQ_FOREACH(service, &supervisor->services, link)
		if (service->role == ROLE_NET)
			progress_service(service);
}

static void visit_settled(struct nic *nic, void *context)
{
	bool *is_settled = context;

	if (nic->binding.is_wanted && nic->binding.state != BINDING_UP)
		*is_settled = false;
}

bool networks_are_settled(struct supervisor *supervisor,
			  const struct service *service)
{
	bool is_settled = true;

	each_nic(service, visit_settled, &is_settled);
	return is_settled;
}

struct binding *networks_find(struct supervisor *supervisor, uint64_t id)
{
	struct nic *nic = nic_find(supervisor, id);
	struct network *network = network_find_uplink(supervisor, id);

	if (nic)
		return &nic->binding;
	return network ? &network->binding : NULL;
}

/* Also those that are undefined and not free yet. */
static void free_list(struct network_list *networks)
{
	struct network *network;

	while ((network = TAILQ_FIRST(networks))) {
		TAILQ_REMOVE(networks, network, link);
		network_end_reports(network);
		sd_event_source_disable_unref(network->binding.timer);
		sd_event_source_disable_unref(network->passt_source);
		close_fd(&network->uplink.fd);
		close_fd(&network->uplink.passt_pidfd);
		free(network);
	}
}

void networks_free(struct supervisor *supervisor)
{
	free_list(&supervisor->networks);
	free_list(&supervisor->leaving);
}
