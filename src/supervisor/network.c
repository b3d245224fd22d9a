/* SPDX-License-Identifier: MIT */
#include "supervisor/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/log.h"
#include "base/scope.h"
#include "supervisor/network_private.h"
#include "supervisor/supervisor.h"

#define HANG_MS HANG_MS_DEFAULT
/* An uplink that lasted longer ends the row of those that were lost. */
#define YOUNG_NS (10 * NS_PER_S)
/* Between attempts to open one. */
#define OPEN_FIRST_MS 100
#define OPEN_MS       2000

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
		if (partition->nics[i].id == attachment_id)
			return &partition->nics[i];
	return NULL;
}

static struct network *find_uplink(struct supervisor *supervisor, uint64_t id)
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
		if (strcmp(partition->nics[i].definition.network, name) != 0)
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

static bool is_of_service(const struct network *network,
			  const struct service *service)
{
	return strcmp(network->record.definition.service, service->name) == 0;
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

		if (network && is_of_service(network, service))
			visit(nic, context);
	}
}

/* Every interface that this instance has, whatever switch it is for now. */
static void each_held_nic(const struct instance *instance,
			  void (*visit)(struct nic *nic))
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &instance->service->supervisor->partitions,
		      link)
	for (unsigned i = 0; i < partition->nic_count; i++)
		if (partition->nics[i].instance == instance)
			visit(&partition->nics[i]);
}

/* Uplinks. --------------------------------------------------------------------- */

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct network *network = data;

	network->timer = sd_event_source_disable_unref(network->timer);
	networks_progress(network->supervisor);
	return 0;
}

static void progress_later(struct network *network, uint64_t ms)
{
	if (network->timer)
		return;
	(void)sd_event_add_time_relative(network->supervisor->event,
					 &network->timer, CLOCK_MONOTONIC,
					 ms * 1000, 1000, on_timer, network);
}

static void close_uplink(struct network *network)
{
	network->passt_source =
		sd_event_source_disable_unref(network->passt_source);
	uplink_close(&network->uplink);
}

static void leave_uplink(struct network *network)
{
	struct attachment attachment = { network->record.id,
					 network->generation };

	if (network->state != NIC_IS_UP)
		return;
	network->state = NIC_IS_DETACHING;
	process_tell(network->instance->process, MSG_NET_DETACH, &attachment);
	instance_check(network->instance, HANG_MS);
}

static void network_free(struct network *network);

/* No instance has it any more; an undefined one ends. */
static void let_go(struct network *network)
{
	network->instance = NULL;
	network->state = network->record.definition.uplink_kind == UPLINK_NONE
				 ? NIC_IS_DETACHED
				 : NIC_IS_WAITING;
	ticket_done(network->supervisor, &network->left_ticket);
	if (network->is_undefined)
		network_free(network);
}

static void note_lost(struct network *network)
{
	supervisor_event(
		network->supervisor, EVENT_WARNING,
		network->record.definition.name,
		"the uplink %s %s was lost; it is made anew",
		uplink_kind_name(network->record.definition.uplink_kind),
		network->record.definition.uplink);
	back_off_note(&network->back_off, network->up_ns, YOUNG_NS,
		      clock_now_ns());
	close_uplink(network);
}

static int on_passt_end(sd_event_source *source, int fd, uint32_t events,
			void *data)
{
	struct network *network = data;

	note_lost(network);
	leave_uplink(network);
	networks_progress(network->supervisor);
	return 0;
}

void networks_check_bridges(struct supervisor *supervisor)
{
	struct network *network;

	TAILQ_FOREACH(network, &supervisor->networks, link)
	{
		const struct switch_definition *definition =
			&network->record.definition;

		if (definition->uplink_kind != UPLINK_BRIDGE ||
		    network->state != NIC_IS_UP ||
		    network->uplink.fd == NO_FD ||
		    uplink_is_in_bridge(&network->uplink, definition->uplink))
			continue;
		note_lost(network);
		leave_uplink(network);
	}
	networks_progress(supervisor);
}

