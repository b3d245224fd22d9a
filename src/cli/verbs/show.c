/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/disk_table.h"
#include "cli/network_rows.h"
#include "cli/rows.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "definition/document.h"
#include "sandbox/sandbox.h"

/* Everything the supervisor said about one partition. */
struct showing {
	struct partition_row row;
	struct partition_document document;
	struct table disks;
	struct table nics;
	struct table processes;
	struct table emulations;
	struct image_row image;
	json_t *disk_rows;
	json_t *nic_rows;
	json_t *process_rows;
	json_t *emulation_rows;
};

static void add_process(struct showing *showing, const struct layer_row *row)
{
	char missing[TABLE_CELL_SIZE];

	sandbox_layer_list(row->missing, missing, sizeof(missing));
	table_add(&showing->processes, "%s", row->process);
	table_add(&showing->processes, "%u", row->pid);
	table_add(&showing->processes, "%s", missing);
	(void)json_array_append_new(showing->process_rows, json_layers(row));
}

static void add_disk(struct showing *showing, const struct disk_row *row)
{
	disk_table_add(&showing->disks, row);
	(void)json_array_append_new(showing->disk_rows, json_disk(row));
}

static void add_nic(struct showing *showing, const struct nic_row *row)
{
	struct partition_document *document = &showing->document;

	if (document->nic_count < NIC_COUNT_MAX)
		document->nics[document->nic_count++] = row->definition;
	nic_table_add(&showing->nics, row);
	(void)json_array_append_new(showing->nic_rows, json_nic(row));
}

static void add_emulation(struct showing *showing, const struct emulation *row)
{
	char mnemonic[sizeof(row->mnemonic) * 4];

	text_escape(mnemonic, sizeof(mnemonic), row->mnemonic,
		    strlen(row->mnemonic));
	table_add(&showing->emulations, "%s", mnemonic);
	table_add(&showing->emulations, "%llu", (unsigned long long)row->count);
	(void)json_array_append_new(showing->emulation_rows,
				    json_emulation(row));
}

static int add_row(void *data, struct message *message)
{
	struct showing *showing = data;

	if (message->type == MSG_PARTITION_ROW)
		memcpy(&showing->row, message->body, sizeof(showing->row));
	else if (message->type == MSG_PARTITION_DEFINED)
		memcpy(&showing->document.partition, message->body,
		       sizeof(showing->document.partition));
	else if (message->type == MSG_DISK_ROW)
		add_disk(showing, (const void *)message->body);
	else if (message->type == MSG_NIC_ROW)
		add_nic(showing, (const void *)message->body);
	else if (message->type == MSG_LAYER_ROW)
		add_process(showing, (const void *)message->body);
	else if (message->type == MSG_EMULATION_ROW)
		add_emulation(showing, (const void *)message->body);
	else if (message->type == MSG_IMAGE_ROW)
		memcpy(&showing->image, message->body, sizeof(showing->image));
	else
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

static void print_table(const struct table *table)
{
	if (table->cell_count == table->column_count)
		return;
	(void)puts("");
	table_print(table);
}

static void print_text(const struct showing *showing)
{
	const struct partition_row *row = &showing->row;
	char reason[TEXT_SIZE * 4];

	text_escape(reason, sizeof(reason), row->reason, strlen(row->reason));
	(void)printf("%s: %s, engine %s%s%s\n", row->name, row->state_name,
		     engine_name(row->engine), reason[0] ? ": " : "", reason);
	if (row->monitor_pid)
		(void)printf("monitor %u, engine process %u, running for "
			     "%llu s\n",
			     row->monitor_pid, row->engine_pid,
			     (unsigned long long)(row->running_ms / 1000));
	print_image(&showing->image);
	print_table(&showing->disks);
	print_table(&showing->nics);
	print_table(&showing->emulations);
	print_table(&showing->processes);
	(void)puts("");
	document_write(&showing->document, stdout);
}

static void print_json(const struct showing *showing)
{
	json_t *object = json_partition(&showing->row);

	(void)json_object_set_new(
		object, "definition",
		json_record(&partition_record, &showing->document));
	(void)json_object_set(object, "disks", showing->disk_rows);
	(void)json_object_set(object, "nics", showing->nic_rows);
	(void)json_object_set(object, "processes", showing->process_rows);
	(void)json_object_set(object, "emulations", showing->emulation_rows);
	(void)json_object_set_new(object, "image",
				  showing->image.saved_us
					  ? json_image(&showing->image)
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
	static const char *const headings[] = { "PROCESS", "PID",
						"MISSING ISOLATION", NULL };
	static const char *const emulated[] = { "EMULATED", "TIMES", NULL };
	struct showing showing = {
		.disk_rows = json_array(),
		.nic_rows = json_array(),
		.process_rows = json_array(),
		.emulation_rows = json_array(),
	};
	int status;

	disk_table_init(&showing.disks);
	nic_table_init(&showing.nics);
	table_init(&showing.processes, headings);
	table_init(&showing.emulations, emulated);
	status = show(cli, invocation, &showing);
	table_release(&showing.disks);
	table_release(&showing.nics);
	table_release(&showing.processes);
	table_release(&showing.emulations);
	json_decref(showing.disk_rows);
	json_decref(showing.nic_rows);
	json_decref(showing.process_rows);
	json_decref(showing.emulation_rows);
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
