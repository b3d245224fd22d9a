/* SPDX-License-Identifier: MIT */
/* What clients may ask for of interfaces. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "definition/check.h"
#include "definition/rules.h"
#include "supervisor/client/request_private.h"
#include "supervisor/partition/check.h"
#include "supervisor/partition/partition_private.h"

/* Against every interface that is defined, but `self` and those of `owner`. */
static int check_against_all(struct request *request,
			     const struct nic_definition *definition,
			     const char *prefix, const struct nic *self,
			     const struct partition *owner)
{
	struct partition *partition;
	char field[64];

	(void)snprintf(field, sizeof(field), "%smac", prefix);
	TAILQ_FOREACH(partition, &request->supervisor->partitions, link)
		for (unsigned i = 0; i < partition->nic_count; i++) {
			const struct nic *other = &partition->nics[i];

			if (other != self && partition != owner &&
			    rules_nics_collide(definition, &other->definition))
				return refuse(
					&request->refusal, -EEXIST, field,
					"is that of %s of partition %s in the "
					"same VLAN of switch %s",
					other->definition.name,
					partition->record.definition.name,
					definition->network);
		}
	return 0;
}

static int check_switch_there(struct request *request,
			      const struct nic_definition *definition,
			      const char *prefix)
{
	char field[64];

	if (network_find(request->supervisor, definition->network))
		return 0;
	(void)snprintf(field, sizeof(field), "%sswitch", prefix);
	return refuse(&request->refusal, -ENOENT, field,
		      "there is no switch %s", definition->network);
}

int request_check_nics(struct request *request,
		       const struct partition_document *document,
		       const struct partition *self)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < document->nic_count; i++) {
		char prefix[24];

		(void)snprintf(prefix, sizeof(prefix), "nics[%u].", i);
		r = check_switch_there(request, &document->nics[i], prefix);
		if (r == 0)
			r = check_against_all(request, &document->nics[i],
					      prefix, NULL, self);
	}
	return r;
}

static void fill_mac(uint64_t id, struct nic_definition *definition)
{
	static const uint8_t none[6];

	if (memcmp(definition->mac, none, sizeof(none)) == 0)
		nic_make_mac(id, definition->mac);
}

int request_add_nic(struct partition *partition,
		    const struct nic_definition *definition)
{
	struct supervisor *supervisor = partition->supervisor;
	struct nic_record record = {
		.id = supervisor_next_attachment(supervisor),
		.definition = *definition,
	};
	int r;

	if (record.id == 0)
		return -EIO;
	fill_mac(record.id, &record.definition);
	memcpy(record.partition, partition->record.definition.name,
	       sizeof(record.partition));
	r = store_put_nic(supervisor->store, &record);
	return r < 0 ? r : partition_add_nic(partition, &record);
}

static struct nic *named_nic(struct request *request,
			     struct partition *partition, const char *name)
{
	struct nic *nic = NULL;

	if (check_name(name, "nic", &request->refusal) < 0)
		return NULL;
	nic = partition_find_nic(partition, name);
	if (!nic)
		(void)refuse(&request->refusal, -ENOENT, "nic",
			     "partition %s has no interface %s",
			     partition->record.definition.name, name);
	return nic;
}

int request_find_port(struct request *request, const char *network,
		      const char *partition_name, const char *name,
		      struct nic **ret_nic)
{
	struct partition *partition;
	int r = check_name(partition_name, "nic", &request->refusal);

	if (r < 0)
		return r;
	partition = partition_find(request->supervisor, partition_name);
	if (!partition)
		return refuse(&request->refusal, -ENOENT, "nic",
			      "there is no partition %s", partition_name);
	*ret_nic = named_nic(request, partition, name);
	if (!*ret_nic)
		return -EINVAL;
	if (strcmp((*ret_nic)->definition.network, network) != 0)
		return refuse(&request->refusal, -EINVAL, "nic",
			      "is a port of switch %s",
			      (*ret_nic)->definition.network);
	return 0;
}

/* What changes an interface of the partition that a request names. */
static int answer_change(struct request *request,
			 int (*change)(struct request *request,
				       struct partition *partition,
				       const struct nic_definition *definition))
{
	struct partition *partition = request_partition(request);
	struct nic_change asked;

	if (!partition)
		return 0;
	memcpy(&asked, request->message->body, sizeof(asked));
	return request_answer(request,
			      change(request, partition, &asked.definition));
}

