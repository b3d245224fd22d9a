/* SPDX-License-Identifier: MIT */
#include "supervisor/network/network.h"

#include <stdlib.h>

#include "lib/harness.h"
#include "supervisor/partition/partition.h"
#include "supervisor/supervisor.h"

static struct supervisor supervisor;

static void add_switch(const char *name, const char *service, uint32_t uplink)
{
	struct network *network = calloc(1, sizeof(*network));
	struct switch_definition *definition = &network->record.definition;

	CHECK_EQ(text_copy(definition->name, NAME_SIZE, name), 0);
	CHECK_EQ(text_copy(definition->service, NAME_SIZE, service), 0);
	definition->uplink.kind = uplink;
	TAILQ_INSERT_TAIL(&supervisor.networks, network, link);
}

static struct partition *add_partition(enum partition_state state,
				       unsigned nic_count, const char *network)
{
	struct partition *partition = calloc(1, sizeof(*partition));

	partition->record.lifecycle.state = state;
	partition->nic_count = nic_count;
	for (unsigned i = 0; i < nic_count; i++)
		CHECK_EQ(text_copy(partition->nics[i].definition.network,
				   NAME_SIZE, network),
			 0);
	TAILQ_INSERT_TAIL(&supervisor.partitions, partition, link);
	return partition;
}

static void forget(void)
{
	struct partition *partition;
	struct network *network;

	while ((partition = TAILQ_FIRST(&supervisor.partitions))) {
		TAILQ_REMOVE(&supervisor.partitions, partition, link);
		free(partition);
	}
	while ((network = TAILQ_FIRST(&supervisor.networks))) {
		TAILQ_REMOVE(&supervisor.networks, network, link);
		free(network);
	}
}

TEST(the_ports_of_a_service_are_uplinks_and_interfaces_that_may_be_served)
{
	struct partition *coming;

	TAILQ_INIT(&supervisor.networks);
	TAILQ_INIT(&supervisor.partitions);
	add_switch("lan", "net0", UPLINK_TAP);
	add_switch("dmz", "net0", UPLINK_NONE);
	add_switch("wan", "net1", UPLINK_PASST);
	(void)add_partition(PARTITION_RUNNING, 8, "lan");
	(void)add_partition(PARTITION_PAUSED, 3, "dmz");
	(void)add_partition(PARTITION_STARTING, 2, "wan");
	coming = add_partition(PARTITION_STOPPED, 4, "lan");

	CHECK_EQ(networks_count_ports(&supervisor, "net0", NULL), 1 + 8 + 3);
	CHECK_EQ(networks_count_ports(&supervisor, "net0", coming), 16);
	CHECK_EQ(networks_count_ports(&supervisor, "net1", coming), 1 + 2);
	forget();
}
