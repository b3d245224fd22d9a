/* SPDX-License-Identifier: MIT */
/* define, redefine. */
#include "cli/document.h"
#include "cli/verbs.h"

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_document document;
	int status = document_read(cli, &partition_record,
				   invocation->positional, &document);

	if (status == EXIT_DONE)
		status = document_send(cli, invocation->verb->message,
				       &document, 0);
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
	.message = MSG_PARTITION_DEFINE,
};

const struct verb verb_redefine = {
	.name = "redefine",
	.positional = "FILE",
	.takes_many = true,
	.summary = "Give a partition another document, also while it runs; "
		   "diff shows what that changes.",
	.run = run,
	.message = MSG_PARTITION_REDEFINE,
};
