/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/rows.h"
#include "cli/verbs.h"
#include "definition/units.h"

static void print_left(const struct image_left_row *row)
{
	char size[UNIT_SIZE];

	size_write(size, row->bytes);
	cli_print_line("kept: %s, %s", row->file, size);
}

struct outcome {
	const struct cli *cli;
	json_t *kept;
};

static int take_row(void *data, struct message *message)
{
	const struct image_left_row *row = (const void *)message->body;
	struct outcome *outcome = data;

	if (message->type != MSG_IMAGE_LEFT_ROW)
		return -EBADMSG;
	if (!outcome->cli->is_json)
		print_left(row);
	(void)json_array_append_new(outcome->kept,
				    json_row(MSG_IMAGE_LEFT_ROW, row));
	return 0;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_uninstall body = {
		.is_scrubbed = invocation_option(invocation, "scrub") != NULL,
		.removes_images =
			invocation_option(invocation, "remove-images") != NULL,
	};
	struct outcome outcome = { cli, json_array() };
	const struct request request = {
		.type = MSG_PARTITION_UNINSTALL,
		.body = &body,
		.on_row = take_row,
		.row_data = &outcome,
	};
	char doing[NAME_SIZE * 2];
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status != EXIT_DONE) {
		json_decref(outcome.kept);
		return status;
	}
	(void)snprintf(doing, sizeof(doing), "uninstalling %s", body.name);
	status = cli_call(cli, &request, doing);
	if (status == EXIT_DONE)
		cli_done_with(cli, invocation, body.name,
			      json_pack("{sO}", "kept", outcome.kept));
	json_decref(outcome.kept);
	return status;
}

const struct verb verb_uninstall = {
	.name = "uninstall",
	.positional = "NAME",
	.takes_many = true,
	.summary = "Release the storage of a partition and keep its definition.",
	.options = {
		{ "remove-images", NULL, "remove the images that install "
					 "created" },
		{ "scrub", NULL, "overwrite all images, then remove those" },
	},
	.run = run,
};
