/* SPDX-License-Identifier: MIT */
/* nic add, nic remove, nic set. */
#include <string.h>

#include "cli/document.h"
#include "cli/nic_options.h"
#include "cli/verbs.h"
#include "definition/compare.h"

static int add(struct cli *cli, const struct invocation *invocation,
	       struct partition_document *document)
{
	if (document->nic_count == NIC_COUNT_MAX)
		return cli_complain(cli, EXIT_REFUSED, "nics",
				    "are more than %d", NIC_COUNT_MAX);
	return record_options_make(cli, invocation, invocation->second,
				   &nic_record,
				   &document->nics[document->nic_count++]);
}

#define VLAN_OPTIONS                                                        \
	{ "vlan", "N", "the VLAN of frames without a tag" },                \
		{ "tagged", "LIST",                                         \
		  "VLANs with a tag, with commas between them, or none" },  \
		{ "rate", "RATE",                                           \
		  "what the guest may send, such as 125K/10ms, or none" },  \
	{                                                                   \
		"addresses", "LIST",                                        \
			"the only addresses that it may send from, or none" \
	}

const struct verb verb_nic_add = {
	.name = "nic add",
	.positional = "PARTITION",
	.second = "NAME",
	.summary = "Add a network interface to a stopped partition.",
	.options = {
		{ "switch", "SWITCH", "the switch of which it is a port" },
		VLAN_OPTIONS,
		{ "mac", "MAC", "its address; generated if not given" },
		{ "mtu", "BYTES", "the longest packet" },
		{ "queues", "N", "pairs of queues" },
		{ "trunk", NULL, "takes frames for unknown addresses" },
		{ "isolated", NULL, "only with ports that are not isolated" },
		{ "any-mac", NULL, "may send from any MAC address" },
		{ "router", NULL, "may be a router and answer DHCP" },
	},
	.run = document_change,
	.change = add,
};

/* NULL: there is none, and that was said. */
static struct nic_definition *find(struct cli *cli,
				   const struct invocation *invocation,
				   struct partition_document *document)
{
	struct nic_definition *nic =
		field_list_find(record_find(&partition_record, "nics"),
				document, invocation->second);

	if (!nic)
		(void)cli_complain(cli, EXIT_REFUSED, "nic",
				   "partition %s has no interface %s",
				   invocation->positional, invocation->second);
	return nic;
}

static int remove_one(struct cli *cli, const struct invocation *invocation,
		      struct partition_document *document)
{
	struct nic_definition *nic = find(cli, invocation, document);
	struct nic_definition *last;

	if (!nic)
		return EXIT_REFUSED;
	last = &document->nics[--document->nic_count];
	memmove(nic, nic + 1, (size_t)((char *)last - (char *)nic));
	memset(last, 0, sizeof(*last));
	return EXIT_DONE;
}

const struct verb verb_nic_remove = {
	.name = "nic remove",
	.positional = "PARTITION",
	.second = "NAME",
	.summary = "Remove a network interface from a stopped partition.",
	.run = document_change,
	.change = remove_one,
};

static int set(struct cli *cli, const struct invocation *invocation,
	       struct partition_document *document)
{
	struct nic_definition *nic = find(cli, invocation, document);

	return nic ? record_options_take(cli, invocation, &nic_record, nic)
		   : EXIT_REFUSED;
}

const struct verb verb_nic_set = {
	.name = "nic set",
	.positional = "PARTITION",
	.second = "NAME",
	.summary = "Change an interface's VLANs, rate, addresses or role, "
		   "also while the guest runs.",
	.options = {
		VLAN_OPTIONS,
		{ "router", "BOOL",
		  "whether it may be a router and answer DHCP" },
	},
	.run = document_change,
	.change = set,
};
