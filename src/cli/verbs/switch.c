/* SPDX-License-Identifier: MIT */
/* switch define, switch undefine, switch list. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/listing.h"
#include "cli/nic_options.h"
#include "cli/verbs.h"
#include "definition/check.h"
#include "definition/value.h"

static int run_define(struct cli *cli, const struct invocation *invocation)
{
	struct switch_definition body = { 0 };
	const struct request request = { .type = MSG_SWITCH_DEFINE,
					 .body = &body };
	struct refusal refusal;
	int status;

	record_set_fallbacks(&switch_record, &body, 0);
	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status == EXIT_DONE)
		status = record_options_take(cli, invocation, &switch_record,
					     &body);
	if (status != EXIT_DONE)
		return status;
	switch_record.complete(&body);
	if (definition_check(&switch_record, &body, "--", &refusal) < 0)
		return cli_refuse(cli, &refusal);
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
