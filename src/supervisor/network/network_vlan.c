/* SPDX-License-Identifier: MIT */
/* VLANs of an interface that lead to nobody: most likely a mistake. */
#include <stdio.h>
#include <string.h>

#include "definition/rules.h"
#include "supervisor/network/network.h"
#include "supervisor/partition/partition.h"
#include "supervisor/supervisor.h"

static bool has_other_port(const struct nic *nic, uint16_t vid)
{
	const struct partition *partition;

	TAILQ_FOREACH(partition, &nic->partition->supervisor->partitions, link)
		for (unsigned i = 0; i < partition->nic_count; i++) {
			const struct nic *other = &partition->nics[i];
			const struct nic_definition *its = &other->definition;

			if (other != nic && !nic_is_mirror(other) &&
			    strcmp(its->network, nic->definition.network) ==
				    0 &&
			    rules_has_vlan(&its->vlans, vid))
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
	return !rules_has_vlan(&uplink->vlans, vid) &&
	       !has_other_port(nic, vid);
}

bool network_find_dead_ends(const struct nic *nic,
			    struct switch_dead_end *ret_row)
{
	const struct nic_definition *definition = &nic->definition;
	struct switch_dead_end row = { 0 };

	if (nic_is_mirror(nic))
		return false;
	memcpy(row.partition, nic->partition->record.definition.name,
	       sizeof(row.partition));
	memcpy(row.nic, definition->name, sizeof(row.nic));
	if (definition->vlans.pvid &&
	    leads_nowhere(nic, definition->vlans.pvid))
		row.vlans.pvid = definition->vlans.pvid;
	for (uint16_t i = 0; i < definition->vlans.tagged.count; i++)
		if (leads_nowhere(nic, definition->vlans.tagged.vids[i]))
			row.vlans.tagged.vids[row.vlans.tagged.count++] =
				definition->vlans.tagged.vids[i];
	*ret_row = row;
	return row.vlans.pvid || row.vlans.tagged.count;
}

void network_warn_vlans(const struct nic *nic)
{
	struct switch_dead_end found;
	/* "4094, " each. */
	char list[6 * (NIC_VID_MAX + 1) + 1] = "";
	size_t used = 0;

	if (!network_find_dead_ends(nic, &found))
		return;
	if (found.vlans.pvid)
		used = (size_t)snprintf(list, sizeof(list), "%u",
					found.vlans.pvid);
	for (uint16_t i = 0; i < found.vlans.tagged.count; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
					 "%s%u", used ? ", " : "",
					 found.vlans.tagged.vids[i]);
	supervisor_event(nic->partition->supervisor, EVENT_WARNING,
			 found.partition,
			 "interface %s: no other port of switch %s, and no "
			 "uplink, is in VLAN %s",
			 found.nic, nic->definition.network, list);
}
