/* SPDX-License-Identifier: MIT */
/* VLANs of an interface that lead to nobody: most likely a mistake. */
#include <stdio.h>
#include <string.h>

#include "supervisor/network.h"
#include "supervisor/partition.h"
#include "supervisor/supervisor.h"

static bool has_vid(uint16_t pvid, const uint16_t *vids, uint16_t count,
		    uint16_t vid)
{
	for (uint16_t i = 0; i < count; i++)
		if (vids[i] == vid)
			return true;
	return pvid == vid;
}

static bool has_other_port(const struct nic *nic, uint16_t vid)
{
	const struct partition *partition;

	TAILQ_FOREACH(partition, &nic->partition->supervisor->partitions, link)
	for (unsigned i = 0; i < partition->nic_count; i++) {
		const struct nic_definition *other =
			&partition->nics[i].definition;

		if (&partition->nics[i] != nic &&
		    strcmp(other->network, nic->definition.network) == 0 &&
		    has_vid(other->pvid, other->vids, other->vid_count, vid))
			return true;
	}
	return false;
}

static bool leads_nowhere(const struct nic *nic, uint16_t vid)
{
	const struct network *network = network_find(nic->partition->supervisor,
						     nic->definition.network);
	const struct switch_definition *uplink = &network->record.definition;

	/* Without an uplink a switch has no VLANs of its own. */
	return !has_vid(uplink->pvid, uplink->vids, uplink->vid_count, vid) &&
	       !has_other_port(nic, vid);
}

void network_warn_vlans(const struct nic *nic)
{
	const struct nic_definition *definition = &nic->definition;
	/* "4094, " each. */
	char list[6 * (NIC_VID_MAX + 1) + 1] = "";
	size_t used = 0;

	for (int i = -1; i < definition->vid_count; i++) {
		uint16_t vid = i < 0 ? definition->pvid : definition->vids[i];

		if (vid != 0 && leads_nowhere(nic, vid))
			used += (size_t)snprintf(list + used,
						 sizeof(list) - used, "%s%u",
						 used ? ", " : "", vid);
	}
	if (used)
		supervisor_event(nic->partition->supervisor, EVENT_WARNING,
				 nic->partition->record.definition.name,
				 "interface %s: nobody else on switch %s, and "
				 "no uplink, is in VLAN %s",
				 definition->name, definition->network, list);
}
