/* SPDX-License-Identifier: MIT */
#include "cli/document.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/definition_message.h"
#include "definition/compare.h"
#include "definition/document.h"

static void close_file(FILE **file)
{
	if (*file && *file != stdin)
		(void)fclose(*file);
}

int document_read(struct cli *cli, const struct record_type *record,
		  const char *file, void *ret_value)
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
	r = document_parse_record(record, text, bytes, ret_value, &refusal);
	if (r == -EINVAL)
		return cli_refuse(cli, &refusal);
	if (r < 0)
		return cli_complain(cli, EXIT_FAILED, file, "%s", strerror(-r));
	return EXIT_DONE;
}

static int take_row(void *data, struct message *row)
{
	struct refusal refusal;

	return row->type == MSG_PARTITION_DEFINED
		       ? definition_message_read(row->type, row->body, data,
						 &refusal)
		       : 0;
}

int document_fetch(struct cli *cli, const char *name,
		   struct partition_document *ret_document)
{
	struct partition_name body = { 0 };
	const struct request request = {
		.type = MSG_PARTITION_SHOW,
		.body = &body,
		.on_row = take_row,
		.row_data = ret_document,
	};
	int status = cli_take_name(cli, "name", name, body.name);

	memset(ret_document, 0, sizeof(*ret_document));
	return status == EXIT_DONE ? cli_call(cli, &request, NOT_LONG) : status;
}

int document_send(struct cli *cli, uint32_t type,
		  const struct partition_document *document, uint64_t expected)
{
	struct definition_head head = { .expected = expected };
	struct definition_message body;
	const struct request request = { .type = type, .body = &body };

	if (definition_message_make(type, &head, document, &body) < 0)
		return cli_complain(cli, EXIT_REFUSED, "",
				    "is longer than a message can be");
	return cli_call(cli, &request, NOT_LONG);
}

int document_change(struct cli *cli, const struct invocation *invocation)
{
	const struct verb *verb = invocation->verb;
	struct partition_document document;
	uint64_t digest;
	int status = document_fetch(cli, invocation->positional, &document);

	if (status != EXIT_DONE)
		return status;
	digest = document_digest(&document);
	status = verb->change(cli, invocation, &document);
	if (status == EXIT_DONE)
		status = document_send(cli, MSG_PARTITION_REDEFINE, &document,
				       digest);
	if (status == EXIT_DONE)
		cli_done(cli, invocation,
			 verb->repeats_second ? invocation->positional
					      : invocation->second);
	return status;
}
