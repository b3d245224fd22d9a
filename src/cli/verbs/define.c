/* SPDX-License-Identifier: MIT */
#include "cli/document.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_document document;
	struct request request = { .type = MSG_PARTITION_DEFINE_WHOLE,
				   .body = &document };
	int status;

	status = document_read(cli, invocation->positional, &document);
	/* An older supervisor knows no interfaces. */
	if (status == EXIT_DONE && document.nic_count == 0) {
		request.type = MSG_PARTITION_DEFINE;
		request.body = &document.partition;
	}
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, document.partition.name);
	return status;
}

const struct verb verb_define = {
	.name = "define",
	.positional = "FILE",
	.takes_many = true,
	.summary = "Store a partition's document (YAML or JSON; - reads it "
		   "from standard input).",
	.run = run,
};
