/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/verbs.h"

static int take_kind(struct cli *cli, const char *kind, uint32_t *ret_role)
{
	*ret_role = kind ? role_find(kind) : ROLE_NONE;
	if (kind && (*ret_role == ROLE_NONE || *ret_role == ROLE_MONITOR))
		return cli_complain(cli, EXIT_REFUSED, "--kind",
				    "wants disk, console or net");
	return EXIT_DONE;
}

static int take_standby(struct cli *cli, const char *standby,
			uint32_t *ret_count)
{
	uint64_t count;

	if (!standby || text_parse_u64(standby, 1, &count) < 0)
		return cli_complain(cli, EXIT_REFUSED, "--standby",
				    "wants 0 or 1");
	*ret_count = (uint32_t)count;
	return EXIT_DONE;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct service_settings body = { 0 };
	const struct request request = {
		.type = MSG_SERVICE_SET,
		.body = &body,
	};
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status == EXIT_DONE)
		status = take_kind(cli, invocation_option(invocation, "kind"),
				   &body.role);
	if (status == EXIT_DONE)
		status = take_standby(cli,
				      invocation_option(invocation, "standby"),
				      &body.standby_count);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, body.name);
	return status;
}

const struct verb verb_service_set = {
	.name = "service set",
	.positional = "NAME",
	.summary = "Set how many standbys a service has, or define a service.",
	.options = {
		{ "standby", "N", "standby instances, started and sandboxed: 0 or 1" },
		{ "kind", "KIND", "of a new service: disk, console or net" },
	},
	.run = run,
};
