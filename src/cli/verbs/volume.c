/* SPDX-License-Identifier: MIT */
/* volume define, volume list, volume show, reservations. */
#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/document.h"
#include "cli/listing.h"
#include "cli/verbs.h"
#include "control/definition_message.h"
#include "definition/document.h"

static int run_define(struct cli *cli, const struct invocation *invocation)
{
	static const struct volume_head head;
	struct volume_definition definition;
	struct definition_message body;
	const struct request request = { .type = MSG_VOLUME_DEFINE,
					 .body = &body };
	int status = document_read(cli, &volume_record, invocation->positional,
				   &definition);

	if (status != EXIT_DONE)
		return status;
	(void)definition_message_make(request.type, &head, &definition, &body);
	status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		cli_done(cli, invocation, definition.name);
	return status;
}

const struct verb verb_volume_define = {
	.name = "volume define",
	.positional = "FILE",
	.takes_many = true,
	.summary = "Store a volume's document (YAML or JSON; - reads it from "
		   "standard input).",
	.run = run_define,
};

static int run_list(struct cli *cli, const struct invocation *invocation)
{
	return listing_run(cli, MSG_VOLUME_LIST, MSG_VOLUME_ROW,
			   volume_columns);
}

const struct verb verb_volume_list = {
	.name = "volume list",
	.summary = "List the volumes.",
	.run = run_list,
};

struct showing {
	struct rows volume;
	struct rows disks;
	struct volume_definition definition;
};

static int add_row(void *data, struct message *message)
{
	struct showing *showing = data;
	struct refusal refusal;

	if (rows_take(&showing->disks, message))
		return 0;
	return rows_take(&showing->volume, message)
		       ? definition_message_read(message->type, message->body,
						 &showing->definition, &refusal)
		       : -EBADMSG;
}

static void print(struct cli *cli, const struct showing *showing)
{
	json_t *object;

	if (cli->is_json) {
		object = json_incref(json_array_get(showing->volume.json, 0));
		(void)json_object_set(object, "disk_rows", showing->disks.json);
		cli_print_json(object);
		return;
	}
	document_write_record(&volume_record, &showing->definition, stdout);
	rows_print_if_any(&showing->disks);
}

static int run_show(struct cli *cli, const struct invocation *invocation)
{
	struct showing showing = { 0 };
	struct volume_name body = { 0 };
	const struct request request = { .type = MSG_VOLUME_SHOW,
					 .body = &body,
					 .on_row = add_row,
					 .row_data = &showing };
	int status =
		cli_take_name(cli, "name", invocation->positional, body.name);

	rows_init(&showing.volume, MSG_VOLUME_ROW, volume_columns);
	rows_init(&showing.disks, MSG_VOLUME_DISK_ROW, volume_disk_columns);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		print(cli, &showing);
	rows_release(&showing.volume);
	rows_release(&showing.disks);
	return status;
}

const struct verb verb_volume_show = {
	.name = "volume show",
	.positional = "NAME",
	.summary = "Show a volume: its document, and the disks that name it.",
	.run = run_show,
};

static int take_reservation(void *data, struct message *message)
{
	return rows_take(data, message) ? 0 : -EBADMSG;
}

static int run_reservations(struct cli *cli,
			    const struct invocation *invocation)
{
	struct volume_name body = { 0 };
	struct rows rows;
	const struct request request = { .type = MSG_RESERVATION_LIST,
					 .body = &body,
					 .on_row = take_reservation,
					 .row_data = &rows };
	int status =
		cli_take_name(cli, "name", invocation->positional, body.name);

	rows_init(&rows, MSG_RESERVATION_ROW, reservation_columns);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE)
		rows_print(&rows, cli);
	rows_release(&rows);
	return status;
}

const struct verb verb_reservations = {
	.name = "reservations",
	.positional = "VOLUME",
	.summary = "List who is registered for a volume's persistent "
		   "reservations, and who holds one.",
	.run = run_reservations,
};