/* What a guest has been told cannot change under it. */
static int check_same(struct request *request, const struct nic *nic,
		      const struct nic_definition *wanted)
{
	const struct nic_definition *now = &nic->definition;
	const char *field = NULL;

	if (!partition_has_monitor(partition_state(nic->partition)) &&
	    partition_state(nic->partition) != PARTITION_SAVED)
		return 0;
	if (strcmp(now->network, wanted->network) != 0)
		field = "switch";
	if (memcmp(now->mac, wanted->mac, sizeof(now->mac)) != 0)
		field = "mac";
	if (now->mtu != wanted->mtu)
		field = "mtu";
	if (now->queue_pair_count != wanted->queue_pair_count)
		field = "queues";
	return field ? refuse(&request->refusal, -EBUSY, field,
			      "cannot change while the partition is %s",
			      partition_state_name(
				      partition_state(nic->partition)))
		     : 0;
}

static int check_change(struct request *request, struct nic *nic,
			const struct nic_definition *wanted)
{
	int r = definition_check(&nic_record, wanted, "", &request->refusal);

	if (r == 0)
		r = check_switch_there(request, wanted, "");
	if (r == 0)
		r = check_same(request, nic, wanted);
	return r < 0 ? r : check_against_all(request, wanted, "", nic, NULL);
}

static int set_nic(struct request *request, struct partition *partition,
		   const struct nic_definition *wanted)
{
	struct nic *nic = named_nic(request, partition, wanted->name);
	struct nic_record record = { .definition = *wanted };
	int r;

	if (!nic)
		return -EINVAL;
	record.id = nic->binding.id;
	fill_mac(nic->binding.id, &record.definition);
	r = check_change(request, nic, &record.definition);
	if (r < 0)
		return r;
	memcpy(record.partition, partition->record.definition.name,
	       sizeof(record.partition));
	partition_occupy(partition);
	r = store_put_nic(request->supervisor->store, &record);
	partition_vacate(partition);
	if (r < 0)
		return request_refuse_store(request, r);
	(void)failpoint("net.set.stored");
	nic->definition = record.definition;
	nic_changed(nic);
	network_warn_vlans(nic);
	return 0;
}

int request_nic_set(void *data, struct message *message)
{
	return answer_change(data, set_nic);
}

/* An interface comes and goes only while no guest sees it. */
static int check_idle(struct request *request,
		      const struct partition *partition)
{
	enum partition_state state = partition_state(partition);

	if (partition->errand_count)
		return partition_check_busy(partition, &request->refusal);
	if (state == PARTITION_UNINSTALLED || state == PARTITION_STOPPED)
		return 0;
	return refuse(&request->refusal, -EBUSY, "state",
		      "partition %s is %s; interfaces are added and removed "
		      "only while it is stopped",
		      partition->record.definition.name,
		      partition_state_name(state));
}

static int check_not_foreign(struct request *request,
			     const struct partition *partition)
{
	if (partition->record.definition.engine != ENGINE_FOREIGN)
		return 0;
	return refuse(&request->refusal, -EINVAL, "engine",
		      "a foreign VMM has the one device it was defined with");
}

static int add_nic(struct request *request, struct partition *partition,
		   const struct nic_definition *definition)
{
	int r = definition_check(&nic_record, definition, "",
				 &request->refusal);

	if (r == 0)
		r = check_idle(request, partition);
	if (r == 0)
		r = check_not_foreign(request, partition);
	if (r == 0 && partition_find_nic(partition, definition->name))
		r = refuse(&request->refusal, -EEXIST, "name",
			   "is the name of another interface");
	if (r == 0 && partition->nic_count == NIC_COUNT_MAX)
		r = refuse(&request->refusal, -ENOSPC, "nics",
			   "are more than %d", NIC_COUNT_MAX);
	if (r == 0)
		r = check_switch_there(request, definition, "");
	if (r == 0)
		r = check_against_all(request, definition, "", NULL, NULL);
	if (r < 0)
		return r;
	partition_occupy(partition);
	r = request_add_nic(partition, definition);
	partition_vacate(partition);
	return r < 0 ? request_refuse_store(request, r) : 0;
}

int request_nic_add(void *data, struct message *message)
{
	return answer_change(data, add_nic);
}

static int remove_nic(struct request *request, struct partition *partition,
		      const struct nic_definition *definition)
{
	struct nic *nic = named_nic(request, partition, definition->name);
	int r = nic ? check_idle(request, partition) : -EINVAL;

	if (r == 0)
		r = check_not_foreign(request, partition);
	if (r < 0)
		return r;
	partition_occupy(partition);
	r = store_delete_nic(request->supervisor->store, nic->binding.id);
	partition_vacate(partition);
	if (r < 0)
		return request_refuse_store(request, r);
	partition_remove_nic(partition, nic->index);
	return 0;
}

int request_nic_remove(void *data, struct message *message)
{
	return answer_change(data, remove_nic);
}
