/* SPDX-License-Identifier: MIT */
/* switch define, switch undefine, switch list. */
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/listing.h"
#include "cli/nic_options.h"
#include "cli/verbs.h"
#include "control/definition_message.h"

static int run_define(struct cli *cli, const struct invocation *invocation)
{
	struct switch_definition definition;
	struct definition_message body;
	const struct request request = { .type = MSG_SWITCH_DEFINE,
					 .body = &body };
	static const struct switch_head head;
	int status =
		record_options_make(cli, invocation, invocation->positional,
				    &switch_record, &definition);

	if (status != EXIT_DONE)
		return status;
	(void)definition_message_make(request.type, &head, &definition, &body);
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, definition.name);
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

static int run_list(struct cli *cli, const struct invocation *invocation)
{
	return listing_run(cli, MSG_SWITCH_LIST, MSG_SWITCH_ROW,
			   switch_columns);
}

const struct verb verb_switch_list = {
	.name = "switch list",
	.summary = "List the switches and their uplinks.",
	.run = run_list,
};
