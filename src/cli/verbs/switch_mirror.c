/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/cli.h"
#include "cli/nic_options.h"
#include "cli/verbs.h"

static int take_source(struct cli *cli, const struct invocation *invocation,
		       struct switch_mirrored *body)
{
	const char *nic = invocation_option(invocation, "nic");
	const char *vlan = invocation_option(invocation, "vlan");
	bool is_off = invocation_option(invocation, "off") != NULL;
	struct nic_definition taken = { 0 };
	int status;

	if ((nic != NULL) + (vlan != NULL) + is_off != 1)
		return cli_complain(cli, EXIT_REFUSED, "",
				    "wants one of --nic, --vlan and --off");
	if (is_off)
		return EXIT_DONE;
	if (vlan) {
		status = record_option_take(cli, &nic_record, "vlan", vlan,
					    &taken);
		body->kind = MIRROR_VLAN;
		body->vid = taken.vlans.pvid;
		return status;
	}
	body->kind = strcmp(nic, "uplink") == 0 ? MIRROR_UPLINK : MIRROR_NIC;
	return body->kind == MIRROR_UPLINK
		       ? EXIT_DONE
		       : nic_port_take(cli, "--nic", nic, body->from_partition,
				       body->from_nic);
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	const char *to = invocation_option(invocation, "to");
	struct switch_mirrored body = { 0 };
	const struct request request = { .type = MSG_SWITCH_MIRROR,
					 .body = &body };
	int status =
		cli_take_name(cli, "name", invocation->positional, body.name);

	if (status == EXIT_DONE && !to)
		return cli_complain(cli, EXIT_REFUSED, "--to", "is missing");
	if (status == EXIT_DONE)
		status = nic_port_take(cli, "--to", to, body.partition,
				       body.nic);
	if (status == EXIT_DONE)
		status = take_source(cli, invocation, &body);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, body.name);
	return status;
}

const struct verb verb_switch_mirror = {
	.name = "switch mirror",
	.positional = "NAME",
	.summary = "Make an interface a mirror, which receives only copies of others' frames.",
	.options = {
		{ "to", "PORT", "the mirror, PARTITION/NAME" },
		{ "nic", "PORT", "all traffic of this interface, PARTITION/NAME or uplink" },
		{ "vlan", "N", "all traffic of this VLAN" },
		{ "off", NULL, "none: it becomes an ordinary port again" },
	},
	.run = run,
};
