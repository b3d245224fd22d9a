/* SPDX-License-Identifier: MIT */
#include "supervisor/client/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "supervisor/child/engine.h"
#include "supervisor/keeper.h"

static uint64_t age_ms(uint64_t since_ns)
{
	return (clock_now_ns() - since_ns) / NS_PER_MS;
}

static const char *uplink_state_name(const struct network *network)
{
	if (network->record.definition.uplink.kind == UPLINK_NONE)
		return "none";
	return network->binding.state == BINDING_UP ? "up" : "down";
}

void report_switch(const struct network *network, const struct ticket *ticket)
{
	const struct instance *instance = network_instance(network);
	const struct nic *nic;
	struct switch_row row = {
		.port_count = network_count_nics(network, &nic),
		.instance_pid = instance ? (uint32_t)instance->process->pid : 0,
	};

	(void)snprintf(row.uplink_state, sizeof(row.uplink_state), "%s",
		       uplink_state_name(network));
	memcpy(row.interface, network->uplink.interface, sizeof(row.interface));
	ticket_definition(network->supervisor, ticket, MSG_SWITCH_ROW, &row,
			  &network->record.definition);
}

static void report_mirror(const struct network *network, const struct nic *nic,
			  const struct ticket *ticket)
{
	const struct nic *from =
		nic_find(network->supervisor, nic->mirror.from_id);
	struct switch_mirrored row = { .kind = MIRROR_NIC,
				       .vid = nic->mirror.vid };

	memcpy(row.name, network->record.definition.name, sizeof(row.name));
	memcpy(row.partition, nic->partition->record.definition.name,
	       sizeof(row.partition));
	memcpy(row.nic, nic->definition.name, sizeof(row.nic));
	if (nic->mirror.vid)
		row.kind = MIRROR_VLAN;
	else if (nic->mirror.from_id == network->record.id)
		row.kind = MIRROR_UPLINK;
	if (from) {
		memcpy(row.from_partition,
		       from->partition->record.definition.name,
		       sizeof(row.from_partition));
		memcpy(row.from_nic, from->definition.name,
		       sizeof(row.from_nic));
	}
	ticket_row(network->supervisor, ticket, MSG_SWITCH_MIRROR_ROW, &row,
		   NULL);
}

static void report_dead_ends(const struct network *network,
			     const struct nic *nic, const struct ticket *ticket)
{
	struct switch_dead_end row;

	if (network_find_dead_ends(nic, &row))
		ticket_row(network->supervisor, ticket, MSG_SWITCH_DEAD_END_ROW,
			   &row, NULL);
}

void report_ports(const struct network *network, const struct ticket *ticket)
{
	const struct partition *partition;

	TAILQ_FOREACH(partition, &network->supervisor->partitions, link)
		for (unsigned i = 0; i < partition->nic_count; i++) {
			const struct nic *nic = &partition->nics[i];

			if (strcmp(nic->definition.network,
				   network->record.definition.name) != 0)
				continue;
			if (nic_is_mirror(nic))
				report_mirror(network, nic, ticket);
			report_dead_ends(network, nic, ticket);
		}
}

void report_service(const struct service *service, const struct ticket *ticket)
{
	const struct instance *instance;

	TAILQ_FOREACH(instance, &service->instances, link) {
		const struct process *process = instance->process;
		struct service_row row = {
			.pid = (uint32_t)process->pid,
			.restarts = service->restarts,
			.client_count = instance->client_count,
			.standby_wanted = service->standby_count,
			.instance = process->id,
			.age_ms = age_ms(process->started_ns),
			.last_outage_us = service->last_outage_us,
		};

		memcpy(row.name, service->name, sizeof(row.name));
		(void)snprintf(row.kind, sizeof(row.kind), "%s",
			       role_name(service->role));
		(void)snprintf(row.state, sizeof(row.state), "%s",
			       instance_state_name(instance));
		ticket_row(service->supervisor, ticket, MSG_SERVICE_ROW, &row,
			   NULL);
	}
}

void report_supervisor(struct supervisor *supervisor,
		       const struct ticket *ticket)
{
	const struct probe_engine *engine =
		engine_probe_wait(supervisor->probe);
	const char *keeper = getenv(KEEPER_VARIABLE);
	struct supervisor_row row = {
		.pid = (uint32_t)getpid(),
		.keeper_pid = keeper ? (uint32_t)strtoul(keeper, NULL, 10) : 0,
		.age_ms = age_ms(supervisor->started_ns),
		.uid = geteuid(),
		.adopted = supervisor->adopted_count,
		.quarantined = supervisor->quarantine_count,
	};

	(void)snprintf(row.version, sizeof(row.version), "%s",
		       BULKHEAD_VERSION);
	(void)snprintf(row.engine, sizeof(row.engine), "%s",
		       probe_engine_name(engine));
	(void)snprintf(row.engine_reason, sizeof(row.engine_reason), "%s",
		       engine->reason);
	(void)text_copy(row.store_trouble, sizeof(row.store_trouble),
			supervisor->store_trouble);
	ticket_row(supervisor, ticket, MSG_SUPERVISOR_ROW, &row, NULL);
}
