/* SPDX-License-Identifier: MIT */
/* nic add, nic remove, nic set. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/nic_options.h"
#include "cli/verbs.h"
#include "definition/check.h"
#include "definition/value.h"

static int take_names(struct cli *cli, const struct invocation *invocation,
		      struct nic_change *change)
{
	int status = cli_take_name(cli, "partition", invocation->positional,
				   change->partition);

	return status == EXIT_DONE
		       ? cli_take_name(cli, "name", invocation->second,
				       change->definition.name)
		       : status;
}

static int call(struct cli *cli, const struct invocation *invocation,
		uint32_t type, const struct nic_change *change)
{
	const struct request request = { .type = type, .body = change };
	int status = cli_call(cli, &request, NOT_LONG);

	if (status == EXIT_DONE)
		cli_done(cli, invocation, change->definition.name);
	return status;
}

static int run_add(struct cli *cli, const struct invocation *invocation)
{
	struct nic_change change = { 0 };
	struct nic_definition *nic = &change.definition;
	struct refusal refusal;
	int status;

	record_set_fallbacks(&nic_record, nic, 0);
	status = take_names(cli, invocation, &change);
	if (status == EXIT_DONE)
		status = record_options_take(cli, invocation, &nic_record, nic);
	if (status != EXIT_DONE)
		return status;
	nic_record.complete(nic);
	if (definition_check(&nic_record, nic, "--", &refusal) < 0)
		return cli_refuse(cli, &refusal);
	return call(cli, invocation, MSG_NIC_ADD, &change);
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
	.run = run_add,
};

static int run_remove(struct cli *cli, const struct invocation *invocation)
{
	struct nic_change change = { 0 };
	int status = take_names(cli, invocation, &change);

	return status == EXIT_DONE
		       ? call(cli, invocation, MSG_NIC_REMOVE, &change)
		       : status;
}

const struct verb verb_nic_remove = {
	.name = "nic remove",
	.positional = "PARTITION",
	.second = "NAME",
	.summary = "Remove a network interface from a stopped partition.",
	.run = run_remove,
};

/* Looks for the interface among the rows of its partition. */
struct search {
	const char *name;
	bool is_found;
	struct nic_definition definition;
};

static int look_at_row(void *data, struct message *message)
{
	struct search *search = data;
	const struct nic_row *row = (const void *)message->body;

	if (message->type != MSG_NIC_ROW ||
	    strncmp(row->definition.name, search->name, NAME_SIZE) != 0)
		return 0;
	search->definition = row->definition;
	search->is_found = true;
	return 0;
}

static int find_nic(struct cli *cli, struct nic_change *change)
{
	struct search search = { .name = change->definition.name };
	struct partition_name body;
	const struct request request = {
		.type = MSG_PARTITION_SHOW,
		.body = &body,
		.on_row = look_at_row,
		.row_data = &search,
	};
	int status;

	memcpy(body.name, change->partition, sizeof(body.name));
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE && !search.is_found)
		return cli_complain(cli, EXIT_REFUSED, "nic",
				    "partition %s has no interface %s",
				    change->partition, search.name);
	if (status == EXIT_DONE)
		change->definition = search.definition;
	return status;
}

static int run_set(struct cli *cli, const struct invocation *invocation)
{
	struct nic_change change = { 0 };
	int status = take_names(cli, invocation, &change);

	if (status == EXIT_DONE)
		status = find_nic(cli, &change);
	if (status == EXIT_DONE)
		status = record_options_take(cli, invocation, &nic_record,
					     &change.definition);
	return status == EXIT_DONE ? call(cli, invocation, MSG_NIC_SET, &change)
				   : status;
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
	.run = run_set,
};