static int open_uplink(struct network *network)
{
	struct refusal refusal = { 0 };
	int r = uplink_open(&network->record.definition, &network->uplink,
			    &refusal);

	network->open_failures = r < 0 ? network->open_failures + 1 : 0;
	/* At first its last holder may be about to close it. */
	if (network->open_failures == 2)
		supervisor_event(network->supervisor, EVENT_ERROR,
				 network->record.definition.name,
				 "its uplink cannot be opened, trying on: %s",
				 refusal.text);
	if (r < 0)
		progress_later(network, network->open_failures == 1
						? OPEN_FIRST_MS
						: OPEN_MS);
	return r;
}

static void watch_passt(struct network *network)
{
	if (network->uplink.passt_pidfd != NO_FD && !network->passt_source)
		(void)sd_event_add_io(network->supervisor->event,
				      &network->passt_source,
				      network->uplink.passt_pidfd, EPOLLIN,
				      on_passt_end, network);
}

static void give_uplink(struct network *network, struct instance *instance)
{
	uint64_t wait_ms = back_off_wait_ms(&network->back_off, clock_now_ns());
	struct net_uplink message = {
		.kind = network->record.definition.uplink_kind,
		.definition = network->record.definition,
	};

	if (network->state != NIC_IS_WAITING)
		return;
	if (wait_ms) {
		progress_later(network, wait_ms);
		return;
	}
	if (network->uplink.fd == NO_FD && open_uplink(network) < 0)
		return;
	watch_passt(network);
	network_watch(network);
	network->generation = supervisor_next_generation(network->supervisor);
	message.attachment.id = network->record.id;
	message.attachment.generation = network->generation;
	process_send(instance->process, MSG_NET_UPLINK, 0, &message,
		     sizeof(message), &network->uplink.fd, 1);
	network->state = NIC_IS_UP;
	network->up_ns = clock_now_ns();
	network->instance = instance;
	instance_client_came(instance);
}

/* Life. -------------------------------------------------------------------------- */

static void take_uplink(struct network *network, struct uplink *uplink)
{
	const struct uplink closed = UPLINK_CLOSED;

	close_uplink(network);
	network->uplink = *uplink;
	*uplink = closed;
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
	network->uplink = closed;
	TAILQ_INIT(&network->reports);
	take_uplink(network, uplink);
	let_go(network);
	TAILQ_INSERT_TAIL(&supervisor->networks, network, link);
	return network;
}

static void network_free(struct network *network)
{
	TAILQ_REMOVE(&network->supervisor->leaving, network, link);
	free(network);
}

/* Whoever asked is answered when no service has the old uplink any more: at
 * once, if none has. */
static void answer_when_left(struct network *network,
			     const struct ticket *ticket)
{
	ticket_done(network->supervisor, &network->left_ticket);
	network->left_ticket = *ticket;
	if (!network->instance)
		let_go(network);
}

void network_undefine(struct network *network, const struct ticket *ticket)
{
	struct supervisor *supervisor = network->supervisor;

	TAILQ_REMOVE(&supervisor->networks, network, link);
	TAILQ_INSERT_TAIL(&supervisor->leaving, network, link);
	network->is_undefined = true;
	leave_uplink(network);
	close_uplink(network);
	network_end_reports(network);
	network->timer = sd_event_source_disable_unref(network->timer);
	answer_when_left(network, ticket);
}

