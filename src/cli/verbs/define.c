/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/verbs.h"
#include "definition/document.h"

static void close_file(FILE **file)
{
	if (*file && *file != stdin)
		(void)fclose(*file);
}

static int read_document(struct cli *cli, const char *file,
			 struct partition_document *ret_document)
{
	static char text[DOCUMENT_BYTES_MAX + 1];
	SCOPED(close_file) FILE *in = NULL;
	struct refusal refusal;
	size_t bytes;
	int r;

	in = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	if (!in)
		return cli_complain(cli, EXIT_REFUSED, file, "%s",
				    strerror(errno));
	bytes = fread(text, 1, sizeof(text), in);
	if (ferror(in))
		return cli_complain(cli, EXIT_REFUSED, file,
				    "cannot be read: %s", strerror(errno));
	r = document_parse(text, bytes, ret_document, &refusal);
	if (r == -EINVAL)
		return cli_refuse(cli, &refusal);
	if (r < 0)
		return cli_complain(cli, EXIT_FAILED, file, "%s", strerror(-r));
	return EXIT_DONE;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_document document;
	struct request request = { .type = MSG_PARTITION_DEFINE_WHOLE,
				   .body = &document };
	int status;

	status = read_document(cli, invocation->positional, &document);
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
