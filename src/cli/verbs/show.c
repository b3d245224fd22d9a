/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/verbs.h"
#include "control/definition_message.h"
#include "definition/document.h"

enum part { DISKS, NICS, EMULATIONS, PROCESSES, PART_COUNT };

static const struct {
	uint32_t type;
	const struct column *columns;
	const char *key;
} parts[] = {
	[DISKS] = { MSG_DISK_ROW, disk_columns, "disks" },
	[NICS] = { MSG_NIC_ROW, nic_columns, "nics" },
	[EMULATIONS] = { MSG_EMULATION_ROW, emulation_columns, "emulations" },
	[PROCESSES] = { MSG_LAYER_ROW, process_columns, "processes" },
};

/* Everything the supervisor said about one partition. */
struct showing {
	struct partition_row row;
	struct partition_document document;
	struct image_row image;
	struct rows parts[PART_COUNT];
};

static bool take_part(struct showing *showing, const struct message *message)
{
	for (size_t i = 0; i < PART_COUNT; i++)
		if (rows_take(&showing->parts[i], message))
			return true;
	return false;
}

static int add_row(void *data, struct message *message)
{
	struct showing *showing = data;
	struct refusal refusal;

	if (message->type == MSG_PARTITION_DEFINED)
		return definition_message_read(message->type, message->body,
					       &showing->document, &refusal);
	if (message->type == MSG_PARTITION_ROW)
		memcpy(&showing->row, message->body, sizeof(showing->row));
	else if (message->type == MSG_IMAGE_ROW)
		memcpy(&showing->image, message->body, sizeof(showing->image));
	else if (!take_part(showing, message))
		return -EBADMSG;
	return 0;
}

static void print_image(const struct image_row *image)
{
	time_t seconds = (time_t)(image->saved_us / 1000000);
	char when[32] = "?";
	struct tm local;

	if (!image->saved_us)
		return;
	if (localtime_r(&seconds, &local))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	(void)printf("saved %s, image %llu MiB\n", when,
		     (unsigned long long)image->bytes >> 20);
}

static void print_text(const struct showing *showing)
{
	const struct partition_row *row = &showing->row;

	cli_print_line("%s: %s, engine %s%s%s", row->name, row->state_name,
		       engine_name(row->engine), row->reason[0] ? ": " : "",
		       row->reason);
	if (row->monitor_pid)
		(void)printf("monitor %u, engine process %u, running for "
			     "%llu s\n",
			     row->monitor_pid, row->engine_pid,
			     (unsigned long long)(row->running_ms / 1000));
	print_image(&showing->image);
	for (size_t i = 0; i < PART_COUNT; i++)
		rows_print_if_any(&showing->parts[i]);
	(void)puts("");
	document_write(&showing->document, stdout);
}

static void print_json(const struct showing *showing)
{
	json_t *object = json_row(MSG_PARTITION_ROW, &showing->row);

	(void)json_object_set_new(
		object, "definition",
		json_record(&partition_record, &showing->document));
	for (size_t i = 0; i < PART_COUNT; i++)
		(void)json_object_set(object, parts[i].key,
				      showing->parts[i].json);
	(void)json_object_set_new(
		object, "image",
		showing->image.saved_us
			? json_row(MSG_IMAGE_ROW, &showing->image)
			: json_null());
	cli_print_json(object);
}

static int show(struct cli *cli, const struct invocation *invocation,
		struct showing *showing)
{
	struct partition_name body = { 0 };
	const struct request request = {
		.type = MSG_PARTITION_SHOW,
		.body = &body,
		.on_row = add_row,
		.row_data = showing,
	};
	int status;

	status = cli_take_name(cli, "name", invocation->positional, body.name);
	if (status == EXIT_DONE)
		status = cli_call(cli, &request, NOT_LONG);
	if (status == EXIT_DONE && cli->is_json)
		print_json(showing);
	else if (status == EXIT_DONE)
		print_text(showing);
	return status;
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct showing showing = { 0 };
	int status;

	for (size_t i = 0; i < PART_COUNT; i++)
		rows_init(&showing.parts[i], parts[i].type, parts[i].columns);
	status = show(cli, invocation, &showing);
	for (size_t i = 0; i < PART_COUNT; i++)
		rows_release(&showing.parts[i]);
	return status;
}

const struct verb verb_show = {
	.name = "show",
	.positional = "NAME",
	.summary = "Show a partition: state, disks, interfaces, isolation, and "
		   "its "
		   "document.",
	.run = run,
};