void network_change(struct network *network,
		    const struct switch_definition *definition,
		    struct uplink *uplink, const struct ticket *ticket)
{
	network->record.definition = *definition;
	leave_uplink(network);
	if (uplink)
		take_uplink(network, uplink);
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
	TAILQ_FOREACH(network, &service->supervisor->networks, link)
	{
		struct net_switch message;

		if (!is_of_service(network, service) ||
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
	if (is_of_service(network, service))
		give_uplink(network, instance);
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

void networks_instance_died(struct supervisor *supervisor,
			    struct instance *instance)
{
	struct network *network, *next;

	each_held_nic(instance, nic_instance_died);
	TAILQ_FOREACH(network, &supervisor->networks, link)
	if (network->instance == instance)
		let_go(network);
	for (network = TAILQ_FIRST(&supervisor->leaving); network;
	     network = next) {
		next = TAILQ_NEXT(network, link);
		if (network->instance == instance)
			let_go(network);
	}
}

void networks_leave(struct supervisor *supervisor, struct instance *instance)
{
	struct network *network;

	each_held_nic(instance, nic_leave);
	TAILQ_FOREACH(network, &supervisor->networks, link)
	if (network->instance == instance)
		leave_uplink(network);
}

static void visit_settled(struct nic *nic, void *context)
{
	bool *is_settled = context;

	if (nic->is_wanted && nic->state != NIC_IS_UP)
		*is_settled = false;
}

bool networks_are_settled(struct supervisor *supervisor,
			  const struct service *service)
{
	bool is_settled = true;

	each_nic(service, visit_settled, &is_settled);
	return is_settled;
}

static void uplink_found(struct network *network, struct instance *instance,
			 uint64_t generation)
{
	network->instance = instance;
	network->generation = generation;
	network->up_ns = clock_now_ns();
	network->state = NIC_IS_UP;
	network_watch(network);
	instance_client_came(instance);
	/* What it has was not given back: it is not what is defined by now. */
	if (network->record.definition.uplink_kind == UPLINK_NONE ||
	    network->uplink.fd == NO_FD)
		leave_uplink(network);
}

/* The switch that an attachment is a port of; NULL: it is none. */
static struct network *find_switch(struct supervisor *supervisor, uint64_t id)
{
	const struct nic *nic = nic_find(supervisor, id);

	return nic ? network_find(supervisor, nic->definition.network)
		   : find_uplink(supervisor, id);
}

void networks_found(struct supervisor *supervisor, struct instance *instance,
		    const struct attachment *attachment)
{
	struct network *network = find_switch(supervisor, attachment->id);
	struct nic *nic = nic_find(supervisor, attachment->id);

	if (network && !is_of_service(network, instance->service)) {
		process_kill(instance->process,
			     "it claimed a port of another service");
		return;
	}
	if (nic && !nic->instance) {
		nic_found(nic, instance, attachment->generation);
		return;
	}
	if (!nic && network && !network->instance) {
		uplink_found(network, instance, attachment->generation);
		return;
	}
	/* Of two who claim it, one lies: it is taken from both. */
	if (nic && nic->instance != instance)
		nic_leave(nic);
	else if (network && !nic && network->instance != instance)
		leave_uplink(network);
	process_tell(instance->process, MSG_NET_DETACH, attachment);
}

/* Ports' ends. ----------------------------------------------------------------------- */

static struct nic *find_held_nic(const struct process *process,
				 const struct attachment *attachment)
{
	struct nic *nic = nic_find(process->supervisor, attachment->id);

	return nic && nic->instance == process->owner &&
			       nic->generation == attachment->generation
		       ? nic
		       : NULL;
}

static struct network *find_held_uplink(const struct process *process,
					const struct attachment *attachment)
{
	struct network *network =
		find_uplink(process->supervisor, attachment->id);

	return network && network->instance == process->owner &&
			       network->generation == attachment->generation
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
	if (network && network->state == NIC_IS_DETACHING) {
		let_go(network);
		instance_client_left(process->owner);
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
	if (!network || network->state != NIC_IS_UP)
		return 0;
	note_lost(network);
	let_go(network);
	instance_client_left(process->owner);
	networks_progress(process->supervisor);
	return 0;
}

static int take_held(void *data, struct message *message)
{
	struct process *process = data;

	return supervisor_note_held(process->supervisor, process->owner,
				    (const void *)message->body);
}

/* What the supervisor before us had opened: kept for the next instance. */
static int take_uplink_held(void *data, struct message *message)
{
	const struct attachment *attachment = (const void *)message->body;
	struct process *process = data;
	struct network *network =
		find_uplink(process->supervisor, attachment->id);
	const struct instance *instance = process->owner;

	if (!network || !is_of_service(network, instance->service) ||
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
	{ MSG_NET_HELD, IN(PROCESS_EXPECTED), take_held },
	{ MSG_NET_UPLINK_HELD, IN(PROCESS_EXPECTED), take_uplink_held },
};

const struct process_ops net_instance_ops = {
	.rules = rules,
	.rule_count = ARRAY_COUNT(rules),
	.ready = instance_ready,
	.died = instance_died,
	.pong = instance_pong,
};
