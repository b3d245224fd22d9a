/* SPDX-License-Identifier: MIT */
#include "supervisor/network/nic.h"

#include "base/scope.h"
#include "lib/harness.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/supervisor.h"

static struct supervisor supervisor;
static struct service service = { .supervisor = &supervisor };
static struct process process = { .supervisor = &supervisor,
				  .control = { .fd = NO_FD } };
static struct instance instance = { .service = &service, .process = &process };

static void add_nic(struct partition *partition, uint64_t id)
{
	const struct nic_record record = { .id = id };

	CHECK_EQ(partition_add_nic(partition, &record), 0);
}

TEST(an_interface_that_is_removed_moves_none_that_an_instance_still_has)
{
	static struct partition partition = { .supervisor = &supervisor };
	struct binding *last = &partition.nics[1].binding;

	TAILQ_INIT(&instance.bindings);
	add_nic(&partition, 1);
	add_nic(&partition, 2);
	last->generation = 7;
	last->is_wanted = true;
	binding_found(last, &instance, 7);
	CHECK_EQ(last->state, BINDING_UP);

	partition_remove_nic(&partition, 0);

	CHECK(TAILQ_EMPTY(&instance.bindings));
	CHECK_EQ(instance.client_count, 0);
	CHECK_EQ(partition.nics[0].binding.id, 2);
	CHECK_EQ(partition.nics[0].binding.state, BINDING_DETACHED);
}
