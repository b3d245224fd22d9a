/* SPDX-License-Identifier: MIT */
/* What clients may ask for of mirrors. */
#include <errno.h>
#include <string.h>

#include "supervisor/client/request_private.h"
#include "supervisor/partition/partition_private.h"

/* True if some mirror gets copies of this port. */
static bool is_mirrored(const struct request *request, uint64_t id)
{
	struct partition *partition;

	TAILQ_FOREACH(partition, &request->supervisor->partitions, link)
		for (unsigned i = 0; i < partition->nic_count; i++)
			if (partition->nics[i].mirror.from_id == id)
				return true;
	return false;
}

static int find_mirrored_port(struct request *request,
			      const struct switch_mirrored *asked,
			      const struct nic *to,
			      struct mirror_record *record)
{
	struct nic *from;
	int r = request_find_port(request, asked->name, asked->from_partition,
				  asked->from_nic, &from);

	if (r < 0)
		return r;
	if (from == to)
		return refuse(&request->refusal, -EINVAL, "nic",
			      "would receive copies of its own copies");
	if (nic_is_mirror(from))
		return refuse(
			&request->refusal, -EINVAL, "nic",
			"is a mirror itself, which sends no frames of its own");
	record->from_id = from->binding.id;
	return 0;
}

static int find_mirrored(struct request *request, const struct network *network,
			 const struct switch_mirrored *asked,
			 const struct nic *to, struct mirror_record *record)
{
	if (asked->kind == MIRROR_OFF)
		return 0;
	if (to->definition.flags & NIC_TRUNK)
		return refuse(&request->refusal, -EINVAL, "to",
			      "is a trunk, which cannot be a mirror");
	if (is_mirrored(request, to->binding.id))
		return refuse(&request->refusal, -EBUSY, "to",
			      "is itself copied to a mirror");
	if (asked->kind == MIRROR_NIC)
		return find_mirrored_port(request, asked, to, record);
	if (asked->kind == MIRROR_UPLINK) {
		record->from_id = network->record.id;
		return network->record.definition.uplink.kind != UPLINK_NONE
			       ? 0
			       : refuse(&request->refusal, -ENOENT, "nic",
					"switch %s has no uplink", asked->name);
	}
	if (asked->vid < 1)
		return refuse(&request->refusal, -EINVAL, "vlan",
			      "must be 1 to 4094");
	record->vid = asked->vid;
	return 0;
}

static int set_mirror(struct request *request, const struct network *network,
		      const struct switch_mirrored *asked)
{
	struct mirror_record record = { 0 };
	struct nic *nic;
	int r = request_find_port(request, asked->name, asked->partition,
				  asked->nic, &nic);

	if (r == 0)
		r = find_mirrored(request, network, asked, nic, &record);
	if (r < 0)
		return r;
	record.id = nic->binding.id;
	r = store_put_mirror(request->supervisor->store, &record);
	if (r < 0)
		return request_refuse_store(request, r);
	nic->mirror = record;
	nic_mirror_changed(nic);
	return 0;
}

int request_mirror(void *data, struct message *message)
{
	struct request *request = data;
	const struct network *network = request_switch(request);
	struct switch_mirrored asked;

	if (!network)
		return 0;
	memcpy(&asked, message->body, sizeof(asked));
	return request_answer(request, set_mirror(request, network, &asked));
}
