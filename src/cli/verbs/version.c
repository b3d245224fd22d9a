/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	json_t *object;

	if (!cli->is_json) {
		(void)printf("bulkhead %s, protocol %d\n", BULKHEAD_VERSION,
			     PROTOCOL_VERSION);
		return EXIT_DONE;
	}
	object = json_object();
	(void)json_object_set_new(object, "version",
				  json_string(BULKHEAD_VERSION));
	(void)json_object_set_new(object, "protocol",
				  json_integer(PROTOCOL_VERSION));
	cli_print_json(object);
	return EXIT_DONE;
}

const struct verb verb_version = {
	.name = "version",
	.summary = "Print the version of this command.",
	.run = run,
};
