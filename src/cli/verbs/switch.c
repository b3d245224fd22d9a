/* SPDX-License-Identifier: MIT */
/* switch define, switch undefine, switch list. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/listing.h"
#include "cli/network_rows.h"
#include "cli/nic_options.h"
#include "cli/verbs.h"

static int take_uplink(struct cli *cli, const char *given,
		       struct switch_definition *definition)
{
	const char *colon = given ? strchr(given, ':') : NULL;

	if (!given)
		return EXIT_DONE;
	definition->uplink.kind = uplink_of_name(
		given, colon ? (size_t)(colon - given) : strlen(given));
	if (definition->uplink.kind == UPLINK_COUNT)
		return cli_complain(cli, EXIT_REFUSED, "--uplink",
				    "wants none, tap:NAME, bridge:NAME, "
				    "packet:NAME, passt or passt:host");
	if (colon && text_copy(definition->uplink.name,
			       sizeof(definition->uplink.name), colon + 1) < 0)
		return cli_complain(cli, EXIT_REFUSED, "--uplink",
				    "has too long an interface name");
	return EXIT_DONE;
}

/* An uplink without a word about VLANs is in VLAN 1. */
static int take_vlans(struct cli *cli, const struct invocation *invocation,
		      struct switch_definition *definition)
{
	const char *vlan = invocation_option(invocation, "vlan");
	const char *tagged = invocation_option(invocation, "tagged");
	struct nic_definition nic = { 0 };
	int status = EXIT_DONE;

	if (vlan)
		status = nic_option_take(cli, "vlan", vlan, &nic);
	if (status == EXIT_DONE && tagged)
		status = nic_option_take(cli, "tagged", tagged, &nic);
	if (!vlan && !tagged && definition->uplink.kind != UPLINK_NONE)
		nic.vlans.pvid = 1;
	definition->vlans.pvid = nic.vlans.pvid;
	definition->vlans.vid_count = nic.vlans.vid_count;
	memcpy(definition->vlans.vids, nic.vlans.vids, sizeof(nic.vlans.vids));
	return status;
}

static int run_define(struct cli *cli, const struct invocation *invocation)
{
	const char *service = invocation_option(invocation, "service");
	struct switch_definition body = { 0 };
	const struct request request = { .type = MSG_SWITCH_DEFINE,
					 .body = &body };
	int status =
		cli_take_name(cli, "name", invocation->positional, body.name);

	if (status == EXIT_DONE)
		status = cli_take_name(cli, "--service",
				       service ? service : DEFAULT_NET_SERVICE,
				       body.service);
	if (status == EXIT_DONE)
		status = take_uplink(
			cli, invocation_option(invocation, "uplink"), &body);
	if (status == EXIT_DONE)
		status = take_vlans(cli, invocation, &body);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, body.name);
	return status;
}

const struct verb verb_switch_define = {
	.name = "switch define",
	.positional = "NAME",
	.summary = "Define a switch, or change its uplink.",
	.options = {
		{ "uplink", "UPLINK", "none (the default), tap:NAME, "
				      "bridge:NAME, packet:NAME, passt or passt:host" },
		{ "vlan", "N", "the uplink's VLAN without tags; 1 unless "
			       "--tagged is given" },
		{ "tagged", "LIST", "the uplink's VLANs with tags, with "
				    "commas between them" },
		{ "service", "NAME", "the network service that it is part "
				     "of; " DEFAULT_NET_SERVICE },
	},
	.run = run_define,
};

static int add_row(void *data, struct message *message)
{
	struct listing *listing = data;
	const struct switch_row *row = (const void *)message->body;

	if (message->type != MSG_SWITCH_ROW)
		return -EBADMSG;
	(void)json_array_append_new(listing->rows, json_switch(row));
	switch_table_add(&listing->table, row);
	return 0;
}

static int run_list(struct cli *cli, const struct invocation *invocation)
{
	struct listing listing;

	switch_table_init(&listing.table);
	return listing_run(cli, &listing, MSG_SWITCH_LIST, add_row);
}

const struct verb verb_switch_list = {
	.name = "switch list",
	.summary = "List the switches and their uplinks.",
	.run = run_list,
};
