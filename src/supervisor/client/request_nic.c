/* SPDX-License-Identifier: MIT */
/* What a request says of interfaces. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "definition/rules.h"
#include "supervisor/client/request_private.h"
#include "supervisor/partition/partition_private.h"

/* Against every interface that is defined, but those of `self`. */
static int check_mac(struct request *request,
		     const struct nic_definition *definition, uint32_t index,
		     const struct partition *self)
{
	struct partition *partition;
	char field[24];

	(void)snprintf(field, sizeof(field), "nics[%u].mac", index);
	TAILQ_FOREACH(partition, &request->supervisor->partitions, link)
		for (unsigned i = 0; i < partition->nic_count; i++) {
			const struct nic *other = &partition->nics[i];

			if (partition != self &&
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

static int check_switch(struct request *request,
			const struct nic_definition *definition, uint32_t index)
{
	char field[24];

	if (network_find(request->supervisor, definition->network))
		return 0;
	(void)snprintf(field, sizeof(field), "nics[%u].switch", index);
	return refuse(&request->refusal, -ENOENT, field,
		      "there is no switch %s", definition->network);
}

int request_check_nics(struct request *request,
		       const struct partition_document *document,
		       const struct partition *self)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < document->nic_count; i++) {
		r = check_switch(request, &document->nics[i], i);
		if (r == 0)
			r = check_mac(request, &document->nics[i], i, self);
	}
	return r;
}

int request_find_port(struct request *request, const char *network,
		      const char *partition_name, const char *name,
		      struct nic **ret_nic)
{
	struct partition *partition;

	if (!text_is_name(partition_name, NAME_SIZE) ||
	    !text_is_name(name, NAME_SIZE))
		return refuse(&request->refusal, -EINVAL, "nic",
			      TEXT_NAME_RULE);
	partition = partition_find(request->supervisor, partition_name);
	if (!partition)
		return refuse(&request->refusal, -ENOENT, "nic",
			      "there is no partition %s", partition_name);
	*ret_nic = partition_find_nic(partition, name);
	if (!*ret_nic)
		return refuse(&request->refusal, -ENOENT, "nic",
			      "partition %s has no interface %s",
			      partition_name, name);
	if (strcmp((*ret_nic)->definition.network, network) != 0)
		return refuse(&request->refusal, -EINVAL, "nic",
			      "is a port of switch %s",
			      (*ret_nic)->definition.network);
	return 0;
}
